//! The role that serves a component over HTTP, as the command of a Wasm app.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{
    component::{self, WasmError, chain},
    engine,
    epoch::Clock,
    service::Service,
    settings::Settings,
};

/// How long requests may still take once the host is told to stop; shorter than the ten
/// seconds after which it is killed.
const PATIENCE: Duration = Duration::from_secs(9);

/// How long a client may take over the head of a request.
const HEAD: Duration = Duration::from_secs(30);

/// `wasm-host COMPONENT`: serves the component on `0.0.0.0:$PORT` until SIGTERM. The working
/// directory is what the component sees as `/`.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<PathBuf> = args.into_iter().map(PathBuf::from).collect();
    let outcome = match args.as_slice() {
        [component] => run(component),
        _ => Err(WasmError::Setting(
            "wasm-host takes one argument: the component".to_owned(),
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(component: &Path) -> Result<(), WasmError> {
    let settings = Settings::read(|name| env::var(name).ok())?;
    let start = |what: &str| {
        let what = what.to_owned();
        move |source| WasmError::Start { what, source }
    };
    // One thread: two that make instances in one address space hinder each other more than
    // they help.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(start("start the runtime"))?;
    let service = service(component, &settings)?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.port));
        let listener = TcpListener::bind(address)
            .await
            .map_err(start(&format!("listen on port {}", settings.port)))?;
        let mut stop = signal(SignalKind::terminate()).map_err(start("await SIGTERM"))?;
        note(&format!(
            "serving {} on port {}",
            component.display(),
            settings.port
        ));
        serve(listener, service, async {
            stop.recv().await;
        })
        .await;
        Ok(())
    })
}

/// A service for the component in the file `component`.
pub(super) fn service(component: &Path, settings: &Settings) -> Result<Service, WasmError> {
    let engine = engine::server(settings.at_once)?;
    let ready = component::load(&engine, component, note)?;
    let clock = Clock::start(&engine).map_err(|source| WasmError::Start {
        what: "start the clock".to_owned(),
        source,
    })?;
    let app = env::current_dir().map_err(|source| WasmError::Start {
        what: "find the working directory".to_owned(),
        source,
    })?;
    // What is not UTF-8 cannot be told to a component.
    let env = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(Service::new(ready, app, env, settings, clock))
}

/// Serves what `listener` accepts until `stop`, then lets what was begun end.
pub(super) async fn serve(listener: TcpListener, service: Service, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        // Each of these may be dropped half-way: accepting and joining lose nothing then.
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone(), graceful.watcher()));
                }
                Err(error) => {
                    // Out of descriptors, most likely: those in use have to end first.
                    note(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    service.guests().close();
    let ended = async {
        graceful.shutdown().await;
        service.guests().wait().await;
    };
    if tokio::time::timeout(PATIENCE, ended).await.is_err() {
        note("stopped while requests were still being answered");
    }
}

async fn connection(
    stream: TcpStream,
    service: Service,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Without it small answers wait for the client's acknowledgement; that it may not be set
    // is no reason to refuse the client.
    let _ = stream.set_nodelay(true);
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    server.http2().timer(TokioTimer::new());
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let serving = server.serve_connection(TokioIo::new(stream), answer);
    // What a client does wrong on its connection concerns nobody else.
    let _ = watcher.watch(serving.into_owned()).await;
}

/// Tells the app's log.
fn note(text: &str) {
    // A closed log is no reason to fail.
    let _ = writeln!(io::stderr().lock(), "wasm: {text}");
}

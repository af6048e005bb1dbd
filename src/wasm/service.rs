//! Answers requests, each with a fresh instance.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use wasmtime::Store;
use wasmtime_wasi_http::{
    WasiBody, WasiHttpView,
    p2::bindings::{ProxyPre, http::types::Scheme},
};

use super::{budget::Budget, epoch::Clock, refusal::Refusal, state::State};

/// Answers requests; clones share everything.
#[derive(Clone)]
pub(super) struct Service {
    component: ProxyPre<State>,
    app: Arc<PathBuf>,
    env: Arc<[(String, String)]>,
    timeout: Duration,
    budget: Budget,
    clock: Clock,
    /// A permit for each instance that the pool has room for.
    room: Arc<Semaphore>,
    /// Guests at work, which may go on after their answer.
    guests: TaskTracker,
}

impl Service {
    pub(super) fn new(
        component: ProxyPre<State>,
        app: PathBuf,
        env: Vec<(String, String)>,
        settings: &super::settings::Settings,
        clock: Clock,
    ) -> Self {
        Self {
            component,
            app: Arc::new(app),
            env: env.into(),
            timeout: settings.timeout,
            budget: Budget::new(settings.memory),
            clock,
            room: Arc::new(Semaphore::new(settings.at_once as usize)),
            guests: TaskTracker::new(),
        }
    }

    /// Guests at work.
    pub(super) const fn guests(&self) -> &TaskTracker {
        &self.guests
    }

    /// The guest's answer, or one that says why there is none. Dropping the future before the
    /// guest has answered stops the guest.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<WasiBody> {
        let name = format!("{} {}", request.method(), request.uri().path());
        match self.ask(request).await {
            Ok(response) => response,
            Err(refusal) => {
                // A log that nobody reads is no reason to fail.
                let _ = io::stderr().lock().write_all(refusal.log(&name).as_bytes());
                refuse(&refusal)
            }
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Result<Response<WasiBody>, Refusal> {
        let deadline = Instant::now() + self.timeout;
        let late = || Refusal::TimedOut(self.timeout.as_secs());
        let room = timeout_at(deadline, self.room.clone().acquire_owned());
        let room = room.await.map_err(|_| late())?;

        let state = State::new(&self.app, &self.env, self.budget.guest());
        let mut store = Store::new(self.component.engine(), state.map_err(Refusal::Failed)?);
        store.limiter(|state| &mut state.limiter);
        // At each tick the guest gives way to others, and its time limit can take hold.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let (sender, answered) = oneshot::channel();
        let mut http = store.data_mut().http();
        let request = http
            .new_incoming_request(Scheme::Http, request)
            .map_err(Refusal::Failed)?;
        let answer = http
            .new_response_outparam(sender)
            .map_err(Refusal::Failed)?;

        let component = self.component.clone();
        let running = self.clock.run();
        let guest = AbortOnDropHandle::new(self.guests.spawn(async move {
            // Both are given back when the instance is gone.
            let _held = (room, running);
            let mut store = store;
            let call = async {
                let proxy = component.instantiate_async(&mut store).await?;
                let handler = proxy.wasi_http_incoming_handler();
                handler.call_handle(&mut store, request, answer).await
            };
            timeout_at(deadline, call).await
        }));
        match answered.await {
            Ok(Ok(response)) => {
                self.watch(guest);
                Ok(response)
            }
            Ok(Err(code)) => Err(Refusal::Code(format!("{code:?}"))),
            // The guest dropped its side without an answer: its end says why.
            Err(_) => Err(match guest.await {
                Ok(Ok(Ok(()))) => Refusal::Silent,
                Ok(Ok(Err(error))) => Refusal::Failed(error),
                Ok(Err(_)) => late(),
                Err(error) => Refusal::Failed(wasmtime::Error::new(error)),
            }),
        }
    }

    /// Lets a guest that has answered go on, and logs it where it fails then; its client sees
    /// a body that ends too early.
    fn watch(
        &self,
        guest: AbortOnDropHandle<Result<wasmtime::Result<()>, tokio::time::error::Elapsed>>,
    ) {
        let seconds = self.timeout.as_secs();
        self.guests.spawn(async move {
            let refusal = match guest.await {
                Ok(Ok(Err(error))) => Refusal::Failed(error),
                Ok(Err(_)) => Refusal::TimedOut(seconds),
                Ok(Ok(Ok(()))) | Err(_) => return,
            };
            let text = refusal.log("after the answer began");
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }
}

fn refuse(refusal: &Refusal) -> Response<WasiBody> {
    let text = Bytes::from(format!("{}\n", refusal.reason()));
    let mut response = Response::new(
        Full::new(text)
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *response.status_mut() = refusal.status();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

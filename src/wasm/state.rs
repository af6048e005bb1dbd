//! What one instance has on the host's side.

use std::{
    io::{self, Write},
    path::Path,
};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use super::budget::Guest;

/// The host's side of one instance.
pub(super) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoNetwork,
    /// What it may use.
    pub(super) limiter: Guest,
}

impl State {
    /// A guest that sees the platform's variables, writes to the app's log and reads the
    /// files of `app` below `/`.
    pub(super) fn new(
        app: &Path,
        env: &[(String, String)],
        limiter: Guest,
    ) -> wasmtime::Result<Self> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.inherit_stdout()
            .inherit_stderr()
            .envs(env)
            .preopened_dir(app, "/", FsPerms::ReadOnly)?;
        Ok(Self {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: NoNetwork,
            limiter,
        })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Refuses outgoing requests: the sandbox of an app has no way out.
struct NoNetwork;

type Sent = (
    http::Response<WasiBody>,
    Box<dyn Future<Output = Result<()>> + Send>,
);

impl WasiHttpHooks for NoNetwork {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _received: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent>> + Send> {
        let to = request.uri().host().unwrap_or("an address").to_owned();
        // The guest sees a bare code; the owner reads why in the log. That the log may be
        // closed is no reason to fail.
        let _ = writeln!(
            io::stderr().lock(),
            "wasm: a request to {to} was refused: components have no outgoing network here"
        );
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

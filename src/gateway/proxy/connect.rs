//! Opens connections to instances.

use std::{io, path::Path};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::timeout};

use super::Errand;
use crate::gateway::{body::Upload, connection::LocalExecutor, pool::Key, worker::Worker};

/// Room for a response's head.
const RESPONSE_BUFFER: usize = 256 * 1024;

/// Window of one response over HTTP/2: what waits here for a slow client.
const RESPONSE_WINDOW: u32 = 128 * 1024;

/// Window of all responses on one connection: slow clients must not hold up the others.
const RESPONSES_WINDOW: u32 = 256 * RESPONSE_WINDOW;

/// Most header lines of a response.
const RESPONSE_HEADERS: usize = 256;

impl Errand<'_> {
    pub(super) async fn connect_http1(
        &self,
        key: Key,
        dir: &Path,
    ) -> Option<http1::SendRequest<Upload>> {
        let stream = dial(self.worker, key, dir).await?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(RESPONSE_HEADERS)
            .max_buf_size(RESPONSE_BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let pool = self.worker.pool.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::trace!(%error, "a connection to an instance broke");
            }
            pool.tidy(key);
        });
        Some(sender)
    }

    pub(super) async fn connect_http2(
        &self,
        key: Key,
        dir: &Path,
    ) -> Option<http2::SendRequest<Upload>> {
        let stream = dial(self.worker, key, dir).await?;
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(RESPONSE_WINDOW)
            .initial_connection_window_size(RESPONSES_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let pool = self.worker.pool.clone();
        pool.share(key, sender.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection to an instance broke");
            }
            pool.tidy(key);
        });
        Some(sender)
    }
}

/// Opens a connection to a port of an instance; says why not, and gives none, where that fails.
pub(in crate::gateway) async fn dial(worker: &Worker, key: Key, dir: &Path) -> Option<TcpStream> {
    let config = &worker.shared.config;
    worker.counters.dial();
    let error = match timeout(config.limits.connect, (config.dial)(dir, key.port)).await {
        Ok(Ok(stream)) => {
            // Not fatal: packets merely wait to be filled.
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    tracing::debug!(instance = %key.instance, port = key.port, %error, "cannot connect");
    None
}

//! What who pushes is told while it happens: git shows each line behind `remote: `.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time::sleep};

use super::packet;
use crate::{
    logs::{Line, Logs, Stream},
    model::AppId,
    stdx::clock::Clock,
};

/// Bands of the protocol: what is for git, and what is for the person.
const DATA: &[u8] = &[1];
const MESSAGE: &[u8] = &[2];
/// Bytes of a packet's content beside its band.
const MOST: usize = 65_000;
/// A client that takes nothing for so long is told nothing more; the push goes on.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often something comes at least, so that nobody on the way takes it for dead.
const BEAT: Duration = Duration::from_secs(5);

/// Speaks to who pushes, or, where nobody listens, to the app's log.
#[derive(Debug, Clone)]
pub(super) struct Voice(To);

#[derive(Debug, Clone)]
enum To {
    Client {
        to: mpsc::Sender<Bytes>,
        /// Whether it takes messages at all.
        bands: bool,
        heard: bool,
    },
    Log {
        logs: Logs,
        app: AppId,
        clock: Clock,
    },
}

impl Voice {
    /// To a client, which takes messages or not.
    pub(super) const fn to_client(to: mpsc::Sender<Bytes>, bands: bool) -> Self {
        let heard = true;
        Self(To::Client { to, bands, heard })
    }

    /// To the log of an app.
    pub(super) fn to_log(logs: Logs, app: AppId) -> Self {
        let clock = Clock::system();
        Self(To::Log { logs, app, clock })
    }

    /// Says something, a line or several.
    pub(super) async fn say(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref().trim_end();
        for line in text.lines() {
            match &self.0 {
                To::Client { .. } => self.tell(line).await,
                To::Log { logs, app, clock } => logs.append(Line {
                    at_ns: clock.wall_ns(),
                    app: *app,
                    source: "API".to_owned(),
                    instance: "0".to_owned(),
                    process: None,
                    stream: Stream::Out,
                    text: Bytes::copy_from_slice(line.as_bytes()),
                }),
            }
        }
    }

    /// Says what is in the app's log already.
    pub(super) async fn repeat(&mut self, text: &str) {
        if matches!(self.0, To::Client { .. }) {
            self.say(text).await;
        }
    }

    /// Ends it with `report`.
    pub(super) async fn end(mut self, report: &[u8]) {
        let To::Client { bands, .. } = self.0 else {
            return;
        };
        if bands {
            for part in report.chunks(MOST) {
                self.send(DATA, part).await;
            }
            self.put(Bytes::from_static(packet::FLUSH)).await;
        } else {
            self.put(Bytes::copy_from_slice(report)).await;
        }
    }

    /// Keeps the connection alive until it is dropped.
    pub(super) async fn beat(mut self) -> Infallible {
        while matches!(self.0, To::Client { heard: true, .. }) {
            sleep(BEAT).await;
            self.send(DATA, &[]).await;
        }
        std::future::pending().await
    }

    async fn tell(&mut self, line: &str) {
        let mut line = line.to_owned();
        if line.len() > MOST {
            let end = (0..=MOST).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(end.unwrap_or(0));
        }
        line.push('\n');
        self.send(MESSAGE, line.as_bytes()).await;
    }

    async fn send(&mut self, band: &[u8], text: &[u8]) {
        if matches!(self.0, To::Client { bands: true, .. }) {
            let mut packet = Vec::with_capacity(text.len() + 5);
            packet::write(&mut packet, &[band, text]);
            self.put(packet.into()).await;
        }
    }

    async fn put(&mut self, bytes: Bytes) {
        if let To::Client { to, heard, .. } = &mut self.0
            && *heard
        {
            *heard = to.send_timeout(bytes, PATIENCE).await.is_ok();
        }
    }
}

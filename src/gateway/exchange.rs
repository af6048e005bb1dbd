//! One request and its answer, from its first byte to the last of the response.

use std::{fmt, rc::Rc, sync::Arc, time::Instant};

use super::{
    access::{AccessRecord, Answered, Asked},
    body::UploadState,
    io::ConnState,
    worker::Worker,
};
use crate::routing::{Backend, Balance, Entry};

/// The status of a request whose client left before there was an answer, as nginx counts it.
const CLIENT_GONE: u16 = 499;

/// What is known of a request and its answer; its end is its drop, wherever that happens,
/// so that an aborted request is counted like any other.
pub(super) struct Exchange {
    worker: Rc<Worker>,
    conn: Arc<ConnState>,
    started: Instant,
    dispatched: Option<Instant>,
    asked: Option<Asked>,
    backend: Option<Held>,
    upload: Option<Rc<UploadState>>,
    status: u16,
    error: Option<&'static str>,
    received: u64,
    sent: u64,
}

/// A backend in the hands of a request or connection.
pub(super) struct Held {
    backend: Arc<Backend>,
    /// Whether the request counts in the backend's load.
    counted: bool,
}

impl Held {
    pub(super) fn new(backend: &Arc<Backend>, balance: Balance) -> Self {
        let counted = balance == Balance::LeastConnections;
        if counted {
            backend.load.begin();
        }
        Self {
            backend: Arc::clone(backend),
            counted,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.counted {
            self.backend.load.end();
        }
    }
}

impl Exchange {
    pub(super) fn begin(worker: &Rc<Worker>, conn: &Arc<ConnState>) -> Box<Self> {
        conn.request_began();
        Box::new(Self {
            worker: Rc::clone(worker),
            conn: Arc::clone(conn),
            started: Instant::now(),
            dispatched: None,
            asked: None,
            backend: None,
            upload: None,
            status: CLIENT_GONE,
            error: None,
            received: 0,
            sent: 0,
        })
    }

    /// When it began.
    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// Notes a request of an app, which is to have an access line.
    pub(super) fn asked(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    pub(super) fn upload(&mut self, upload: &Rc<UploadState>) {
        self.upload = Some(Rc::clone(upload));
    }

    /// Notes the backend of an attempt; the last one stays.
    pub(super) fn dispatched_to(&mut self, backend: &Arc<Backend>, entry: &Entry) {
        self.dispatched.get_or_insert_with(Instant::now);
        self.backend = Some(Held::new(backend, entry.balance));
    }

    pub(super) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    pub(super) fn refused(&mut self, error: &'static str) {
        self.error = Some(error);
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Notes what went to the backend, beside what an upload counts.
    pub(super) fn received(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// Notes what went through a tunnel.
    pub(super) fn tunnelled(&mut self, received: u64, sent: u64) {
        self.sent += sent;
        if let Some(upload) = &self.upload {
            upload.add(received);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.conn.request_ended();
        self.worker.counters.request(self.status);
        let (Some(asked), Some(held)) = (self.asked.take(), &self.backend) else {
            return;
        };
        let total = self.started.elapsed();
        self.worker.shared.access.write(|| {
            AccessRecord::new(
                asked,
                Answered {
                    backend: Arc::clone(&held.backend),
                    status: self.status,
                    received: self.received
                        + self.upload.as_ref().map_or(0, |upload| upload.bytes()),
                    sent: self.sent,
                    total,
                    gateway: self.dispatched.map_or(total, |at| at - self.started),
                    error: self.error,
                },
            )
        });
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

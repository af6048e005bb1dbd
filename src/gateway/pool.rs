//! Connections to instances that wait for their next request.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use hyper::client::conn::{http1, http2};

use super::{
    Limits,
    body::{Upload, UploadState},
};
use crate::model::InstanceId;

/// Which connections are interchangeable. An instance's folder is its own, so its id stands
/// for the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) instance: InstanceId,
    pub(super) port: u16,
}

/// One thread's connections to instances; clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    held: Rc<RefCell<Held>>,
    idle: Duration,
    spare: usize,
}

#[derive(Default)]
struct Held {
    /// The last used one is at the end.
    http1: HashMap<Key, Vec<Spare>>,
    /// One carries any number of requests.
    http2: HashMap<Key, http2::SendRequest<Upload>>,
}

/// What a look into the pool has found.
enum Taken {
    Ready(http1::SendRequest<Upload>),
    /// A connection that is not done with its last request yet.
    Soon,
    Nothing,
}

struct Spare {
    sender: http1::SendRequest<Upload>,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held: Rc::default(),
            idle: limits.upstream_idle,
            spare: limits.upstream_spare,
        }
    }

    /// A connection of HTTP/1 that was used last less than `fresh` ago.
    pub(super) async fn take(
        &self,
        key: Key,
        fresh: Duration,
    ) -> Option<http1::SendRequest<Upload>> {
        match self.try_take(key, fresh) {
            Taken::Ready(sender) => Some(sender),
            Taken::Nothing => None,
            Taken::Soon => {
                // Its task has to run once more after the last response.
                tokio::task::yield_now().await;
                match self.try_take(key, fresh) {
                    Taken::Ready(sender) => Some(sender),
                    Taken::Soon | Taken::Nothing => None,
                }
            }
        }
    }

    fn try_take(&self, key: Key, fresh: Duration) -> Taken {
        let mut held = self.held.borrow_mut();
        let Some(spares) = held.http1.get_mut(&key) else {
            return Taken::Nothing;
        };
        let mut soon = false;
        for at in (0..spares.len()).rev() {
            if spares[at].since.elapsed() > fresh {
                break;
            }
            if spares[at].sender.is_ready() {
                return Taken::Ready(spares.remove(at).sender);
            }
            soon |= !spares[at].sender.is_closed();
        }
        if soon { Taken::Soon } else { Taken::Nothing }
    }

    fn give(&self, key: Key, sender: http1::SendRequest<Upload>) {
        if sender.is_closed() {
            return;
        }
        let mut held = self.held.borrow_mut();
        let spares = held.http1.entry(key).or_default();
        if spares.len() >= self.spare {
            spares.remove(0);
        }
        spares.push(Spare {
            sender,
            since: Instant::now(),
        });
    }

    /// The connection of HTTP/2, while it is there.
    pub(super) fn shared(&self, key: Key) -> Option<http2::SendRequest<Upload>> {
        let held = self.held.borrow();
        held.http2
            .get(&key)
            .filter(|sender| !sender.is_closed())
            .cloned()
    }

    pub(super) fn share(&self, key: Key, sender: http2::SendRequest<Upload>) {
        self.held.borrow_mut().http2.insert(key, sender);
    }

    /// Forgets what is closed of `key`; called when a connection has ended.
    pub(super) fn tidy(&self, key: Key) {
        let mut held = self.held.borrow_mut();
        if let Some(spares) = held.http1.get_mut(&key) {
            spares.retain(|spare| !spare.sender.is_closed());
            if spares.is_empty() {
                held.http1.remove(&key);
            }
        }
        if held
            .http2
            .get(&key)
            .is_some_and(http2::SendRequest::is_closed)
        {
            held.http2.remove(&key);
        }
    }

    /// Closes what has not been used for long.
    pub(super) fn sweep(&self) {
        let mut held = self.held.borrow_mut();
        held.http1.retain(|_, spares| {
            spares.retain(|spare| !spare.sender.is_closed() && spare.since.elapsed() < self.idle);
            !spares.is_empty()
        });
        held.http2.retain(|_, sender| !sender.is_closed());
    }
}

/// A connection that carries an exchange and is to go back to the pool.
pub(super) struct Lease {
    pool: Pool,
    key: Key,
    sender: Option<http1::SendRequest<Upload>>,
    upload: Rc<UploadState>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(
        pool: &Pool,
        key: Key,
        sender: Option<http1::SendRequest<Upload>>,
        upload: &Rc<UploadState>,
    ) -> Self {
        Self {
            pool: pool.clone(),
            key,
            sender,
            upload: Rc::clone(upload),
        }
    }

    /// Puts the connection back, the response having come to its end.
    pub(super) fn give_back(mut self) {
        if let Some(sender) = self.sender.take()
            && self.upload.is_done()
        {
            self.pool.give(self.key, sender);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.upload.is_done() {
            self.upload.abandon();
        }
    }
}

//! What the threads keep for the next request: connections to instances, and buffers.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt, io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::net::TcpStream;

use crate::gateway::{Limits, pool::Key};

/// What is read at once: as much as a socket gives.
const READ: usize = 64 * 1024;
/// Buffers for heads that are kept.
const BUFFERS: usize = 256;
/// The largest buffer that is kept.
const LARGEST: usize = 16 * 1024;

/// One thread's connections to instances that wait for a request.
#[derive(Debug)]
pub(in crate::gateway) struct Spares {
    /// The last used one is at the end.
    idle: RefCell<HashMap<Key, Vec<Spare>>>,
    keep: Duration,
    most: usize,
}

#[derive(Debug)]
struct Spare {
    stream: TcpStream,
    since: Instant,
}

impl Spares {
    pub(in crate::gateway) fn new(limits: &Limits) -> Self {
        Self {
            idle: RefCell::default(),
            keep: limits.upstream_idle,
            most: limits.upstream_spare,
        }
    }

    /// A connection that was used last less than `fresh` ago.
    pub(super) fn take(&self, key: Key, fresh: Duration) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        let spares = idle.get_mut(&key)?;
        while let Some(spare) = spares.pop() {
            if spare.since.elapsed() > fresh {
                spares.push(spare);
                return None;
            }
            if is_quiet(&spare.stream) {
                return Some(spare.stream);
            }
        }
        None
    }

    pub(super) fn give(&self, key: Key, stream: TcpStream) {
        let mut idle = self.idle.borrow_mut();
        let spares = idle.entry(key).or_default();
        if spares.len() >= self.most {
            spares.remove(0);
        }
        spares.push(Spare {
            stream,
            since: Instant::now(),
        });
    }

    /// Closes what has not been used for long, and what the other side has closed.
    pub(in crate::gateway) fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, spares| {
            spares.retain(|spare| spare.since.elapsed() < self.keep && is_quiet(&spare.stream));
            !spares.is_empty()
        });
    }
}

/// Whether nothing has come that nobody asked for, not even the end. Costs no system call while
/// nothing has.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// One thread's buffers.
pub(in crate::gateway) struct Scratch {
    read: RefCell<Box<[u8]>>,
    heads: RefCell<Vec<Vec<u8>>>,
    date: Cell<(u64, [u8; 29])>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            read: RefCell::new(vec![0; READ].into()),
            heads: RefCell::default(),
            date: Cell::new((0, [b' '; 29])),
        }
    }
}

impl Scratch {
    /// Where everything is read first. Nobody holds it while waiting.
    pub(super) fn with_read<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut self.read.borrow_mut())
    }

    /// An empty buffer for a head.
    pub(super) fn head(&self) -> Vec<u8> {
        let spare = self.heads.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(2048))
    }

    /// Gives a buffer back.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < BUFFERS && (1..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            heads.push(buffer);
        }
    }

    /// The value of a Date field now.
    pub(super) fn date(&self) -> [u8; 29] {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |at| at.as_secs());
        let (at, mut text) = self.date.get();
        if at != second {
            if let Ok(fresh) = httpdate::fmt_http_date(now).into_bytes().try_into() {
                text = fresh;
            }
            self.date.set((second, text));
        }
        text
    }
}

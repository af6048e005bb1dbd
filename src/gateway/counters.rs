//! What each thread has counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One thread's counters; only that thread writes them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    connections: AtomicU64,
    refused: AtomicU64,
    requests: AtomicU64,
    classes: [AtomicU64; 5],
    dials: AtomicU64,
    retries: AtomicU64,
}

/// What a gateway has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections of clients that were accepted.
    pub connections: u64,
    /// Connections of clients that were turned away at the limit.
    pub refused: u64,
    /// Requests that have ended.
    pub requests: u64,
    /// Requests by the first digit of their status, from 1xx to 5xx.
    pub classes: [u64; 5],
    /// Connections to instances that were opened or tried.
    pub dials: u64,
    /// Attempts after a request's first.
    pub retries: u64,
}

impl Counters {
    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn request(&self, status: u16) {
        self.requests.fetch_add(1, Relaxed);
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(class) = self.classes.get(class) {
            class.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn dial(&self) {
        self.dials.fetch_add(1, Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn add_to(&self, sum: &mut Counts) {
        sum.connections += self.connections.load(Relaxed);
        sum.refused += self.refused.load(Relaxed);
        sum.requests += self.requests.load(Relaxed);
        for (sum, class) in sum.classes.iter_mut().zip(&self.classes) {
            *sum += class.load(Relaxed);
        }
        sum.dials += self.dials.load(Relaxed);
        sum.retries += self.retries.load(Relaxed);
    }
}

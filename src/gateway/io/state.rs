//! What a connection waits for and since when.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::gateway::Limits;

/// What the watchdog of a connection and its requests know of each other.
///
/// Only one thread touches it; it is atomic because upgraded connections have to be `Send`.
#[derive(Debug)]
pub(in crate::gateway) struct ConnState {
    pub(in crate::gateway) peer: SocketAddr,
    pub(in crate::gateway) tls: bool,
    epoch: Instant,
    /// Requests in flight.
    pub(super) active: AtomicU32,
    /// Requests that have ended.
    pub(super) ended: AtomicU32,
    /// When the last request ended, or the connection began.
    idle_since: AtomicU64,
    /// When the first byte of a head came whose end has not come yet; 0 for none.
    pub(super) head_since: AtomicU64,
    /// Since when the client takes nothing; 0 where it does.
    pub(super) blocked_since: AtomicU64,
    pub(super) saw_length: AtomicBool,
}

/// What a connection's time says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Patience {
    /// All is well; look again after this time.
    Wait(Duration),
    /// It has waited long enough for its next request.
    Idle,
    /// It is too slow to be kept.
    Slow,
}

impl ConnState {
    pub(in crate::gateway) fn new(peer: SocketAddr, tls: bool) -> Self {
        Self {
            peer,
            tls,
            epoch: Instant::now(),
            active: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            saw_length: AtomicBool::new(false),
        }
    }

    /// Milliseconds since the connection began, never 0.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    pub(in crate::gateway) fn request_began(&self) {
        self.active.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// Notes a head that begins with what was read before.
    pub(in crate::gateway) fn head_began(&self) {
        self.head_since.store(self.now(), Relaxed);
    }

    pub(in crate::gateway) fn request_ended(&self) {
        self.idle_since.store(self.now(), Relaxed);
        self.ended.fetch_add(1, Relaxed);
        self.active.fetch_sub(1, Relaxed);
    }

    /// Whether there was a request already.
    pub(in crate::gateway) fn had_request(&self) -> bool {
        self.active.load(Relaxed) != 0 || self.ended.load(Relaxed) != 0
    }

    /// Whether the head that was read last had a Content-Length line. hyper hides that from a
    /// request with a Transfer-Encoding. The second call says no.
    pub(in crate::gateway) fn take_saw_length(&self) -> bool {
        self.saw_length.swap(false, Relaxed)
    }

    /// Whether the connection keeps within its times.
    pub(in crate::gateway) fn patience(&self, limits: &Limits, multiplexed: bool) -> Patience {
        let past = |since: &AtomicU64| {
            Duration::from_millis(self.now().saturating_sub(since.load(Relaxed)))
        };
        let blocked = self.blocked_since.load(Relaxed) != 0;
        if blocked && past(&self.blocked_since) >= limits.stall {
            return Patience::Slow;
        }
        let mut wait = if blocked {
            limits.stall - past(&self.blocked_since)
        } else {
            Duration::MAX
        };
        if self.active.load(Relaxed) == 0 {
            // Frames of HTTP/2 come without a request too, so their first byte tells nothing.
            let (since, limit, over) = if !multiplexed && self.head_since.load(Relaxed) != 0 {
                (&self.head_since, limits.header_time, Patience::Slow)
            } else {
                (&self.idle_since, limits.idle, Patience::Idle)
            };
            match limit.checked_sub(past(since)) {
                Some(rest) if !rest.is_zero() => wait = wait.min(rest),
                _ => return over,
            }
        }
        // A head may begin right after this look, and has to be noticed in its time.
        Patience::Wait(wait.min(limits.look()).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_heads_and_idle_connections_are_told_apart() {
        let state = ConnState::new("127.0.0.1:1".parse().unwrap(), false);
        let limits = Limits {
            header_time: Duration::ZERO,
            ..Limits::default()
        };
        assert!(matches!(state.patience(&limits, false), Patience::Wait(_)));
        state.head_since.store(1, Relaxed);
        assert_eq!(state.patience(&limits, false), Patience::Slow);
        assert!(matches!(state.patience(&limits, true), Patience::Wait(_)));
        state.request_began();
        assert!(matches!(state.patience(&limits, false), Patience::Wait(_)));
        state.request_ended();
        let limits = Limits {
            idle: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(state.patience(&limits, false), Patience::Idle);
        state.blocked_since.store(1, Relaxed);
        let limits = Limits {
            stall: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(state.patience(&limits, false), Patience::Slow);
    }
}

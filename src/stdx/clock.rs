//! Time: what to decide by, and what to show.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// One point in time on two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the host booted. Nobody sets this clock, so durations and deadlines
    /// are measured on it; it can be compared across processes of one boot, not across boots.
    pub steady_ms: u64,
    /// Milliseconds since the Unix epoch, for people. It can jump both ways.
    pub wall_ms: u64,
}

impl Moment {
    /// The time from `earlier` to this moment; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.steady_ms.saturating_sub(earlier.steady_ms))
    }
}

/// Tells the time; clones agree.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    /// Milliseconds since the boot at `started`.
    uptime_ms: u64,
    boot: Arc<str>,
}

impl Clock {
    /// The clock of this host.
    #[must_use]
    pub fn system() -> Self {
        // Where /proc does not tell, steady times are worth something within this process
        // alone, which the empty boot id says.
        let uptime = fs::read_to_string("/proc/uptime")
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let known = uptime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self {
            started: Instant::now(),
            uptime_ms: known.map_or(0, millis),
            boot: if known.is_some() { boot.trim() } else { "" }.into(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Moment {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            steady_ms: self
                .uptime_ms
                .saturating_add(millis(self.started.elapsed())),
            wall_ms: millis(wall),
        }
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn wall_ns(&self) -> u64 {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Names the boot that steady times belong to; empty where they belong to this process.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }
}

/// Whole milliseconds of `duration`.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_time_never_runs_backwards_and_spans_are_never_negative() {
        let clock = Clock::system();
        let first = clock.now();
        let second = clock.now();
        assert!(second.steady_ms >= first.steady_ms);
        let later = Moment {
            steady_ms: first.steady_ms + 5,
            ..first
        };
        assert_eq!(later.since(first), Duration::from_millis(5));
        assert_eq!(first.since(later), Duration::ZERO);
    }
}

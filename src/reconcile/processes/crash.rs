//! What a crash means for the next start, as Diego decides it.

use std::time::Duration;

use crate::stdx::backoff::doubling;

/// Crashes that are followed by a start at once.
const IMMEDIATE: u32 = 2;
/// The first delay, and the longest (Diego: `CrashBackoffMinDuration`, `MaxBackoffDuration`).
const FIRST_DELAY: Duration = Duration::from_secs(30);
const LONGEST_DELAY: Duration = Duration::from_secs(16 * 60);
/// From this many crashes on there is no further start (Diego: `DefaultMaxRestarts`).
const LAST: u32 = 200;

/// The number of crashes in a row after one more, where `before` happened before it.
#[must_use]
pub const fn count(before: u32, stable: bool) -> u32 {
    if stable { 1 } else { before.saturating_add(1) }
}

/// How long after the crash that made it `crashes` in a row the next start has to wait; `None`
/// where there is none.
#[must_use]
pub fn delay(crashes: u32) -> Option<Duration> {
    match crashes {
        0..=IMMEDIATE => Some(Duration::ZERO),
        LAST.. => None,
        _ => Some(doubling(
            FIRST_DELAY,
            crashes - IMMEDIATE - 1,
            LONGEST_DELAY,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_then_thirty_seconds_doubling_to_sixteen_minutes_then_never() {
        let check = |crashes, expected: Option<u64>| {
            assert_eq!(
                delay(crashes),
                expected.map(Duration::from_secs),
                "{crashes}"
            );
        };
        check(1, Some(0));
        check(2, Some(0));
        check(3, Some(30));
        check(4, Some(60));
        check(5, Some(120));
        check(8, Some(960));
        check(9, Some(960));
        check(199, Some(960));
        check(200, None);
        check(u32::MAX, None);
    }

    #[test]
    fn a_stable_run_starts_the_count_afresh() {
        assert_eq!(count(7, true), 1);
        assert_eq!(count(7, false), 8);
    }
}

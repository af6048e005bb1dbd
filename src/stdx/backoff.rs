//! Delays that double.

use std::time::Duration;

/// The delay before attempt `attempt` (from 0): `first`, then twice the one before, at most `max`.
#[must_use]
pub fn doubling(first: Duration, attempt: u32, max: Duration) -> Duration {
    // 2^32 times any delay that matters is past every limit.
    let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
    first
        .checked_mul(factor)
        .map_or(max, |delay| delay.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let check = |attempt, expected| {
            let delay = doubling(Duration::from_secs(30), attempt, Duration::from_secs(960));
            assert_eq!(delay, Duration::from_secs(expected), "attempt {attempt}");
        };
        check(0, 30);
        check(1, 60);
        check(5, 960);
        check(6, 960);
        check(31, 960);
        check(32, 960);
        check(u32::MAX, 960);
    }
}

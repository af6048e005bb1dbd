//! Waiting for conditions, never for luck.

use std::time::{Duration, Instant};

/// Polls `condition` until it gives a value, for at most a minute and a half.
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(90), what, condition)
}

/// Polls `condition` until it gives a value; panics, naming `what`, once `limit` has passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a test pauses between polls"
)]
fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

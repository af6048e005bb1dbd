//! Waiting for conditions, never for luck.

use std::time::{Duration, Instant};

/// Nothing here takes near as long, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Polls `condition` until it gives a value; panics, naming `what`, when patience ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a test's thread pauses between polls"
)]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        in_time(start, what);
        std::thread::sleep(PAUSE);
    }
}

/// The same in a task.
pub(crate) async fn soon<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        in_time(start, what);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits in a task until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async || condition().then_some(())).await;
}

fn in_time(start: Instant, what: &str) {
    assert!(
        start.elapsed() < PATIENCE,
        "waited {PATIENCE:?} in vain for {what}"
    );
}

//! Groups of tasks with one owner.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tasks that are stopped and awaited together; clones share the group.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` until it ends or the group is stopped, which drops it where it waits.
    /// A panic in it is logged under `name` and ends it alone.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            let guarded = AssertUnwindSafe(future).catch_unwind();
            // Dropping the future half-way is what stopping the group means.
            if let Some(Err(_)) = stop.run_until_cancelled(guarded).await {
                tracing::error!(task = name, "a task panicked");
            }
        });
    }

    /// Completes when the group is asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Stops every task and waits until they are gone.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Gone(Arc<AtomicUsize>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn stopping_drops_what_waits_and_outlives_a_panic() {
        let tasks = Tasks::new();
        let gone = Arc::new(AtomicUsize::new(0));
        let guard = Gone(Arc::clone(&gone));
        tasks.spawn("waits", async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        tasks.spawn("panics", async { panic!("on purpose") });
        tasks.stop().await;
        assert_eq!(gone.load(Ordering::SeqCst), 1);
    }
}

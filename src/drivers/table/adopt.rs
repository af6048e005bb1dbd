//! Taking over what earlier daemons started.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;

use super::{Drivers, GRACE, Stop, Wish};
use crate::{
    drivers::{End, Happening, Phase, record::Record, supervise::Begin},
    sandbox::Status,
    stdx::removal::remove_tree,
};

/// Instances that are adopted side by side.
const ADOPT_AT_ONCE: usize = 64;

impl Drivers {
    /// Takes over what daemons before this one started. Returns once it is known which of it
    /// still runs.
    ///
    /// # Errors
    /// Where the folder of the instances cannot be made or listed.
    pub async fn adopt(&self) -> io::Result<()> {
        let dir = self.inner.config.dir.clone();
        let found = spawn_blocking(move || records(&dir))
            .await
            .map_err(io::Error::other)??;
        stream::iter(found)
            .for_each_concurrent(ADOPT_AT_ONCE, |record| self.adopt_one(record))
            .await;
        self.changed();
        let sampler = self.clone();
        self.inner
            .tasks
            .spawn("usage", async move { sampler.sample_usage().await });
        if let Some(authority) = self.inner.config.authority.clone() {
            let renewer = self.clone();
            let renew = async move { renewer.renew_credentials(authority).await };
            self.inner.tasks.spawn("credentials", renew);
        }
        let fair = self.clone();
        self.inner
            .tasks
            .spawn("turns", async move { fair.take_turns().await });
        Ok(())
    }

    async fn adopt_one(&self, mut record: Record) {
        let now = self.inner.clock.now();
        let dir = self.dir(record.instance);
        let running = self.runtime(record.kind).adopt(&record, &dir).await;
        let boot = self.inner.clock.boot();
        if record.boot != boot && !record.boot.is_empty() && !boot.is_empty() {
            // Nothing outlives a reboot, and nobody is to blame for it.
            record.phase = Phase::Ended {
                at: now,
                end: End::Stopped,
            };
        }
        boot.clone_into(&mut record.boot);
        record.phase = record.phase.adopted(now);
        let exit = running
            .as_ref()
            .map(|running| match &*running.status().borrow() {
                Status::Ended(exit) => Some(exit.clone()),
                Status::Preparing | Status::Running { .. } => None,
            });
        let happening = match exit {
            None => Some(Happening::Interrupted),
            Some(exit) => exit.map(Happening::Exited),
        };
        if let Some(phase) = happening.and_then(|happening| record.phase.after(happening, now)) {
            record.phase = phase;
        }
        let stop = matches!(record.phase, Phase::Stopping { .. }).then(|| Stop {
            grace: GRACE,
            drain: Duration::ZERO,
            busy: Arc::new(|| false),
        });
        let begin = running.map_or(Begin::Ended, Begin::Adopted);
        self.insert(
            record,
            begin,
            Wish {
                stop,
                ..Wish::default()
            },
        );
    }
}

/// The records in `dir`, which is made where there is none. Folders without one are of a start
/// that never came so far.
fn records(dir: &Path) -> io::Result<Vec<Record>> {
    fs::create_dir_all(dir)?;
    let mut records = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match Record::read(&path) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => drop(remove_tree(&path)),
            Err(error) => {
                let dir = path.display();
                tracing::error!(%dir, %error, "cannot read an instance's record; leaving it alone");
            }
        }
    }
    Ok(records)
}

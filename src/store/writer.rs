//! The one thread that writes.
//!
//! Commits queue up behind the newest state, which may not be durable yet. The thread takes
//! all that wait, makes them durable with one write and one sync, shows the state after the
//! last of them, and wakes who waits. Where that fails, everything that is not durable fails
//! with it, since each commit was made on top of those before.

use std::{
    mem,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::JoinHandle,
};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use super::{
    Change, State, StoreError, Witness,
    disk::Disk,
    journal::{Entry, Journal},
    keyed::Keyed,
    open::{self, Recovered},
    snapshot,
};

/// What the writer and everybody else share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) published: ArcSwap<State>,
    pub(super) revisions: watch::Sender<u64>,
    /// What is shown every change, and may add to it.
    pub(super) witness: OnceLock<Witness>,
    desk: Mutex<Desk>,
    wake: Condvar,
}

/// Where commits are handed in. The lock on it is never held over input or output.
#[derive(Debug)]
pub(super) struct Desk {
    /// The state after all commits so far, those in the queue included.
    pub(super) head: Arc<State>,
    pub(super) gate: Gate,
    queue: Vec<Waiting>,
}

/// Who takes commits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nobody: they are done at once, and kept nowhere.
    Memory,
    /// The writer.
    Writer,
    /// Nobody any more.
    Closed,
}

/// Whether a commit became durable.
pub(super) type Done = Result<(), StoreError>;

/// A commit that waits to become durable, or (with no changes) somebody who waits until
/// what was there before is.
#[derive(Debug)]
struct Waiting {
    state: Arc<State>,
    changes: Vec<Change>,
    done: oneshot::Sender<Done>,
}

impl Shared {
    pub(super) fn new(state: State, gate: Gate) -> Self {
        let (revisions, _) = watch::channel(state.revision);
        let head = Arc::new(state);
        Self {
            published: ArcSwap::new(Arc::clone(&head)),
            revisions,
            witness: OnceLock::new(),
            desk: Mutex::new(Desk {
                head,
                gate,
                queue: Vec::new(),
            }),
            wake: Condvar::new(),
        }
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a commit into the queue, and its state to the head.
    pub(super) fn enqueue(
        &self,
        desk: &mut Desk,
        state: Arc<State>,
        changes: Vec<Change>,
    ) -> oneshot::Receiver<Done> {
        let (done, receiver) = oneshot::channel();
        desk.head = Arc::clone(&state);
        desk.queue.push(Waiting {
            state,
            changes,
            done,
        });
        self.wake.notify_one();
        receiver
    }

    /// Shows a durable state.
    pub(super) fn publish(&self, state: Arc<State>) {
        let revision = state.revision;
        self.published.store(state);
        self.revisions.send_replace(revision);
    }

    /// Takes no more commits in; those in the queue are still done.
    pub(super) fn close(&self) {
        let mut desk = self.desk();
        desk.gate = Gate::Closed;
        self.wake.notify_one();
    }

    /// Waits for commits; none when the store was closed and all is done.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut desk = self.desk();
        while desk.queue.is_empty() {
            if desk.gate == Gate::Closed {
                return None;
            }
            desk = self.wake.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        Some(mem::take(&mut desk.queue))
    }

    /// Fails what is not durable, and goes back to what is.
    fn fail(&self, taken: Vec<Waiting>, error: StoreError) {
        let error = StoreError::NotSaved {
            source: Arc::new(error),
        };
        let queued = {
            let mut desk = self.desk();
            desk.head = self.published.load_full();
            mem::take(&mut desk.queue)
        };
        for waiting in taken.into_iter().chain(queued) {
            // Who went away does not want to know.
            drop(waiting.done.send(Err(error.clone())));
        }
    }
}

/// Says that nobody takes commits in any more, even where the writer panicked.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.close();
        // Who still waits learns it by the end of the channel.
        self.0.desk().queue.clear();
    }
}

/// The writer's own things.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    journal: Journal,
    keyed: Option<Keyed>,
    keyed_path: Option<PathBuf>,
    checkpoint_bytes: u64,
    checkpoint: Option<JoinHandle<()>>,
    /// The revision of the newest snapshot.
    snapshot: u64,
}

impl Writer {
    /// A writer that goes on from what was recovered, and what it shares.
    pub(super) fn new(
        recovered: Recovered,
        disk: Arc<dyn Disk>,
        keyed_path: Option<PathBuf>,
        checkpoint_bytes: u64,
    ) -> (Self, Arc<Shared>) {
        let Recovered {
            state,
            journal,
            keyed,
            snapshot,
            ..
        } = recovered;
        let shared = Arc::new(Shared::new(state, Gate::Writer));
        let writer = Self {
            shared: Arc::clone(&shared),
            disk,
            journal,
            keyed,
            keyed_path,
            checkpoint_bytes,
            checkpoint: None,
            snapshot,
        };
        (writer, shared)
    }

    /// Writes until the store is closed.
    pub(super) fn run(mut self) {
        let farewell = Farewell(Arc::clone(&self.shared));
        while let Some(batch) = self.shared.take() {
            self.write(batch);
            if self.journal.written >= self.checkpoint_bytes {
                self.begin_checkpoint();
            }
        }
        self.finish();
        drop(farewell);
    }

    fn write(&mut self, batch: Vec<Waiting>) {
        let entries: Vec<Entry<'_>> = batch
            .iter()
            .filter(|waiting| !waiting.changes.is_empty())
            .map(|waiting| Entry {
                revision: waiting.state.revision,
                changes: &waiting.changes,
            })
            .collect();
        let written = if entries.is_empty() {
            Ok(())
        } else {
            self.journal.append(&entries)
        };
        if let Err(error) = written {
            tracing::error!(error = open::describe(&error), "cannot save changes");
            self.shared.fail(batch, error);
            return;
        }
        let done: Vec<_> = batch
            .into_iter()
            .map(|waiting| {
                // Who went away does not want to know; the commit stands all the same.
                let wake = || drop(waiting.done.send(Ok(())));
                (waiting.state, waiting.changes, wake)
            })
            .collect();
        if let Some((state, ..)) = done.last() {
            self.shared.publish(Arc::clone(state));
        }
        let mut commits = Vec::with_capacity(done.len());
        for (state, changes, wake) in done {
            wake();
            commits.push((state.revision, changes));
        }
        for (revision, changes) in commits {
            self.apply(revision, &changes);
        }
    }

    fn apply(&mut self, revision: u64, changes: &[Change]) {
        let Some(keyed) = self.keyed.as_mut().filter(|_| !changes.is_empty()) else {
            return;
        };
        if let Err(error) = keyed.apply(revision, changes) {
            tracing::warn!(%error, "the keyed state cannot be written; going on without it");
            self.keyed = None;
        }
    }

    /// Begins a checkpoint beside the commits that go on.
    fn begin_checkpoint(&mut self) {
        if self
            .checkpoint
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return;
        }
        self.journal.written = 0;
        if let Err(error) = self.journal.rotate() {
            tracing::warn!(error = open::describe(&error), "cannot begin a segment");
            return;
        }
        let work = self.checkpoint_work();
        match std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(work)
        {
            Ok(running) => self.checkpoint = Some(running),
            Err(error) => tracing::warn!(%error, "cannot begin a checkpoint"),
        }
    }

    fn checkpoint_work(&mut self) -> impl FnOnce() + Send + 'static {
        let state = self.shared.published.load_full();
        if self.keyed.is_none() {
            // It failed earlier. Without it starts are slow, so it gets another chance.
            self.keyed = self
                .keyed_path
                .as_ref()
                .and_then(|path| Keyed::create(path, &state).ok());
        }
        self.snapshot = state.revision;
        let db = self.keyed.as_ref().map(Keyed::db);
        let disk = Arc::clone(&self.disk);
        move || {
            if let Some(Err(error)) = db.as_ref().map(Keyed::flush) {
                tracing::warn!(%error, "the keyed state cannot be written out");
            }
            // The journal is kept until a snapshot stands for it, so nothing is lost.
            if let Err(error) = snapshot::checkpoint(disk.as_ref(), &state) {
                tracing::warn!(error = open::describe(&error), "cannot write a snapshot");
            }
        }
    }

    fn finish(&mut self) {
        if let Some(running) = self.checkpoint.take() {
            drop(running.join());
        }
        if self.shared.published.load().revision == self.snapshot {
            return;
        }
        if let Err(error) = self.journal.rotate() {
            tracing::warn!(error = open::describe(&error), "cannot begin a segment");
        }
        self.checkpoint_work()();
    }
}

//! The handle on the store.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use tokio::sync::{oneshot, watch};

use super::{
    Config, Opened, State, StoreError, Tx, Witness,
    disk::{Disk, Folder},
    lock::Lock,
    open,
    writer::{Done, Gate, Shared, Writer},
};

/// The handle on desired state; clones share it. The last one closes it when it goes.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

/// Ends the writer when the last handle goes.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store in a folder, made where it is missing. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it; [`StoreError::Newer`] where a
    /// later version of Pastina wrote it; [`StoreError::Lost`] where changes that were once
    /// acknowledged are nowhere to be read.
    pub fn open(config: &Config) -> Result<(Self, Opened), StoreError> {
        let dir = &config.dir;
        // The state holds password hashes and apps' secrets.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(StoreError::io("make", dir))?;
        let lock = Lock::take(dir)?;
        let journal = dir.join("journal");
        let disk = Folder::open(journal.clone()).map_err(StoreError::io("make", journal))?;
        let keyed = Some(dir.join("sled"));
        Self::open_on(Arc::new(disk), keyed, config.checkpoint_bytes, Some(lock))
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        keyed: Option<PathBuf>,
        checkpoint_bytes: u64,
        lock: Option<Lock>,
    ) -> Result<(Self, Opened), StoreError> {
        let started = Instant::now();
        let mut recovered = open::recover(&disk, keyed.as_deref())?;
        let opened = Opened {
            revision: recovered.state.revision,
            records: recovered.state.len(),
            source: recovered.source,
            replayed: recovered.replayed,
            repairs: std::mem::take(&mut recovered.repairs),
            took: started.elapsed(),
        };
        for repair in &opened.repairs {
            tracing::warn!("store: {repair}");
        }
        let (writer, shared) = Writer::new(recovered, disk, keyed, checkpoint_bytes);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                writer.run();
                // Only now may another process have the folder.
                drop(lock);
            })
            .map_err(StoreError::io("start a thread for", "the store"))?;
        Ok((Self::with(shared, Some(thread)), opened))
    }

    /// A store that keeps nothing beyond the process; for tests of what stands above it.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(Arc::new(Shared::new(State::default(), Gate::Memory)), None)
    }

    fn with(shared: Arc<Shared>, writer: Option<JoinHandle<()>>) -> Self {
        let owner = Owner {
            shared: Arc::clone(&shared),
            writer: Mutex::new(writer),
        };
        Self {
            shared,
            owner: Arc::new(owner),
        }
    }

    /// Has `witness` see every change from now on, with the state before it, and add to it what
    /// follows from it. The first one stays.
    pub fn set_witness(&self, witness: Witness) {
        let _ = self.shared.witness.set(witness);
    }

    /// The newest durable state. Never waits.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.shared.published.load_full()
    }

    /// Tells the revision of the newest durable state, and wakes when it grows.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.revisions.subscribe()
    }

    /// Runs `change` against the newest state and makes what it put and deleted durable,
    /// all of it or nothing. What it returns is handed on once the commit is on disk.
    ///
    /// `change` runs under the writer's lock: it must neither block nor take long. A future
    /// that is dropped before its end leaves open whether the commit is made.
    ///
    /// # Errors
    /// What `change` returned, in which case nothing is written; or a [`StoreError`] where
    /// the commit could not be made durable, in which case it is not visible either.
    pub async fn commit<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let (outcome, done) = self.begin(change)?;
        if let Some(done) = done {
            done.await.unwrap_or(Err(StoreError::Closed))?;
        }
        Ok(outcome)
    }

    /// Makes the change, and hands it to the writer.
    fn begin<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<(T, Option<oneshot::Receiver<Done>>), E> {
        let mut desk = self.shared.desk();
        if desk.gate == Gate::Closed {
            return Err(StoreError::Closed.into());
        }
        let mut tx = Tx::new(&desk.head);
        let outcome = change(&mut tx)?;
        if let Some(witness) = self.shared.witness.get() {
            witness(&desk.head, &mut tx);
        }
        let (state, changes) = match tx.finish() {
            Some((state, changes)) => (Arc::new(state), changes),
            // It may rest on what is not durable yet.
            None => (Arc::clone(&desk.head), Vec::new()),
        };
        if desk.gate == Gate::Memory {
            desk.head = Arc::clone(&state);
            if !changes.is_empty() {
                self.shared.publish(state);
            }
            return Ok((outcome, None));
        }
        if changes.is_empty() && state.revision == self.state().revision {
            return Ok((outcome, None));
        }
        let done = self.shared.enqueue(&mut desk, state, changes);
        Ok((outcome, Some(done)))
    }

    /// Makes what waits durable, writes a snapshot, and lets go of the folder. Later commits
    /// fail with [`StoreError::Closed`]; reading goes on.
    pub async fn close(&self) {
        let owner = Arc::clone(&self.owner);
        // The writer may sit in a slow sync.
        drop(tokio::task::spawn_blocking(move || owner.close()).await);
    }
}

impl Owner {
    fn close(&self) {
        self.shared.close();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            drop(writer.join());
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

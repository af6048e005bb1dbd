//! A change in the making.

use std::{ops::Deref, sync::Arc};

use super::{Change, Key, Record, State};

/// Sees a change before it is made durable, with the state before it, and may add to it. Runs
/// under the writer's lock.
pub type Witness = fn(&State, &mut Tx);

/// The newest state with the changes so far already in it.
#[derive(Debug)]
pub struct Tx {
    state: State,
    changes: Vec<Change>,
}

impl Tx {
    pub(super) fn new(state: &Arc<State>) -> Self {
        Self {
            state: State::clone(state),
            changes: Vec::new(),
        }
    }

    /// Adds a record or takes its predecessor's place.
    pub fn put(&mut self, record: impl Into<Record>) {
        self.change(Change::Put(record.into()));
    }

    /// Removes a record, if there is one.
    pub fn delete(&mut self, key: impl Into<Key>) {
        self.change(Change::Delete(key.into()));
    }

    /// The keys of what was put and deleted so far.
    pub fn changed(&self) -> impl Iterator<Item = Key> + '_ {
        self.changes.iter().map(Change::key)
    }

    pub(super) fn change(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    /// The state after the commit and what changed; nothing where nothing did.
    pub(super) fn finish(mut self) -> Option<(State, Vec<Change>)> {
        if self.changes.is_empty() {
            return None;
        }
        self.state.revision += 1;
        Some((self.state, self.changes))
    }
}

impl Deref for Tx {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

//! The ways to find what runs beside an app's processes: its tasks.

use super::index::range;
use crate::model::{AppId, Task};

impl super::State {
    /// The tasks of `app`, oldest first.
    pub fn tasks_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Task> + '_ {
        range(&self.indexes.tasks, app).filter_map(|id| self.tasks.get(&id).map(AsRef::as_ref))
    }

    /// The tasks of all apps that wait, run or are being ended, oldest first.
    pub fn unfinished_tasks(&self) -> impl Iterator<Item = &Task> + '_ {
        let ids = self.indexes.unfinished_tasks.iter();
        ids.filter_map(|(_, id)| self.tasks.get(id).map(AsRef::as_ref))
    }
}

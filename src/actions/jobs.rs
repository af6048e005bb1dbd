//! Jobs: what a client polls after a 202. All that is asked for today is done within the
//! change itself, so a job is complete when its address is handed out, and clients need not
//! wait for a second look.

use std::sync::Arc;

use super::{ActionError, Actions};
use crate::{
    model::{Job, JobId, JobState, Timestamp},
    store::Tx,
};

/// Jobs that are kept: clients poll them for minutes, not for days.
const MOST: usize = 1_000;

/// A job for `operation` (such as `space.delete`), done in this very change.
pub(super) fn finished_job(tx: &mut Tx, operation: &str, now: Timestamp) -> Job {
    let surplus = (tx.jobs.len() + 1).saturating_sub(MOST);
    let old: Vec<_> = tx.jobs_by_time().take(surplus).map(|job| job.id).collect();
    for id in old {
        tx.delete(id);
    }
    let job = Job {
        id: JobId::random(),
        operation: operation.to_owned(),
        state: JobState::Complete,
        errors: Vec::new(),
        warnings: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    tx.put(job.clone());
    job
}

impl Actions {
    /// The job with this guid; knowing the guid is the right to see it, as in Cloud Foundry.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn job(&self, id: JobId) -> Result<Arc<Job>, ActionError> {
        self.store
            .state()
            .jobs
            .get(&id)
            .cloned()
            .ok_or(ActionError::NotFound("Job"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreError};

    #[tokio::test]
    async fn the_newest_jobs_are_kept() {
        let store = Store::in_memory();
        store
            .commit(|tx| {
                for n in 0..1_200 {
                    finished_job(tx, "app.delete", Timestamp::from_millis(n));
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let state = store.state();
        assert_eq!(state.jobs.len(), MOST);
        let oldest = state.jobs_by_time().next().unwrap();
        assert_eq!(oldest.created_at, Timestamp::from_millis(200));
    }
}

//! Jobs: what a client polls after a 202. What can be is done within the change itself, so that
//! the job is complete when its address is handed out and clients need not wait for a second
//! look; what has to wait for a service broker is done by the loop of services.

use std::sync::Arc;

use super::{ActionError, Actions, Caller};
use crate::{
    model::{BindingId, Doomed, Job, JobId, JobState, Timestamp, Work},
    store::Tx,
};

/// Jobs that are kept: clients poll them for minutes, not for days.
const MOST: usize = 1_000;

/// A job for `operation` (such as `space.delete`), done in this very change.
pub(super) fn finished_job(tx: &mut Tx, operation: &str, now: Timestamp) -> Job {
    add(tx, new(operation, JobState::Complete, now))
}

/// A job for `operation` that is still to be done, with what it is about: the name of its list
/// and its guid.
pub(super) fn open_job(
    tx: &mut Tx,
    operation: &str,
    resource: (&str, impl std::fmt::Display),
    now: Timestamp,
) -> Job {
    let (kind, guid) = resource;
    let job = Job {
        resource: Some((kind.to_owned(), guid.to_string())),
        ..new(operation, JobState::Processing, now)
    };
    add(tx, job)
}

/// A job for a deletion that waits until brokers have deleted what belongs to it.
pub(super) fn waiting_job(
    tx: &mut Tx,
    operation: &str,
    caller: &Caller,
    doomed: Doomed,
    now: Timestamp,
) -> Job {
    let job = Job {
        work: Some(Work::Delete {
            doomed,
            by: caller.actor(),
        }),
        ..new(operation, JobState::Processing, now)
    };
    add(tx, job)
}

/// A job that is done when brokers have made `bindings`.
pub(super) fn binding_job(
    tx: &mut Tx,
    operation: &str,
    bindings: Vec<BindingId>,
    now: Timestamp,
) -> Job {
    let job = Job {
        work: Some(Work::Bind { bindings }),
        ..new(operation, JobState::Processing, now)
    };
    add(tx, job)
}

fn new(operation: &str, state: JobState, now: Timestamp) -> Job {
    Job {
        id: JobId::random(),
        operation: operation.to_owned(),
        state,
        errors: Vec::new(),
        warnings: Vec::new(),
        resource: None,
        work: None,
        created_at: now,
        updated_at: now,
    }
}

fn add(tx: &mut Tx, job: Job) -> Job {
    let surplus = (tx.jobs.len() + 1).saturating_sub(MOST);
    let done = tx.jobs_by_time().filter(|job| job.state.is_final());
    let old: Vec<_> = done.take(surplus).map(|job| job.id).collect();
    for id in old {
        tx.delete(id);
    }
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

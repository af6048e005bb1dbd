//! Jobs: what a client polls after a 202.

use std::sync::Arc;

use super::{ActionError, Actions};
use crate::{
    model::{Job, JobError, JobId, JobState, Timestamp},
    store::Tx,
    wire,
};

/// Jobs that are kept: clients poll them for minutes, not for days.
const MOST: usize = 1_000;

/// A job for `operation` (such as `space.delete`), done in this very change.
pub(super) fn finished_job(tx: &mut Tx, operation: &str, now: Timestamp) -> Job {
    put(tx, operation, JobState::Complete, Vec::new(), now)
}

/// A job for work that goes on after the change; [`settle`] ends it.
pub(super) fn open_job(tx: &mut Tx, operation: &str, now: Timestamp) -> Job {
    put(tx, operation, JobState::Processing, Vec::new(), now)
}

/// A job that failed at once; where no error is given, an unknown one is told, since clients
/// need one.
pub(super) fn failed_job(
    tx: &mut Tx,
    operation: &str,
    errors: Vec<wire::Error>,
    now: Timestamp,
) -> Job {
    put(tx, operation, JobState::Failed, errors, now)
}

/// Ends an open job.
pub(super) fn settle(
    tx: &mut Tx,
    id: JobId,
    outcome: Result<Vec<String>, Vec<wire::Error>>,
    now: Timestamp,
) {
    let Some(mut job) = tx.jobs.get(&id).map(|job| Job::clone(job)) else {
        return;
    };
    match outcome {
        Ok(warnings) => {
            job.state = JobState::Complete;
            job.warnings = warnings;
        }
        Err(errors) => {
            job.state = JobState::Failed;
            job.errors = told(errors);
        }
    }
    job.updated_at = now;
    tx.put(job);
}

/// Ends the jobs that a daemon left open when it ended: nobody works on them any more.
pub(super) fn fail_abandoned(tx: &mut Tx, now: Timestamp) {
    let open: Vec<_> = tx
        .jobs
        .values()
        .filter(|job| job.state == JobState::Processing)
        .map(|job| job.id)
        .collect();
    for id in open {
        let error = wire::Error::unprocessable(
            "The platform was restarted before the operation ended. Try it again.",
        );
        settle(tx, id, Err(vec![error]), now);
    }
}

fn put(
    tx: &mut Tx,
    operation: &str,
    state: JobState,
    errors: Vec<wire::Error>,
    now: Timestamp,
) -> Job {
    let surplus = (tx.jobs.len() + 1).saturating_sub(MOST);
    let old: Vec<_> = tx.jobs_by_time().take(surplus).map(|job| job.id).collect();
    for id in old {
        tx.delete(id);
    }
    let job = Job {
        id: JobId::random(),
        operation: operation.to_owned(),
        state,
        errors: if state == JobState::Failed {
            told(errors)
        } else {
            Vec::new()
        },
        warnings: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    tx.put(job.clone());
    job
}

fn told(mut errors: Vec<wire::Error>) -> Vec<JobError> {
    if errors.is_empty() {
        errors.push(wire::Error::unknown("An unknown error occurred."));
    }
    let told = errors.into_iter().map(|error| JobError {
        code: error.code,
        title: error.title.to_owned(),
        detail: error.detail,
    });
    told.collect()
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

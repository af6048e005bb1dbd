//! What users are told of what brokers did, in Cloud Foundry's words, and when brokers are asked
//! again.

use std::time::Duration;

use crate::{
    brokers::BrokerError,
    model::{JobError, Plan, Stage, Timestamp},
    stdx::clock::millis,
    wire::Error,
};

/// As long as Cloud Foundry waits for brokers where their plans do not say.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What is done within a second or two is told at once.
const FIRST: Duration = Duration::from_secs(1);
/// What takes long need not be asked about often (Cloud Foundry's default).
const MOST: Duration = Duration::from_secs(60);

/// One error of a job.
pub(super) fn error(error: Error) -> JobError {
    JobError {
        code: error.code,
        title: error.title.to_owned(),
        detail: error.detail,
    }
}

/// `what` (such as `provision`) did not come about.
pub(super) fn unable(what: &str, why: &str) -> JobError {
    error(Error::unable_to_perform(format!(
        "{what} could not be completed: {why}"
    )))
}

/// It took longer than the plan allows.
pub(super) fn too_long() -> JobError {
    error(Error::job_timeout("The job execution has timed out."))
}

/// An error of a broker as such.
pub(super) fn of_broker(broken: &BrokerError) -> JobError {
    JobError {
        code: 10_001,
        title: broken.fault.title().to_owned(),
        detail: broken.message.clone(),
    }
}

/// What the last operation says where it took too long; `what` is such as `provision`.
pub(super) fn overdue(what: &str) -> String {
    format!("Service Broker failed to {what} within the required time.")
}

/// The stage of what a broker has begun: when it is asked first, and when it has failed.
pub(super) fn begun(
    plan: &Plan,
    operation: Option<String>,
    retry_after: Option<u64>,
    now: Timestamp,
) -> Stage {
    let own = plan.terms.maximum_polling_duration;
    let longest = own.map_or(LONGEST, |seconds| Duration::from_secs(seconds).min(LONGEST));
    let until = later(now, longest);
    Stage::Poll {
        operation,
        next_at: next(0, retry_after, until, now),
        until,
        polls: 0,
    }
}

/// The stage after one more look.
pub(super) fn polled(stage: &Stage, retry_after: Option<u64>, now: Timestamp) -> Stage {
    match stage {
        Stage::Ask => Stage::Ask,
        Stage::Poll {
            operation,
            until,
            polls,
            ..
        } => Stage::Poll {
            operation: operation.clone(),
            next_at: next(polls.saturating_add(1), retry_after, *until, now),
            until: *until,
            polls: polls.saturating_add(1),
        },
    }
}

/// When a broker is asked next: when it says, else ever more seldom; at the end in any case.
fn next(polls: u32, retry_after: Option<u64>, until: Timestamp, now: Timestamp) -> Timestamp {
    let own = FIRST.saturating_mul(1 << (polls / 2).min(6)).min(MOST);
    let wait = retry_after.map_or(own, |seconds| Duration::from_secs(seconds).max(FIRST));
    later(now, wait.min(LONGEST)).min(until)
}

/// `wait` after `now`.
pub(super) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add(millis(wait)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn brokers_are_asked_ever_more_seldom_or_when_they_say() {
        let far = at(1_000_000);
        let check = |polls, retry_after, until, expected| {
            assert_eq!(next(polls, retry_after, until, at(100)), expected);
        };
        check(0, None, far, at(101));
        check(2, None, far, at(102));
        check(4, None, far, at(104));
        check(50, None, far, at(160));
        check(0, Some(30), far, at(130));
        check(0, Some(0), far, at(101));
        check(0, Some(u64::MAX), at(200), at(200));
        check(50, None, at(110), at(110));
    }
}

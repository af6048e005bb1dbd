//! Plans of small worlds, as text.

use std::time::Duration;

use uuid::Uuid;

use super::{
    plan::{Limits, Seen, plan},
    wanted::Wanted,
};
use crate::{
    drivers::{End, Phase, Slot, Version},
    model::{DropletId, Exit, InstanceId, ProcessId},
    stdx::clock::Moment,
};

const fn at(steady_ms: u64) -> Moment {
    Moment {
        steady_ms,
        wall_ms: 0,
    }
}

const NOW: Moment = at(1_000_000);

fn version(app: u64) -> Version {
    Version {
        app,
        process: 0,
        droplet: DropletId::from_uuid(Uuid::from_u128(0xd)),
    }
}

fn wanted(instances: u32) -> Wanted {
    Wanted {
        process: ProcessId::from_uuid(Uuid::from_u128(0xa)),
        instances,
        version: version(1),
        memory_mb: 100,
        start_timeout: Duration::from_secs(60),
    }
}

fn seen(id: u128, index: u32, phase: Phase) -> Seen {
    Seen {
        instance: InstanceId::from_uuid(Uuid::from_u128(id)),
        slot: Slot {
            process: wanted(1).process,
            index,
        },
        version: version(1),
        crashes: 0,
        memory_mb: 100,
        phase,
        reported: true,
    }
}

fn running(id: u128, index: u32) -> Seen {
    seen(
        id,
        index,
        Phase::Running {
            since: at(1_000),
            ready: true,
        },
    )
}

fn crashed(id: u128, index: u32, crashes: u32, at: Moment) -> Seen {
    let end = End::Crashed {
        exit: Exit::Code { code: 1 },
        details: "Exit status 1".into(),
        stable: false,
    };
    Seen {
        crashes,
        ..seen(id, index, Phase::Ended { at, end })
    }
}

/// The plan as text, identities shortened to their last digits; new ones count from `f0`.
fn check(wanted: &[Wanted], seen: &[Seen], expected: &str) {
    let limits = Limits {
        memory_mb: 350,
        starting: 2,
        grace: Duration::from_secs(10),
    };
    let mut next = 0xf0;
    let mut ids = || {
        next += 1;
        InstanceId::from_uuid(Uuid::from_u128(next - 1))
    };
    let plan = plan(wanted, seen, &mut ids, &limits, NOW).to_string();
    let plan = plan.replace("00000000-0000-0000-0000-0000000000", "");
    assert_eq!(plan.trim_end(), expected);
}

#[test]
fn what_runs_as_it_should_is_left_alone() {
    check(&[wanted(2)], &[running(1, 0), running(2, 1)], "");
    check(&[], &[], "");
}

#[test]
fn empty_slots_are_filled_a_few_at_a_time() {
    check(
        &[wanted(3)],
        &[],
        "start 0a/0 as f0 from 0d (1.0) after 0 crashes\n\
         start 0a/1 as f1 from 0d (1.0) after 0 crashes\n\
         hold 0a/2: Crowd",
    );
}

#[test]
fn the_machine_is_never_filled_beyond_its_memory() {
    check(
        &[wanted(4)],
        &[running(1, 0), running(2, 1), running(3, 2)],
        "hold 0a/3: Memory",
    );
}

#[test]
fn the_highest_indexes_go_first() {
    check(
        &[wanted(1)],
        &[running(1, 0), running(2, 1)],
        "stop 02 within 10000 ms",
    );
}

#[test]
fn an_old_version_ends_before_the_new_one_starts() {
    let old = |phase| Seen {
        version: version(0),
        ..seen(1, 0, phase)
    };
    check(
        &[wanted(1)],
        &[old(Phase::Running {
            since: at(1),
            ready: true,
        })],
        "stop 01 within 10000 ms",
    );
    let stopping = Phase::Stopping {
        since: at(995_000),
        cause: None,
        stable: false,
    };
    check(&[wanted(1)], &[old(stopping)], "wake at 1020000 ms");
    check(
        &[wanted(1)],
        &[old(Phase::Ended {
            at: at(999_000),
            end: End::Stopped,
        })],
        "forget 01\nstart 0a/0 as f0 from 0d (1.0) after 0 crashes",
    );
}

#[test]
fn of_two_in_one_slot_the_healthy_one_stays() {
    let young = seen(1, 0, Phase::Starting { since: at(999_000) });
    check(
        &[wanted(1)],
        &[young, running(2, 0)],
        "stop 01 within 10000 ms",
    );
}

#[test]
fn a_crash_is_told_and_the_third_waits() {
    let untold = Seen {
        reported: false,
        ..crashed(1, 0, 0, at(999_000))
    };
    check(
        &[wanted(1)],
        &[untold],
        "report 01\nstart 0a/0 as f0 from 0d (1.0) after 1 crashes",
    );
    check(
        &[wanted(1)],
        &[crashed(1, 0, 2, at(999_000))],
        "hold 0a/0: Backoff { until_ms: 1029000 }\nwake at 1029000 ms",
    );
    check(
        &[wanted(1)],
        &[crashed(1, 0, 199, at(1))],
        "hold 0a/0: GaveUp",
    );
    // A new version has not crashed yet.
    let newer = Wanted {
        version: version(2),
        ..wanted(1)
    };
    check(
        &[newer],
        &[crashed(1, 0, 199, at(1))],
        "forget 01\nstart 0a/0 as f0 from 0d (2.0) after 0 crashes",
    );
}

#[test]
fn a_start_that_takes_too_long_is_a_crash() {
    check(
        &[wanted(1)],
        &[seen(1, 0, Phase::Starting { since: at(940_000) })],
        "stop 01 within 0 ms (Failed after 1m0s: startup health check never passed.)",
    );
    check(
        &[wanted(1)],
        &[seen(1, 0, Phase::Starting { since: at(940_001) })],
        "wake at 1000001 ms",
    );
}

#[test]
fn what_nobody_wants_is_stopped_and_forgotten() {
    check(
        &[],
        &[running(1, 0), crashed(2, 1, 0, at(1))],
        "stop 01 within 10000 ms\nforget 02",
    );
}

#[test]
fn a_stop_that_hangs_is_asked_for_again() {
    let stopping = Phase::Stopping {
        since: at(900_000),
        cause: None,
        stable: false,
    };
    check(
        &[],
        &[seen(1, 0, stopping)],
        "stop 01 within 0 ms\nwake at 1015000 ms",
    );
}

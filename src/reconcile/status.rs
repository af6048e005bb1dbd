//! What is told to people of every slot.

use std::collections::BTreeMap;

use super::processes::{plan::Hold, wanted::Wanted};
use crate::{
    drivers::{End, Instance, Phase, Slot},
    model::{InstanceState, InstanceView, Observed, Timestamp, Usage},
    stdx::clock::Moment,
};

/// Every slot that should run or in which something is.
#[must_use]
pub fn observed(
    wanted: &[Wanted],
    instances: &[Instance],
    held: &[(Slot, Hold)],
    now: Moment,
) -> Observed {
    let held: BTreeMap<Slot, Hold> = held.iter().copied().collect();
    let mut slots: BTreeMap<Slot, Option<&Instance>> = BTreeMap::new();
    for wanted in wanted {
        for index in 0..wanted.instances {
            slots.insert(
                Slot {
                    process: wanted.process,
                    index,
                },
                None,
            );
        }
    }
    for instance in instances {
        let known = slots.contains_key(&instance.slot);
        // What has ended in a slot that nobody wants is history.
        if !known && !instance.phase.is_live() {
            continue;
        }
        let best = slots.entry(instance.slot).or_default();
        if best.is_none_or(|best| rank(&best.phase) < rank(&instance.phase)) {
            *best = Some(instance);
        }
    }
    let mut observed = Observed::default();
    for (slot, instance) in slots {
        let view = view(slot, instance, held.get(&slot).copied(), now);
        observed
            .processes
            .entry(slot.process)
            .or_default()
            .push(view);
    }
    observed
}

/// Which of several instances in a slot is shown: the one that is furthest.
fn rank(phase: &Phase) -> (u8, u64) {
    let order = match phase {
        Phase::Running { .. } => 4,
        Phase::Starting { .. } => 3,
        Phase::Failing { .. } => 2,
        Phase::Stopping { .. } => 1,
        Phase::Ended { .. } => 0,
    };
    (order, phase.since().steady_ms)
}

fn view(slot: Slot, instance: Option<&Instance>, held: Option<Hold>, now: Moment) -> InstanceView {
    let wait = held.and_then(|held| match held {
        Hold::Memory => Some("insufficient resources: memory".to_owned()),
        Hold::Crowd => Some("waiting until other instances have started".to_owned()),
        Hold::Backoff { .. } | Hold::GaveUp => None,
    });
    let down = InstanceView {
        id: None,
        index: slot.index,
        state: InstanceState::Down,
        since: Timestamp::from_millis(now.wall_ms),
        routable: None,
        details: wait.clone(),
        usage: Usage::default(),
    };
    let Some(instance) = instance else {
        return down;
    };
    let (state, details) = match &instance.phase {
        Phase::Starting { .. } => (InstanceState::Starting, None),
        Phase::Running { .. } => (InstanceState::Running, None),
        Phase::Failing { cause, .. } => (InstanceState::Stopping, Some(cause.to_string())),
        Phase::Stopping { cause, .. } => (
            InstanceState::Stopping,
            cause.as_ref().map(ToString::to_string),
        ),
        Phase::Ended {
            end: End::Crashed { details, .. },
            ..
        } => {
            let details = match held {
                Some(Hold::GaveUp) => {
                    format!("{details}; it crashed too often to be started again")
                }
                _ => wait.unwrap_or_else(|| details.to_string()),
            };
            (InstanceState::Crashed, Some(details))
        }
        Phase::Ended { .. } => return down,
    };
    let live = instance.phase.is_live();
    InstanceView {
        id: Some(instance.instance),
        state,
        since: Timestamp::from_millis(instance.phase.since().wall_ms),
        routable: live.then(|| instance.phase.is_routable()),
        details,
        usage: if live {
            instance.usage
        } else {
            Usage::default()
        },
        ..down
    }
}

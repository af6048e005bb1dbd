//! Judges the waiting times by a count of its own.

use std::collections::HashMap;

use super::super::crash;
use crate::{
    drivers::{Phase, STABLE, Slot, Version},
    model::InstanceId,
    reconcile::processes::{plan::Seen, wanted::Wanted},
};

#[derive(Debug, Clone, Copy)]
struct Score {
    version: Version,
    crashes: u32,
    /// The count's clock at the last crash; none where it had its wait.
    at_ms: Option<u64>,
}

/// Counts crashes by slot. Its clock is the sum of all steps ahead, so that a wait that was
/// long enough on the daemon's clock is long enough on this one too.
#[derive(Debug, Default)]
pub(super) struct Referee {
    clock_ms: u64,
    healthy: HashMap<InstanceId, u64>,
    counted: Vec<InstanceId>,
    scores: HashMap<Slot, Score>,
    /// Slots that a mishap put instances into; they are not judged.
    pub(super) strays: Vec<Slot>,
}

impl Referee {
    pub(super) const fn passed(&mut self, ms: u64) {
        self.clock_ms += ms;
    }

    pub(super) fn rebooted(&mut self) {
        self.scores.clear();
    }

    /// Sees an instance change its phase in the daemon's eyes.
    pub(super) fn saw(&mut self, seen: &Seen) {
        match &seen.phase {
            Phase::Running { .. } => {
                self.healthy.entry(seen.instance).or_insert(self.clock_ms);
            }
            Phase::Ended {
                end: crate::drivers::End::Stopped,
                ..
            } => {
                self.scores.remove(&seen.slot);
            }
            Phase::Ended {
                end: crate::drivers::End::Crashed { stable, .. },
                ..
            } => self.crashed(seen, *stable),
            // Nothing on disk or in the world tells of an end before the start, such as a start
            // timeout, when the daemon that saw it is gone.
            Phase::Ended {
                end: crate::drivers::End::Interrupted,
                ..
            } => {
                if let Some(score) = self.scores.get_mut(&seen.slot) {
                    score.crashes = score.crashes.min(seen.crashes);
                    score.at_ms = None;
                }
            }
            _ => {}
        }
    }

    fn crashed(&mut self, seen: &Seen, stable: bool) {
        let stable = stable
            && self
                .healthy
                .get(&seen.instance)
                .is_some_and(|since| u128::from(self.clock_ms - since) > STABLE.as_millis());
        if self.counted.contains(&seen.instance) {
            // A daemon that saw the end later than the one before it may think it stable.
            if let (true, Some(score)) = (stable, self.scores.get_mut(&seen.slot)) {
                score.crashes = score.crashes.min(1);
            }
            return;
        }
        self.counted.push(seen.instance);
        let before = self
            .scores
            .get(&seen.slot)
            .filter(|score| score.version == seen.version)
            .map_or(0, |score| score.crashes);
        let crashes = if stable { 1 } else { before + 1 };
        let score = Score {
            version: seen.version,
            crashes,
            at_ms: Some(self.clock_ms),
        };
        self.scores.insert(seen.slot, score);
    }

    /// Forgets slots that a pass does not want any more.
    pub(super) fn pass(&mut self, wanted: &[Wanted]) {
        self.scores.retain(|slot, score| {
            wanted.iter().any(|wanted| {
                wanted.process == slot.process
                    && slot.index < wanted.instances
                    && wanted.version == score.version
            })
        });
    }

    /// Forgets a slot whose instance somebody asked to be replaced.
    pub(super) fn terminated(&mut self, slot: Slot) {
        self.scores.remove(&slot);
    }

    /// Judges a start.
    pub(super) fn started(&self, slot: Slot, version: Version) {
        if self.strays.contains(&slot) {
            return;
        }
        let Some(score) = self
            .scores
            .get(&slot)
            .filter(|score| score.version == version)
        else {
            return;
        };
        let delay = crash::delay(score.crashes).expect("a start after the last allowed crash");
        let waited_ms = u128::from(score.at_ms.map_or(u64::MAX, |at_ms| self.clock_ms - at_ms));
        assert!(
            waited_ms >= delay.as_millis(),
            "{slot} was started {waited_ms} ms after crash {}",
            score.crashes
        );
    }
}

//! What has to be done so that what runs is what should run.

use std::time::Duration;

use super::{crash, wanted::Wanted};

pub use super::words::{Action, Hold, Limits, Plan, Seen};

use crate::{
    drivers::{Cause, End, Phase, Slot, Version},
    model::InstanceId,
    stdx::clock::{Moment, millis},
};

/// How long past its grace a stop may take before it is asked for again.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// The plan that leads from what was `seen` to what is `wanted`, which is ordered by process.
///
/// `ids` gives identities for starts. Times in `seen` do not lie after `now`.
#[must_use]
pub fn plan(
    wanted: &[Wanted],
    seen: &[Seen],
    ids: &mut dyn FnMut() -> InstanceId,
    limits: &Limits,
    now: Moment,
) -> Plan {
    let mut seen: Vec<&Seen> = seen.iter().collect();
    seen.sort_unstable_by_key(|seen| (seen.slot, seen.instance));

    let mut making = Making {
        limits,
        now,
        plan: Plan::default(),
        starts: Vec::new(),
    };
    let mut rest = seen.as_slice();
    for wanted in wanted {
        making.strays(take_while(&mut rest, |seen| {
            seen.slot.process < wanted.process
        }));
        for index in 0..wanted.instances {
            let slot = Slot {
                process: wanted.process,
                index,
            };
            let occupants = take_while(&mut rest, |seen| seen.slot == slot);
            making.slot(wanted, slot, occupants);
        }
    }
    making.strays(rest);
    making.admit(&seen, ids);
    making.plan
}

/// Takes the longest prefix of `rest` that holds `law`.
fn take_while<'a, T>(rest: &mut &'a [T], law: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rest.iter().take_while(|item| law(item)).count();
    let (front, back) = rest.split_at(count);
    *rest = back;
    front
}

/// A start that is due, if there is room.
struct Due {
    slot: Slot,
    version: Version,
    crashes: u32,
    memory_mb: u64,
}

struct Making<'a> {
    limits: &'a Limits,
    now: Moment,
    plan: Plan,
    starts: Vec<Due>,
}

impl Making<'_> {
    /// Ends what stands in no slot.
    fn strays(&mut self, strays: &[&Seen]) {
        for stray in strays {
            if stray.phase.is_live() {
                self.stop(stray, self.limits.grace, None);
            } else {
                self.report_or_forget(stray);
            }
        }
    }

    /// Sees to one slot that should run.
    fn slot(&mut self, wanted: &Wanted, slot: Slot, occupants: &[&Seen]) {
        let current = |seen: &&&Seen| seen.version == wanted.version;
        let mut live = occupants
            .iter()
            .filter(|seen| seen.phase.is_live())
            .peekable();
        if live.peek().is_none() {
            let last = occupants
                .iter()
                .filter(current)
                .filter_map(|seen| History::of(seen))
                .max();
            self.vacant(wanted, slot, last);
            for ended in occupants {
                let is_last = last.is_some_and(|last| last.instance == ended.instance);
                if !is_last || (is_crash(ended) && !ended.reported) {
                    self.report_or_forget(ended);
                }
            }
            return;
        }
        let keep = live.clone().filter(current).min_by_key(|seen| rank(seen));
        for seen in live {
            if keep.is_some_and(|keep| keep.instance == seen.instance) {
                self.keep(wanted, seen);
            } else {
                self.stop(seen, self.limits.grace, None);
            }
        }
        for ended in occupants.iter().filter(|seen| !seen.phase.is_live()) {
            self.report_or_forget(ended);
        }
    }

    /// Sees to a slot in which nothing lives; `last` is what lived there last.
    fn vacant(&mut self, wanted: &Wanted, slot: Slot, last: Option<History>) {
        let (crashes, due_ms) = last.map_or((0, Some(0)), |last| (last.crashes, last.due_ms));
        match due_ms {
            None => self.plan.held.push((slot, Hold::GaveUp)),
            Some(until_ms) if until_ms > self.now.steady_ms => {
                self.plan.held.push((slot, Hold::Backoff { until_ms }));
                self.wake(until_ms);
            }
            Some(_) => {
                let (version, memory_mb) = (wanted.version, wanted.memory_mb);
                self.starts.push(Due {
                    slot,
                    version,
                    crashes,
                    memory_mb,
                });
            }
        }
    }

    /// Sees to the one instance that a slot keeps.
    fn keep(&mut self, wanted: &Wanted, seen: &Seen) {
        match &seen.phase {
            Phase::Starting { since } => {
                let until_ms = since.steady_ms.saturating_add(millis(wanted.start_timeout));
                if until_ms <= self.now.steady_ms {
                    self.stop(
                        seen,
                        Duration::ZERO,
                        Some(never_passed(wanted.start_timeout)),
                    );
                } else {
                    self.wake(until_ms);
                }
            }
            Phase::Failing { cause, .. } => {
                self.stop(seen, Duration::ZERO, Some(cause.clone()));
            }
            Phase::Stopping { .. } => self.stop(seen, self.limits.grace, None),
            Phase::Running { .. } | Phase::Ended { .. } => {}
        }
    }

    /// Asks `seen` to stop, unless that was done and time remains.
    fn stop(&mut self, seen: &Seen, mut grace: Duration, cause: Option<Cause>) {
        if let Phase::Stopping { since, .. } = seen.phase {
            let patience = self.limits.grace + STOP_PATIENCE;
            if self.now.since(since) < patience {
                self.wake(since.steady_ms.saturating_add(millis(patience)));
                return;
            }
            grace = Duration::ZERO;
            self.wake(self.now.steady_ms.saturating_add(millis(STOP_PATIENCE)));
        }
        self.plan.actions.push(Action::Stop {
            instance: seen.instance,
            grace,
            cause,
        });
    }

    fn report_or_forget(&mut self, ended: &Seen) {
        let instance = ended.instance;
        self.plan
            .actions
            .push(if ended.reported || !is_crash(ended) {
                Action::Forget { instance }
            } else {
                Action::Report { instance }
            });
    }

    /// Turns the starts that are due into actions as far as there is room: first instances of
    /// all processes before second ones.
    fn admit(&mut self, seen: &[&Seen], ids: &mut dyn FnMut() -> InstanceId) {
        let live = || seen.iter().filter(|seen| seen.phase.is_live());
        let mut memory_mb: u64 = live().map(|seen| seen.memory_mb).sum();
        let mut starting = live()
            .filter(|seen| seen.memory_mb > 0 && matches!(seen.phase, Phase::Starting { .. }))
            .count();
        self.starts
            .sort_unstable_by_key(|due| (due.slot.index, due.slot.process));
        for due in self.starts.drain(..) {
            let Due {
                slot,
                version,
                crashes,
                memory_mb: more,
            } = due;
            if more > 0 && memory_mb.saturating_add(more) > self.limits.memory_mb {
                self.plan.held.push((slot, Hold::Memory));
                continue;
            }
            if more > 0 && starting >= self.limits.starting {
                self.plan.held.push((slot, Hold::Crowd));
                continue;
            }
            memory_mb = memory_mb.saturating_add(more);
            starting += usize::from(more > 0);
            let instance = ids();
            self.plan.actions.push(Action::Start {
                slot,
                instance,
                version,
                crashes,
            });
        }
    }

    fn wake(&mut self, at_ms: u64) {
        let next = &mut self.plan.next_wake_ms;
        *next = Some(next.map_or(at_ms, |next| next.min(at_ms)));
    }
}

/// What an ended instance means for the next start; the greatest, which is the last, counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct History {
    /// Crashes in a row, it included. This goes before the time, since an end can be noticed
    /// after its successor's.
    crashes: u32,
    /// When it ended (steady milliseconds).
    at_ms: u64,
    /// When the next start is due; none for never.
    due_ms: Option<u64>,
    instance: InstanceId,
}

impl History {
    fn of(seen: &Seen) -> Option<Self> {
        let Phase::Ended { at, end } = &seen.phase else {
            return None;
        };
        let at_ms = at.steady_ms;
        let (crashes, due_ms) = match end {
            End::Stopped => return None,
            End::Interrupted => (seen.crashes, Some(at_ms)),
            End::Crashed { stable, .. } => {
                let crashes = crash::count(seen.crashes, *stable);
                let delay = crash::delay(crashes);
                (
                    crashes,
                    delay.map(|delay| at_ms.saturating_add(millis(delay))),
                )
            }
        };
        Some(Self {
            at_ms,
            crashes,
            due_ms,
            instance: seen.instance,
        })
    }
}

const fn is_crash(seen: &Seen) -> bool {
    matches!(
        seen.phase,
        Phase::Ended {
            end: End::Crashed { .. },
            ..
        }
    )
}

/// Which of several instances in a slot stays: the one that is furthest, then the oldest.
fn rank(seen: &Seen) -> (u8, u64, InstanceId) {
    let order = match &seen.phase {
        Phase::Running { .. } => 0,
        Phase::Starting { .. } => 1,
        Phase::Failing { .. } => 2,
        Phase::Stopping { .. } => 3,
        Phase::Ended { .. } => 4,
    };
    (order, seen.phase.since().steady_ms, seen.instance)
}

/// Cloud Foundry's words for a start that took too long; durations as Go prints them.
fn never_passed(timeout: Duration) -> Cause {
    let (minutes, seconds) = (timeout.as_secs() / 60, timeout.as_secs() % 60);
    let minutes = if minutes > 0 {
        format!("{minutes}m")
    } else {
        String::new()
    };
    format!("Failed after {minutes}{seconds}s: startup health check never passed.").into()
}

//! What to do next at brokers.

use std::collections::BTreeMap;

use crate::{
    model::{
        BrokerId, Doomed, Errand, Job, JobId, JobState, Operation, OperationKind, OperationState,
        Service, ServiceId, Stage, Timestamp, Work,
    },
    store::{Key, State},
};

/// Calls that one broker has to answer at a time, so that a slow one keeps nobody else waiting.
const AT_ONE_BROKER: usize = 8;
/// Calls at a time in all.
const IN_ALL: usize = 64;
/// Steps in one pass; the next is made at once.
const IN_A_PASS: usize = 256;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask a broker about this record.
    Call(Key, BrokerId),
    /// Begin to end what is bound to an instance that shall go.
    Unbind(ServiceId),
    /// Give up the deletion of an instance of which a binding did not end.
    GiveUp(ServiceId),
    /// Begin to delete what belongs to something that shall go.
    Begin(JobId),
    /// Say that brokers are at it.
    Wait(JobId),
    /// Do what was waited for.
    Finish(JobId),
    /// Say that it does not come about.
    Fail(JobId),
}

/// What to do, and when to look again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// When something is due.
    pub next_at: Option<Timestamp>,
}

/// What stands in the way of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Nothing.
    Open,
    /// Something that has not begun to go.
    Idle,
    /// Something that brokers are at.
    Busy {
        /// Whether all of it goes on at brokers, which may take long.
        polled: bool,
    },
    /// Something that did not go.
    Stuck,
}

/// What to do in `state`, while the calls about `busy` go on.
#[must_use]
pub fn plan(state: &State, busy: &BTreeMap<Key, BrokerId>, now: Timestamp) -> Plan {
    let mut plan = Planner {
        state,
        calls: BTreeMap::new(),
        all: busy.len(),
        now,
        plan: Plan::default(),
    };
    for broker in busy.values() {
        *plan.calls.entry(*broker).or_default() += 1;
    }
    for key in state.errands() {
        if plan.plan.steps.len() >= IN_A_PASS {
            plan.plan.next_at = Some(now);
            break;
        }
        if !busy.contains_key(&key) {
            plan.look_at(key);
        }
    }
    plan.plan
}

struct Planner<'a> {
    state: &'a State,
    calls: BTreeMap<BrokerId, usize>,
    all: usize,
    now: Timestamp,
    plan: Plan,
}

impl Planner<'_> {
    fn look_at(&mut self, key: Key) {
        let state = self.state;
        match key {
            Key::Broker(id) => self.call(key, id),
            Key::Service(id) => {
                let service = state.services.get(&id);
                let Some((service, errand)) = service.and_then(|s| Some((s, s.errand.as_ref()?)))
                else {
                    return;
                };
                let asks = errand.stage == Stage::Ask;
                if asks && service.last_operation.kind == OperationKind::Delete {
                    match bindings_gate(state, service) {
                        Gate::Open => {}
                        Gate::Idle => return self.step(Step::Unbind(id)),
                        Gate::Busy { .. } => return,
                        Gate::Stuck => return self.step(Step::GiveUp(id)),
                    }
                }
                self.errand(key, service, errand);
            }
            Key::Binding(id) => {
                let binding = state.bindings.get(&id);
                let service = binding.and_then(|found| state.services.get(&found.service));
                let errand = binding.and_then(|found| found.errand.as_ref());
                if let Some((service, errand)) = service.zip(errand) {
                    self.errand(key, service, errand);
                }
            }
            Key::RouteBinding(id) => {
                let binding = state.route_bindings.get(&id);
                let service = binding.and_then(|found| state.services.get(&found.service));
                let errand = binding.and_then(|found| found.errand.as_ref());
                if let Some((service, errand)) = service.zip(errand) {
                    self.errand(key, service, errand);
                }
            }
            Key::Orphan(id) => {
                if let Some(orphan) = state.orphans.get(&id)
                    && self.is_due(orphan.next_at)
                {
                    self.call(key, orphan.broker);
                }
            }
            Key::Job(id) => {
                if let Some(job) = state.jobs.get(&id) {
                    self.job(job);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    fn is_due(&mut self, at: Timestamp) -> bool {
        if at <= self.now {
            return true;
        }
        let next = self.plan.next_at.map_or(at, |next| next.min(at));
        self.plan.next_at = Some(next);
        false
    }

    fn errand(&mut self, key: Key, service: &Service, errand: &Errand) {
        let due = match &errand.stage {
            Stage::Ask => true,
            Stage::Poll { next_at, until, .. } => self.is_due((*next_at).min(*until)),
        };
        let broker = self.state.origin_of(service).map(|(.., broker)| broker.id);
        if let Some(broker) = broker.filter(|_| due) {
            self.call(key, broker);
        }
    }

    /// A call, if the broker has not enough to do. When one of its calls ends there is another
    /// pass.
    fn call(&mut self, key: Key, broker: BrokerId) {
        let calls = self.calls.entry(broker).or_default();
        if *calls < AT_ONE_BROKER && self.all < IN_ALL {
            *calls += 1;
            self.all += 1;
            self.plan.steps.push(Step::Call(key, broker));
        }
    }

    fn job(&mut self, job: &Job) {
        let gate = match &job.work {
            Some(Work::Delete { doomed, .. }) => doomed_gate(self.state, *doomed, job.created_at),
            Some(Work::Bind { bindings }) => {
                let mut gate = Gate::Open;
                for id in bindings {
                    let binding = self.state.bindings.get(id);
                    let errand = binding.and_then(|binding| binding.errand.as_ref());
                    let made = binding.is_some_and(|binding| binding.is_there());
                    let one = match errand {
                        Some(errand) => Gate::Busy {
                            polled: errand.is_polled(),
                        },
                        None if made => Gate::Open,
                        None => Gate::Stuck,
                    };
                    gate = gate.and(one);
                }
                gate
            }
            None => return,
        };
        let share = matches!(
            job.work,
            Some(Work::Delete {
                doomed: Doomed::Share(..),
                ..
            })
        );
        match gate {
            Gate::Open => self.step(Step::Finish(job.id)),
            Gate::Idle => self.step(Step::Begin(job.id)),
            Gate::Stuck => self.step(Step::Fail(job.id)),
            Gate::Busy { polled } => {
                if polled && share && job.state != JobState::Polling {
                    self.step(Step::Wait(job.id));
                }
            }
        }
    }
}

impl Gate {
    /// Of two things in the way, the one to see to first: what has not begun is begun at once,
    /// and what failed is told when nothing else goes on.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Idle, _) | (_, Self::Idle) => Self::Idle,
            (Self::Busy { polled: a }, Self::Busy { polled: b }) => Self::Busy { polled: a && b },
            (busy @ Self::Busy { .. }, _) | (_, busy @ Self::Busy { .. }) => busy,
            (Self::Stuck, _) | (_, Self::Stuck) => Self::Stuck,
            (Self::Open, Self::Open) => Self::Open,
        }
    }

    /// How something stands whose deletion is wanted since `since`.
    fn of(last: &Operation, errand: Option<&Errand>, since: Timestamp) -> Self {
        match errand {
            // What is being made is given up once the broker has begun.
            Some(errand) if last.kind == OperationKind::Create && errand.is_polled() => Self::Idle,
            Some(errand) => Self::Busy {
                polled: errand.is_polled(),
            },
            None if last.is(OperationKind::Delete, OperationState::Failed)
                && last.updated_at >= since =>
            {
                Self::Stuck
            }
            None => Self::Idle,
        }
    }
}

/// What stands in the way of an instance's end: what is bound to it.
fn bindings_gate(state: &State, service: &Service) -> Gate {
    let since = service.last_operation.created_at;
    let bindings = state
        .bindings_of_service(service.id)
        .map(|found| Gate::of(&found.last_operation, found.errand.as_ref(), since));
    let routes = state
        .route_bindings_of_service(service.id)
        .map(|found| Gate::of(&found.last_operation, found.errand.as_ref(), since));
    bindings.chain(routes).fold(Gate::Open, Gate::and)
}

/// What stands in the way of the end of something that instances and bindings belong to.
fn doomed_gate(state: &State, doomed: Doomed, since: Timestamp) -> Gate {
    let parts = state.parts_of(doomed);
    let services = parts.services.iter().filter_map(|id| {
        let found = state.services.get(id)?;
        Some(Gate::of(
            &found.last_operation,
            found.errand.as_ref(),
            since,
        ))
    });
    let bindings = parts.bindings.iter().filter_map(|id| {
        let found = state.bindings.get(id)?;
        Some(Gate::of(
            &found.last_operation,
            found.errand.as_ref(),
            since,
        ))
    });
    let routes = parts.route_bindings.iter().filter_map(|id| {
        let found = state.route_bindings.get(id)?;
        Some(Gate::of(
            &found.last_operation,
            found.errand.as_ref(),
            since,
        ))
    });
    services
        .chain(bindings)
        .chain(routes)
        .fold(Gate::Open, Gate::and)
}

/// Whether something may be begun to be deleted: nothing goes on with it, or only its making,
/// which is given up.
#[must_use]
pub fn may_begin(last: &Operation, errand: Option<&Errand>, since: Timestamp) -> bool {
    Gate::of(last, errand, since) == Gate::Idle
}

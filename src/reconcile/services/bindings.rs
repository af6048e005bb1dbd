//! Bindings to apps and keys: asked for, ended, and how far that is.

use serde_json::{Value, json};

use super::{
    act::{tell, write_down},
    orphans, words,
};
use crate::{
    brokers::{
        Answer, Asked, Bound, BrokerError, Context, LastOperation, Outcome, Progress, Request,
        Target, app_resource, leaves_orphan,
    },
    model::{
        Binding, BindingId, Broker, Credentials, Errand, JobError, JobState, Offering,
        OperationKind, OperationState, Plan, Service, Stage, Timestamp, Told,
    },
    reconcile::Deps,
    store::{
        State, Tx,
        service_events::{note_binding, note_unbound},
    },
    wire::Error,
};

/// What came of a look at a broker.
#[derive(Debug)]
pub(super) enum Heard {
    /// The binding is there.
    Made(Box<Bound>),
    /// It is gone.
    Gone,
    /// The broker is at it from now on.
    Begun {
        operation: Option<String>,
        retry_after: Option<u64>,
    },
    /// It is still at it, as far as is known.
    StillAt {
        words: Option<String>,
        retry_after: Option<u64>,
    },
    /// It did not come about.
    Failed {
        error: JobError,
        words: String,
        outcome: Outcome,
    },
}

/// A binding as far as its broker is concerned, be it of an app, a key or a route.
pub(super) struct Look<'a> {
    pub(super) deps: &'a Deps,
    pub(super) state: &'a State,
    pub(super) service: &'a Service,
    pub(super) origin: (&'a Plan, &'a Offering, &'a Broker),
    pub(super) kind: OperationKind,
    pub(super) errand: &'a Errand,
    pub(super) target: Target,
    /// What is bound.
    pub(super) resource: Value,
}

/// Asks about a binding, and writes down what came of it.
pub(super) async fn call(deps: &Deps, id: BindingId) {
    let state = deps.store.state();
    let Some(binding) = state.bindings.get(&id).cloned() else {
        return;
    };
    let Some(errand) = binding.errand.clone() else {
        return;
    };
    let Some(service) = state.services.get(&binding.service) else {
        return;
    };
    let Some(origin) = state.origin_of(service) else {
        return;
    };
    let app = binding.app.and_then(|app| state.apps.get(&app));
    let look = Look {
        deps,
        state: &state,
        service,
        origin,
        kind: binding.last_operation.kind,
        errand: &errand,
        target: Target::instance(service.id, origin.1, origin.0).binding(id),
        resource: app.map_or_else(|| json!({}), |app| app_resource(app)),
    };
    let heard = look.hear().await;
    write_down(deps, |tx, now| settle(tx, &binding, &errand, &heard, now)).await;
}

impl Look<'_> {
    /// What the broker says.
    pub(super) async fn hear(&self) -> Heard {
        let (_, offering, broker) = self.origin;
        let asked = Asked {
            brokers: &self.deps.brokers,
            broker,
            by: &self.errand.by,
        };
        let requires = &offering.terms.requires;
        if let Stage::Poll {
            operation, until, ..
        } = &self.errand.stage
        {
            if *until <= super::act::now(self.deps) {
                return self.overdue();
            }
            return self.poll(&asked, operation.as_deref(), requires).await;
        }
        match self.kind {
            OperationKind::Delete => match asked.delete(&self.target).await {
                Err(error) => self.failed(&error),
                Ok(answer) => match answer.deleted() {
                    Ok(Progress::Done) => Heard::Gone,
                    Ok(Progress::Begun(operation)) => begun(&answer, operation),
                    Err(error) => self.failed(&error),
                },
            },
            OperationKind::Create | OperationKind::Update => {
                let space = self.state.spaces.get(&self.service.space);
                let org = space.and_then(|space| self.state.orgs.get(&space.org));
                let Some((space, org)) = space.zip(org) else {
                    return Heard::Gone;
                };
                let context = Context { org, space };
                let parameters = self.errand.parameters.as_ref().map(|given| &given.0);
                let body = self.target.bind(context, &self.resource, parameters);
                let answer = match asked.make(&self.target, &body).await {
                    Ok(answer) => answer,
                    Err(error) => return self.failed(&error),
                };
                match answer.bound(requires) {
                    Ok(Ok(bound)) => Heard::Made(Box::new(bound)),
                    Ok(Err(operation)) if offering.terms.bindings_retrievable => {
                        begun(&answer, operation)
                    }
                    Ok(Err(_)) => unreadable(),
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    async fn poll(&self, asked: &Asked<'_>, operation: Option<&str>, requires: &[String]) -> Heard {
        let answer = asked.poll(&self.target, operation).await;
        let retry_after = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        let still = |words| Heard::StillAt { words, retry_after };
        let deleting = self.kind == OperationKind::Delete;
        match answer.and_then(|answer| answer.last_operation()) {
            Ok(LastOperation::Gone | LastOperation::Succeeded(_)) if deleting => Heard::Gone,
            Ok(LastOperation::Succeeded(_)) => {
                let answer = match asked.see(&self.target).await {
                    Ok(answer) if answer.status < 500 => answer,
                    // It is there; what it says can be had when the broker answers again.
                    Ok(_) | Err(_) => return still(None),
                };
                match answer.binding_fetched(requires) {
                    Ok(bound) => Heard::Made(Box::new(bound)),
                    Err(error) => self.failed(&BrokerError {
                        outcome: Outcome::FailedLater,
                        ..error
                    }),
                }
            }
            Ok(LastOperation::Failed(words)) => {
                let words = words.unwrap_or_default();
                let what = if deleting { "delete" } else { "create" };
                Heard::Failed {
                    error: words::unable(what, &words),
                    words,
                    outcome: Outcome::FailedLater,
                }
            }
            Ok(LastOperation::InProgress(words)) => still(words),
            // What is no answer says nothing about the operation.
            Ok(LastOperation::Gone) | Err(_) => still(None),
        }
    }

    fn overdue(&self) -> Heard {
        let what = if self.kind == OperationKind::Delete {
            "unbind"
        } else {
            "bind"
        };
        Heard::Failed {
            error: words::too_long(),
            words: words::overdue(what),
            outcome: Outcome::NoAnswer,
        }
    }

    fn failed(&self, broken: &BrokerError) -> Heard {
        let (what, words) = if self.kind == OperationKind::Delete {
            let name = &self.service.name;
            let words = match broken.fault {
                crate::brokers::Fault::Concurrency => {
                    "The service broker rejected the request due to an operation being in \
                     progress for the service binding."
                        .to_owned()
                }
                _ => format!(
                    "Service broker failed to delete service binding for instance {name}: {broken}"
                ),
            };
            ("unbind", words)
        } else {
            ("bind", broken.message.clone())
        };
        Heard::Failed {
            error: words::unable(what, &words),
            words,
            outcome: broken.outcome,
        }
    }
}

fn begun(answer: &Answer, operation: Option<String>) -> Heard {
    Heard::Begun {
        operation,
        retry_after: answer.retry_after,
    }
}

/// A broker that makes a binding later has to show it then.
fn unreadable() -> Heard {
    let words = "The broker responded asynchronously but does not support fetching binding data";
    Heard::Failed {
        error: words::error(Error {
            status: 400,
            code: 90_001,
            title: "CF-ServiceBindingInvalid",
            detail: format!("The service binding is invalid: {words}"),
        }),
        words: words.to_owned(),
        outcome: Outcome::NoAnswer,
    }
}

/// The request that a binding's operation is.
pub(super) const fn request(kind: OperationKind) -> Request {
    match kind {
        OperationKind::Create | OperationKind::Update => Request::Bind,
        OperationKind::Delete => Request::Unbind,
    }
}

/// Writes down what came of it, unless something else came in the way meanwhile.
fn settle(tx: &mut Tx, before: &Binding, errand: &Errand, heard: &Heard, now: Timestamp) {
    let Some(binding) = tx.bindings.get(&before.id) else {
        return;
    };
    if binding.errand.as_ref() != Some(errand) {
        return;
    }
    let mut binding = Binding::clone(binding);
    let Some(service) = tx.services.get(&binding.service).cloned() else {
        return;
    };
    let last = binding.last_operation.clone();
    let deleting = last.kind == OperationKind::Delete;
    let by = &errand.by;
    match heard {
        Heard::Gone => {
            end(tx, &binding, errand, now);
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Made(bound) => {
            binding.told = Some(Told {
                credentials: Credentials(bound.credentials.clone()),
                syslog_drain_url: bound.syslog_drain_url.clone(),
            });
            binding.errand = None;
            binding.last_operation = last.to(OperationState::Succeeded, "", now);
            binding.updated_at = now;
            tx.put(binding.clone());
            note_binding(tx, by, "create", &binding, errand.told.clone(), now);
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Begun {
            operation,
            retry_after,
        } => {
            let plan = tx.origin_of(&service).map(|(plan, ..)| plan);
            let stage = plan.map(|plan| words::begun(plan, operation.clone(), *retry_after, now));
            binding.errand = stage.map(|stage| Errand {
                stage,
                ..errand.clone()
            });
            binding.last_operation = last.to(OperationState::InProgress, "", now);
            tx.put(binding.clone());
            if deleting {
                note_unbound(tx, by, "start_delete", &binding, now);
            } else {
                note_binding(tx, by, "start_create", &binding, errand.told.clone(), now);
            }
            tell(tx, errand.job, Ok(JobState::Polling), now);
        }
        Heard::StillAt { words, retry_after } => {
            let words = words.clone().unwrap_or_else(|| last.description.clone());
            binding.last_operation = last.to(OperationState::InProgress, words, now);
            binding.errand = Some(Errand {
                stage: words::polled(&errand.stage, *retry_after, now),
                ..errand.clone()
            });
            tx.put(binding);
        }
        Heard::Failed {
            error,
            words,
            outcome,
        } => {
            binding.errand = None;
            binding.last_operation = last.to(OperationState::Failed, words.as_str(), now);
            let id = binding.id.uuid();
            tx.put(binding);
            if leaves_orphan(request(last.kind), *outcome) {
                let at = orphans::first(last.kind, now);
                tx.leave_orphan(&service, Some(id), by, at, now);
            }
            tell(tx, errand.job, Err(error.clone()), now);
        }
    }
}

/// Forgets a binding that its broker has ended.
pub(super) fn end(tx: &mut Tx, binding: &Binding, errand: &Errand, now: Timestamp) {
    note_unbound(tx, &errand.by, "delete", binding, now);
    tx.delete(crate::model::OrphanId::from_uuid(binding.id.uuid()));
    tx.delete(binding.id);
}

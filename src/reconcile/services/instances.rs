//! Instances: asked for, changed, deleted, and how far that is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    act::{now, tell, write_down},
    words,
};
use crate::{
    brokers::{
        Asked, BrokerError, Context, Fault, LastOperation, Outcome, Progress, Request, Target,
        Update, leaves_orphan,
    },
    model::{
        Errand, JobError, JobState, Offering, OperationKind, OperationState, Plan, Service,
        ServiceId, ServiceKind, Stage, Timestamp, UsageState,
    },
    reconcile::Deps,
    store::{
        State, Tx, cascade,
        service_events::{note_service, use_service},
    },
    wire::Error,
};

/// What came of a look at a broker.
#[derive(Debug)]
enum Heard {
    /// It is done.
    Done(Shown),
    /// The broker is at it from now on.
    Begun {
        operation: Option<String>,
        retry_after: Option<u64>,
        shown: Shown,
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

/// What a broker shows of an instance.
#[derive(Debug, Default)]
struct Shown {
    dashboard_url: Option<String>,
    metadata: Option<Map<String, Value>>,
}

/// What the broker hears of, in Cloud Foundry's words.
const fn request(kind: OperationKind) -> (Request, &'static str) {
    match kind {
        OperationKind::Create => (Request::Provision, "provision"),
        OperationKind::Update => (Request::Update, "update"),
        OperationKind::Delete => (Request::Deprovision, "deprovision"),
    }
}

/// Asks about an instance, and writes down what came of it.
pub(super) async fn call(deps: &Deps, id: ServiceId) {
    let state = deps.store.state();
    let Some(service) = state.services.get(&id).cloned() else {
        return;
    };
    let Some(errand) = service.errand.clone() else {
        return;
    };
    let Some(heard) = hear(deps, &state, &service, &errand).await else {
        return;
    };
    write_down(deps, |tx, now| settle(tx, &service, &errand, &heard, now)).await;
}

/// None where everything around the instance is gone.
async fn hear(
    deps: &Deps,
    state: &State,
    service: &Arc<Service>,
    errand: &Errand,
) -> Option<Heard> {
    let (plan, offering, broker) = state.origin_of(service)?;
    let space = state.spaces.get(&service.space)?;
    let org = state.orgs.get(&space.org)?;
    let context = Context { org, space };
    let asked = Asked {
        brokers: &deps.brokers,
        broker,
        by: &errand.by,
    };
    // While the plan changes, the broker knows the instance under the old one.
    let target = Target::instance(service.id, offering, plan);
    let kind = service.last_operation.kind;
    if let Stage::Poll {
        operation, until, ..
    } = &errand.stage
    {
        if *until <= now(deps) {
            return Some(overdue(kind));
        }
        return Some(poll(&asked, &target, offering, kind, operation.as_deref()).await);
    }
    let parameters = errand.parameters.as_ref().map(|parameters| &parameters.0);
    Some(match kind {
        OperationKind::Create => {
            let version = plan.terms.maintenance_info.as_ref();
            let body = target.provision(service, context, parameters, version);
            made(asked.make(&target, &body).await, |answer| {
                answer.provisioned()
            })
            .unwrap_or_else(|error| failed(kind, service, &error))
        }
        OperationKind::Update => {
            let change = errand.change.clone().unwrap_or_default();
            let new: &Plan = change
                .plan
                .and_then(|id| state.plans.get(&id))
                .map_or(plan, AsRef::as_ref);
            let ServiceKind::Managed {
                maintenance_info, ..
            } = &service.kind
            else {
                return None;
            };
            let update = Update {
                plan_id: &new.terms.id,
                name: change.name.as_deref().unwrap_or(&service.name),
                parameters,
                version: change.maintenance_info.as_ref(),
                version_before: maintenance_info.as_ref(),
            };
            let body = target.update(service, context, &update);
            made(asked.change(&target, &body).await, |answer| {
                answer.updated()
            })
            .unwrap_or_else(|error| failed(kind, service, &error))
        }
        OperationKind::Delete => match asked.delete(&target).await {
            Err(error) => failed(kind, service, &error),
            Ok(answer) => match answer.deleted() {
                Ok(Progress::Done) => Heard::Done(Shown::default()),
                Ok(Progress::Begun(operation)) => Heard::Begun {
                    operation,
                    retry_after: answer.retry_after,
                    shown: Shown::default(),
                },
                Err(error) => failed(kind, service, &error),
            },
        },
    })
}

fn made(
    answer: Result<crate::brokers::Answer, BrokerError>,
    understood: impl FnOnce(&crate::brokers::Answer) -> Result<crate::brokers::Made, BrokerError>,
) -> Result<Heard, BrokerError> {
    let answer = answer?;
    let made = understood(&answer)?;
    let shown = Shown {
        dashboard_url: made.dashboard_url,
        metadata: made.metadata,
    };
    Ok(match made.progress {
        Progress::Done => Heard::Done(shown),
        Progress::Begun(operation) => Heard::Begun {
            operation,
            retry_after: answer.retry_after,
            shown,
        },
    })
}

async fn poll(
    asked: &Asked<'_>,
    target: &Target,
    offering: &Offering,
    kind: OperationKind,
    operation: Option<&str>,
) -> Heard {
    let answer = asked.poll(target, operation).await;
    let retry_after = answer.as_ref().ok().and_then(|answer| answer.retry_after);
    match answer.and_then(|answer| answer.last_operation()) {
        Ok(LastOperation::Gone) if kind == OperationKind::Delete => Heard::Done(Shown::default()),
        Ok(LastOperation::Succeeded(_)) => {
            let mut shown = Shown::default();
            // Where the broker does not answer here, people go without its link.
            if kind != OperationKind::Delete
                && offering.terms.instances_retrievable
                && let Ok(answer) = asked.see(target).await
                && let Ok(fetched) = answer.instance_fetched()
            {
                shown.dashboard_url = fetched.dashboard_url;
            }
            Heard::Done(shown)
        }
        Ok(LastOperation::Failed(words)) => {
            let words = words.unwrap_or_default();
            let what = match kind {
                OperationKind::Create => "create managed",
                OperationKind::Update => "update",
                OperationKind::Delete => "delete",
            };
            Heard::Failed {
                error: words::unable(what, &words),
                words,
                outcome: Outcome::FailedLater,
            }
        }
        Ok(LastOperation::InProgress(words)) => Heard::StillAt { words, retry_after },
        // What is no answer says nothing about the operation.
        Ok(LastOperation::Gone) | Err(_) => Heard::StillAt {
            words: None,
            retry_after,
        },
    }
}

fn overdue(kind: OperationKind) -> Heard {
    Heard::Failed {
        error: words::too_long(),
        words: words::overdue(request(kind).1),
        outcome: Outcome::NoAnswer,
    }
}

fn failed(kind: OperationKind, service: &Service, broken: &BrokerError) -> Heard {
    let mut words = broken.message.clone();
    let error = match kind {
        OperationKind::Delete => {
            let name = &service.name;
            match broken.fault {
                Fault::Conflict => words::error(Error {
                    status: 409,
                    code: 60_011,
                    title: "CF-ServiceInstanceDeprovisionFailed",
                    detail: format!(
                        "The service broker reported an error during deprovisioning: {words}"
                    ),
                }),
                Fault::Concurrency => words::error(Error::service_operation_in_progress(format!(
                    "An operation for service instance {name} is in progress."
                ))),
                _ => {
                    words = format!("Service instance {name}: {words}");
                    words::unable("delete", &words)
                }
            }
        }
        _ => words::unable(request(kind).1, &words),
    };
    Heard::Failed {
        error,
        words,
        outcome: broken.outcome,
    }
}

/// Writes down what came of it, unless something else came in the way meanwhile.
fn settle(tx: &mut Tx, before: &Service, errand: &Errand, heard: &Heard, now: Timestamp) {
    let Some(service) = tx.services.get(&before.id) else {
        return;
    };
    if service.errand.as_ref() != Some(errand) {
        return;
    }
    let mut service = Service::clone(service);
    let kind = service.last_operation.kind;
    let verb = match kind {
        OperationKind::Create => "create",
        OperationKind::Update => "update",
        OperationKind::Delete => "delete",
    };
    let by = &errand.by;
    match heard {
        Heard::Done(_) if kind == OperationKind::Delete => {
            end(tx, &service, errand, now);
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Done(shown) => {
            show(&mut service, shown);
            let used = change(tx, &mut service, errand);
            service.errand = None;
            service.last_operation = service
                .last_operation
                .to(OperationState::Succeeded, "", now);
            service.updated_at = now;
            tx.put(service.clone());
            note_service(tx, by, verb, &service, errand.told.clone(), now);
            match kind {
                OperationKind::Create => use_service(tx, UsageState::Created, &service, now),
                _ if used => use_service(tx, UsageState::Updated, &service, now),
                _ => {}
            }
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Begun {
            operation,
            retry_after,
            shown,
        } => {
            show(&mut service, shown);
            let stage = tx
                .origin_of(&service)
                .map(|(plan, ..)| words::begun(plan, operation.clone(), *retry_after, now));
            service.errand = stage.map(|stage| Errand {
                stage,
                ..errand.clone()
            });
            service.last_operation = service
                .last_operation
                .to(OperationState::InProgress, "", now);
            tx.put(service.clone());
            let verb = format!("start_{verb}");
            note_service(tx, by, &verb, &service, errand.told.clone(), now);
            tell(tx, errand.job, Ok(JobState::Polling), now);
        }
        Heard::StillAt { words, retry_after } => {
            let last = &service.last_operation;
            let words = words.clone().unwrap_or_else(|| last.description.clone());
            service.last_operation = last.to(OperationState::InProgress, words, now);
            service.errand = Some(Errand {
                stage: words::polled(&errand.stage, *retry_after, now),
                ..errand.clone()
            });
            tx.put(service);
        }
        Heard::Failed {
            error,
            words,
            outcome,
        } => {
            service.errand = None;
            service.last_operation =
                service
                    .last_operation
                    .to(OperationState::Failed, words.as_str(), now);
            tx.put(service.clone());
            if leaves_orphan(request(kind).0, *outcome) {
                let at = super::orphans::first(kind, now);
                tx.leave_orphan(&service, None, by, at, now);
            }
            tell(tx, errand.job, Err(error.clone()), now);
        }
    }
}

fn show(service: &mut Service, shown: &Shown) {
    if let ServiceKind::Managed {
        dashboard_url,
        broker_metadata,
        ..
    } = &mut service.kind
    {
        if let Some(url) = &shown.dashboard_url {
            *dashboard_url = Some(url.clone());
        }
        if let Some(metadata) = &shown.metadata {
            broker_metadata.clone_from(metadata);
        }
    }
}

/// Makes the instance what was asked for; whether who bills wants to know.
fn change(state: &State, service: &mut Service, errand: &Errand) -> bool {
    let Some(change) = &errand.change else {
        return false;
    };
    let mut used = false;
    if let Some(name) = &change.name {
        // Somebody may have taken the name meanwhile.
        let taken = state.service_by_name(service.space, name);
        if taken.is_none_or(|other| other.id == service.id) {
            used |= service.name != *name;
            service.name = name.clone();
        }
    }
    if let Some(tags) = &change.tags {
        service.tags.clone_from(tags);
    }
    if let ServiceKind::Managed {
        plan,
        maintenance_info,
        ..
    } = &mut service.kind
    {
        if let Some(new) = change.plan {
            used |= *plan != new;
            *plan = new;
            maintenance_info.clone_from(&change.maintenance_info);
        } else if let Some(info) = &change.maintenance_info {
            *maintenance_info = Some(info.clone());
        }
    }
    used
}

/// Forgets an instance that its broker has deleted.
pub(super) fn end(tx: &mut Tx, service: &Service, errand: &Errand, now: Timestamp) {
    use_service(tx, UsageState::Deleted, service, now);
    note_service(tx, &errand.by, "delete", service, errand.told.clone(), now);
    let orphans = tx.orphans.values();
    let gone: Vec<_> = orphans
        .filter(|orphan| orphan.instance == service.id)
        .map(|orphan| orphan.id)
        .collect();
    for orphan in gone {
        tx.delete(orphan);
    }
    cascade::delete_service(tx, service.id);
}

//! Catalogs: read, checked, and what is offered made what they say.

use serde_json::json;

use super::{
    act::{tell, write_down},
    words,
};
use crate::{
    brokers::{Asked, BrokerError, Catalog, Fault, read_catalog},
    model::{
        Actor, Broker, BrokerId, BrokerState, BrokerSync, Job, JobError, JobState, Metadata,
        Offering, OfferingId, OfferingTerms, Plan, PlanId, PlanTerms, Timestamp,
    },
    reconcile::Deps,
    store::{
        Tx,
        audit::{audit, target},
        service_events::place,
    },
    wire::Error,
};

/// Reads a broker's catalog, and writes down what came of it.
pub(super) async fn call(deps: &Deps, id: BrokerId) {
    let state = deps.store.state();
    let Some(broker) = state.brokers.get(&id) else {
        return;
    };
    let Some(sync) = broker.sync.clone() else {
        return;
    };
    // The broker as it shall be is asked: nothing changes where it does not answer.
    let mut asked = Broker::clone(broker);
    if let Some(change) = &sync.change {
        change.apply(&mut asked);
    }
    let only_a_name = sync
        .change
        .as_ref()
        .is_some_and(|change| change.is_only_a_name());
    let read = if only_a_name {
        Ok(None)
    } else {
        read(deps, &asked, &sync).await.map(Some)
    };
    write_down(deps, |tx, now| settle(tx, id, &sync, &read, now)).await;
}

async fn read(deps: &Deps, broker: &Broker, sync: &BrokerSync) -> Result<Catalog, JobError> {
    let asked = Asked {
        brokers: &deps.brokers,
        broker,
        by: &sync.by,
    };
    let document = asked.catalog().await.map_err(|error| refused(&error))?;
    read_catalog(&document)
        .map_err(|invalid| words::error(Error::broker_catalog_invalid(invalid.to_string())))
}

fn refused(broken: &BrokerError) -> JobError {
    match broken.fault {
        Fault::Malformed => words::error(Error::broker_request_malformed(
            "The service broker returned an invalid response: expected valid JSON object in body. \
             Please check that the URL points to a valid service broker.",
        )),
        Fault::Rejected => {
            let status = match broken.outcome {
                crate::brokers::Outcome::Status(status) => status,
                _ => 400,
            };
            let reason = http::StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason());
            words::error(Error::broker_request_rejected(format!(
                "The service broker rejected the request. Status Code: {status} {}. Please check \
                 that the URL points to a valid service broker.",
                reason.unwrap_or_default()
            )))
        }
        _ => words::of_broker(broken),
    }
}

fn settle(
    tx: &mut Tx,
    id: BrokerId,
    sync: &BrokerSync,
    read: &Result<Option<Catalog>, JobError>,
    now: Timestamp,
) {
    let Some(broker) = tx.brokers.get(&id) else {
        let gone = "The service broker was removed before the synchronization completed";
        let error = words::error(Error {
            status: 422,
            code: 270_011,
            title: "CF-ServiceBrokerGone",
            detail: gone.to_owned(),
        });
        return tell(tx, Some(sync.job), Err(error), now);
    };
    if broker.sync.as_ref() != Some(sync) {
        return;
    }
    let mut broker = Broker::clone(broker);
    broker.sync = None;
    broker.updated_at = now;
    match read {
        Err(error) => {
            broker.state = if sync.change.is_some() {
                sync.before
            } else {
                BrokerState::Failed
            };
            tx.put(broker);
            tell(tx, Some(sync.job), Err(error.clone()), now);
        }
        Ok(catalog) => {
            if let Some(change) = &sync.change {
                change.apply(&mut broker);
            }
            broker.state = BrokerState::Available;
            tx.put(broker.clone());
            if let Some(catalog) = catalog {
                let warnings = apply(tx, &broker, catalog, now);
                warn(tx, sync, warnings);
            }
            tell(tx, Some(sync.job), Ok(JobState::Complete), now);
        }
    }
}

fn warn(tx: &mut Tx, sync: &BrokerSync, warnings: Vec<String>) {
    if let Some(job) = tx.jobs.get(&sync.job).cloned() {
        let mut job = Job::clone(&job);
        job.warnings.extend(warnings);
        tx.put(job);
    }
}

/// Makes what a broker offers what its catalog says; what users should know of it.
pub(super) fn apply(
    tx: &mut Tx,
    broker: &Broker,
    catalog: &Catalog,
    now: Timestamp,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let known: Vec<Offering> = tx.offerings_of(broker.id).cloned().collect();
    // What is new is listed in the catalog's order.
    let mut made = (0..).map(|number| Timestamp::from_millis(now.millis() + number));
    let mut next = || made.next().unwrap_or(now);
    for (terms, plans) in &catalog.offerings {
        let before = known.iter().find(|known| known.terms.id == terms.id);
        let offering = put_offering(tx, broker, before, terms, next());
        if terms.requires("volume_mount") {
            warnings.push(format!(
                "Service {} is declared to be a volume mount service but support for volume mount \
                 services is disabled. Users will be prevented from binding instances with this \
                 service.",
                terms.name
            ));
        }
        let of_offering: Vec<Plan> = tx.plans_of(offering).cloned().collect();
        for plan in plans {
            let before = of_offering.iter().find(|known| known.terms.id == plan.id);
            put_plan(tx, broker, offering, before, plan, next());
        }
    }
    let mut inactive = Vec::new();
    for offering in &known {
        let listed = catalog
            .offerings
            .iter()
            .find(|(terms, _)| terms.id == offering.terms.id);
        let plans: Vec<Plan> = tx.plans_of(offering.id).cloned().collect();
        for plan in plans {
            let named =
                listed.is_some_and(|(_, plans)| plans.iter().any(|p| p.id == plan.terms.id));
            if !named && retire_plan(tx, broker, plan.clone(), now) {
                inactive.push((offering.terms.name.clone(), plan.terms.name));
            }
        }
        if listed.is_none() {
            retire_offering(tx, broker, offering.clone(), now);
        }
    }
    warnings.extend(deactivated(broker, inactive));
    warnings
}

fn put_offering(
    tx: &mut Tx,
    broker: &Broker,
    before: Option<&Offering>,
    terms: &OfferingTerms,
    now: Timestamp,
) -> OfferingId {
    if let Some(before) = before {
        if before.terms != *terms || !before.available {
            let mut offering = before.clone();
            offering.terms = terms.clone();
            offering.available = true;
            offering.updated_at = now;
            tx.put(offering);
            note(tx, broker, "service.update", before.id, &terms.name, now);
        }
        return before.id;
    }
    let offering = Offering {
        id: OfferingId::random(),
        broker: broker.id,
        available: true,
        terms: terms.clone(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let id = offering.id;
    tx.put(offering);
    note(tx, broker, "service.create", id, &terms.name, now);
    id
}

fn put_plan(
    tx: &mut Tx,
    broker: &Broker,
    offering: OfferingId,
    before: Option<&Plan>,
    terms: &PlanTerms,
    now: Timestamp,
) {
    if let Some(before) = before {
        if before.terms != *terms || !before.available {
            let mut plan = before.clone();
            plan.terms = terms.clone();
            plan.available = true;
            plan.updated_at = now;
            tx.put(plan);
            note(
                tx,
                broker,
                "service_plan.update",
                before.id,
                &terms.name,
                now,
            );
        }
        return;
    }
    let plan = Plan {
        id: PlanId::random(),
        offering,
        available: true,
        public: false,
        orgs: std::collections::BTreeSet::new(),
        terms: terms.clone(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let id = plan.id;
    tx.put(plan);
    note(tx, broker, "service_plan.create", id, &terms.name, now);
}

/// Deletes a plan that the catalog does not have any more, or, where there are instances, makes it
/// unavailable; whether there are some.
fn retire_plan(tx: &mut Tx, broker: &Broker, mut plan: Plan, now: Timestamp) -> bool {
    if tx.services_of_plan(plan.id).next().is_some() {
        if plan.available {
            plan.available = false;
            plan.updated_at = now;
            tx.put(plan);
        }
        return true;
    }
    tx.delete(plan.id);
    note(
        tx,
        broker,
        "service_plan.delete",
        plan.id,
        &plan.terms.name,
        now,
    );
    false
}

fn retire_offering(tx: &mut Tx, broker: &Broker, mut offering: Offering, now: Timestamp) {
    if tx.plans_of(offering.id).next().is_some() {
        if offering.available {
            offering.available = false;
            offering.updated_at = now;
            tx.put(offering);
        }
        return;
    }
    tx.delete(offering.id);
    let name = &offering.terms.name;
    note(tx, broker, "service.delete", offering.id, name, now);
}

fn deactivated(broker: &Broker, mut inactive: Vec<(String, String)>) -> Option<String> {
    if inactive.is_empty() {
        return None;
    }
    inactive.sort();
    let mut text = format!(
        "Warning: Service plans are missing from the broker's catalog ({}/v2/catalog) but can not \
         be removed from Cloud Foundry while instances exist. The plans have been deactivated to \
         prevent users from attempting to provision new instances of these plans. The broker \
         should continue to support bind, unbind, and delete for existing instances; if these \
         operations fail contact your broker provider.\n",
        broker.url
    );
    let mut names: Vec<&str> = inactive
        .iter()
        .map(|(offering, _)| offering.as_str())
        .collect();
    names.dedup();
    for name in names {
        let plans: Vec<&str> = inactive
            .iter()
            .filter(|(offering, _)| offering == name)
            .map(|(_, plan)| plan.as_str())
            .collect();
        text.push_str("\nService Offering: ");
        text.push_str(name);
        text.push_str("\nPlans deactivated: ");
        text.push_str(&plans.join(", "));
        text.push('\n');
    }
    Some(text)
}

fn note(
    tx: &mut Tx,
    broker: &Broker,
    what: &str,
    id: impl std::fmt::Display,
    name: &str,
    now: Timestamp,
) {
    let by = Actor {
        guid: broker.id.to_string(),
        kind: "service_broker".to_owned(),
        name: broker.name.clone(),
    };
    let of = what.split('.').next().unwrap_or(what);
    let target = target(of, id, name);
    let place = place(tx, broker.space);
    audit(
        tx,
        &by,
        &format!("audit.{what}"),
        target,
        place,
        json!({}),
        now,
    );
}

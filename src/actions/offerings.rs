//! What brokers offer, and to whom.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    brokers::need_write,
    cascade,
};
use crate::{
    authz::Verb,
    model::{
        Broker, Offering, OfferingId, Org, OrgId, Plan, PlanId, SpaceId, Timestamp, UsageState,
    },
    store::{
        State, Tx,
        service_events::{place, use_service},
    },
    wire::{offering::Visibility, offering::visibility_type, package::Update},
};

const OFFERING: &str = "Service offering";
const PLAN: &str = "Service plan";

impl Actions {
    /// The offerings of which the caller may see a plan.
    #[must_use]
    pub fn service_offerings(&self, caller: &Caller) -> Vec<Arc<Offering>> {
        let state = self.store.state();
        let offerings = state.offerings.values();
        offerings
            .filter(|offering| sees_offering(&state, caller, offering))
            .cloned()
            .collect()
    }

    /// The offering, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn service_offering(
        &self,
        caller: &Caller,
        id: OfferingId,
    ) -> Result<Arc<Offering>, ActionError> {
        find_offering(&self.store.state(), caller, id)
    }

    /// The plans that the caller may see.
    #[must_use]
    pub fn service_plans(&self, caller: &Caller) -> Vec<Arc<Plan>> {
        let state = self.store.state();
        let plans = state.plans.values();
        plans
            .filter(|plan| sees_plan(&state, caller, plan))
            .cloned()
            .collect()
    }

    /// The plan, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn service_plan(&self, caller: &Caller, id: PlanId) -> Result<Arc<Plan>, ActionError> {
        find_plan(&self.store.state(), caller, id)
    }

    /// The organizations that may use a plan, as far as the caller may know of them.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn service_plan_orgs(
        &self,
        caller: &Caller,
        id: PlanId,
    ) -> Result<Vec<Arc<Org>>, ActionError> {
        let state = self.store.state();
        let plan = find_plan(&state, caller, id)?;
        let orgs = plan.orgs.iter();
        Ok(orgs
            .filter(|org| caller.may_in_org(Verb::ReadOrg, **org))
            .filter_map(|org| state.orgs.get(org).cloned())
            .collect())
    }

    /// Changes an offering's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_service_offering(
        &self,
        caller: &Caller,
        id: OfferingId,
        body: Update,
    ) -> Result<Offering, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let offering = find_offering(tx, caller, id)?;
                need_write(tx, caller, broker_of(tx, &offering)?)?;
                let mut offering = Offering::clone(&offering);
                body.metadata
                    .apply(&mut offering.metadata)
                    .map_err(ActionError::Unprocessable)?;
                offering.updated_at = now;
                tx.put(offering.clone());
                Ok(offering)
            })
            .await
    }

    /// Changes a plan's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_service_plan(
        &self,
        caller: &Caller,
        id: PlanId,
        body: Update,
    ) -> Result<Plan, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut plan = writable_plan(tx, caller, id)?;
                body.metadata
                    .apply(&mut plan.metadata)
                    .map_err(ActionError::Unprocessable)?;
                plan.updated_at = now;
                tx.put(plan.clone());
                Ok(plan)
            })
            .await
    }

    /// Deletes an offering; with `purge` with all its plans, instances and bindings, of which the
    /// broker hears nothing.
    ///
    /// # Errors
    /// Where the caller may not, or, without `purge`, there are plans.
    pub async fn delete_service_offering(
        &self,
        caller: &Caller,
        id: OfferingId,
        purge: bool,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let offering = find_offering(tx, caller, id)?;
                let broker = broker_of(tx, &offering)?.clone();
                need_write(tx, caller, &broker)?;
                if !purge && tx.plans_of(id).next().is_some() {
                    return Err(ActionError::Unprocessable(
                        "Please delete the service_plans associations for your service_offerings."
                            .to_owned(),
                    ));
                }
                let plans: Vec<_> = tx.plans_of(id).map(|plan| plan.id).collect();
                for plan in plans {
                    let services: Vec<_> = tx.services_of_plan(plan).cloned().collect();
                    for service in services {
                        use_service(tx, UsageState::Deleted, &service, now);
                    }
                }
                cascade::delete_offering(tx, id);
                let target = target("service", id, &offering.terms.name);
                let place = place(tx, broker.space);
                let data = json!({ "request": { "purge": purge } });
                let kind = "audit.service.delete";
                audit(tx, &caller.actor(), kind, target, place, data, now);
                Ok(())
            })
            .await
    }

    /// Deletes a plan of which there is no instance.
    ///
    /// # Errors
    /// Where the caller may not, or there are instances.
    pub async fn delete_service_plan(
        &self,
        caller: &Caller,
        id: PlanId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let plan = writable_plan(tx, caller, id)?;
                if tx.services_of_plan(id).next().is_some() {
                    return Err(ActionError::Unprocessable(
                        "Please delete the service_instances associations for your service_plans."
                            .to_owned(),
                    ));
                }
                tx.delete(id);
                note_plan(tx, caller, "service_plan.delete", &plan, json!({}), now);
                Ok(())
            })
            .await
    }

    /// Says who may use a plan; with `add`, organizations beside those that may already.
    ///
    /// # Errors
    /// Where the caller may not, or it makes no sense.
    pub async fn show_service_plan(
        &self,
        caller: &Caller,
        id: PlanId,
        body: Visibility,
        add: bool,
    ) -> Result<Arc<Plan>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut plan = writable_plan(tx, caller, id)?;
                let orgs = named_orgs(tx, &body)?;
                let (_, _, broker) = origin(tx, id)?;
                if broker.space.is_some() {
                    return Err(ActionError::Unprocessable(
                        "cannot update plans with visibility type 'space'".to_owned(),
                    ));
                }
                plan.public = body.kind == "public";
                if body.kind == "organization" && add {
                    plan.orgs.extend(&orgs);
                } else {
                    plan.orgs.clone_from(&orgs);
                }
                plan.updated_at = now;
                tx.put(plan.clone());
                let shown: Vec<_> = orgs.iter().map(|org| json!({ "guid": org })).collect();
                let data = json!({ "request": { "type": body.kind, "organizations": shown } });
                let kind = "service_plan_visibility.update";
                note_plan(tx, caller, kind, &plan, data, now);
                Ok(Arc::new(plan))
            })
            .await
    }

    /// Takes a plan away from an organization.
    ///
    /// # Errors
    /// Where the caller may not, or it has it not.
    pub async fn hide_service_plan(
        &self,
        caller: &Caller,
        id: PlanId,
        org: Option<OrgId>,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut plan = writable_plan(tx, caller, id)?;
                let (_, _, broker) = origin(tx, id)?;
                if visibility_type(&plan, broker) != "organization" {
                    return Err(ActionError::Unprocessable(
                        "Cannot delete visibilities from non-org-restricted plans".to_owned(),
                    ));
                }
                let org = org.filter(|org| tx.orgs.contains_key(org));
                let org = org.ok_or(ActionError::NotFound("Organization"))?;
                if !plan.orgs.remove(&org) {
                    return Err(ActionError::NotFound("Service plan visibility"));
                }
                plan.updated_at = now;
                tx.put(plan.clone());
                let data = json!({ "organization_guid": org.to_string() });
                let kind = "service_plan_visibility.delete";
                note_plan(tx, caller, kind, &plan, data, now);
                Ok(())
            })
            .await
    }
}

/// Whether instances of a plan may be made in `space`.
pub(super) fn usable_in(state: &State, plan: &Plan, broker: &Broker, space: SpaceId) -> bool {
    let org = state.spaces.get(&space).map(|space| space.org);
    match broker.space {
        Some(only) => only == space,
        None => plan.public || org.is_some_and(|org| plan.orgs.contains(&org)),
    }
}

/// Whether the caller sees a plan.
pub(super) fn sees_plan(state: &State, caller: &Caller, plan: &Plan) -> bool {
    if caller.grants.admin {
        return true;
    }
    let Some((_, _, broker)) = state.origin_of_plan(plan.id) else {
        return false;
    };
    match broker.space {
        Some(space) => caller.may_in_space(state, Verb::ReadSpace, space),
        None => {
            let mut orgs = plan.orgs.iter();
            plan.public || orgs.any(|org| caller.may_in_org(Verb::ReadOrg, *org))
        }
    }
}

fn sees_offering(state: &State, caller: &Caller, offering: &Offering) -> bool {
    let mut plans = state.plans_of(offering.id);
    caller.grants.admin || plans.any(|plan| sees_plan(state, caller, plan))
}

fn find_offering(
    state: &State,
    caller: &Caller,
    id: OfferingId,
) -> Result<Arc<Offering>, ActionError> {
    let offering = state.offerings.get(&id);
    let offering = offering.filter(|offering| {
        let space = state
            .brokers
            .get(&offering.broker)
            .and_then(|broker| broker.space);
        sees_offering(state, caller, offering)
            || space.is_some_and(|space| caller.may_in_space(state, Verb::ReadSpace, space))
    });
    offering.cloned().ok_or(ActionError::NotFound(OFFERING))
}

fn find_plan(state: &State, caller: &Caller, id: PlanId) -> Result<Arc<Plan>, ActionError> {
    let plan = state.plans.get(&id);
    let plan = plan.filter(|plan| sees_plan(state, caller, plan));
    plan.cloned().ok_or(ActionError::NotFound(PLAN))
}

fn writable_plan(state: &State, caller: &Caller, id: PlanId) -> Result<Plan, ActionError> {
    let plan = find_plan(state, caller, id)?;
    let (_, _, broker) = origin(state, id)?;
    need_write(state, caller, broker)?;
    Ok(Plan::clone(&plan))
}

fn origin(state: &State, id: PlanId) -> Result<(&Plan, &Offering, &Broker), ActionError> {
    state.origin_of_plan(id).ok_or(ActionError::NotFound(PLAN))
}

fn broker_of<'a>(state: &'a State, offering: &Offering) -> Result<&'a Broker, ActionError> {
    let broker = state.brokers.get(&offering.broker).map(AsRef::as_ref);
    broker.ok_or(ActionError::NotFound(OFFERING))
}

fn named_orgs(state: &State, body: &Visibility) -> Result<BTreeSet<OrgId>, ActionError> {
    let bad = |text: &str| ActionError::BadRequest(format!("Bad request: {text}"));
    if !["public", "admin", "organization"].contains(&body.kind.as_str()) {
        return Err(bad("Type must be one of 'public', 'admin', 'organization'"));
    }
    match &body.organizations {
        None if body.kind == "organization" => Err(bad("Organizations can't be blank")),
        Some(named) if body.kind == "organization" && named.is_empty() => {
            Err(bad("Organizations can't be blank"))
        }
        Some(_) if body.kind != "organization" => Err(bad("Organizations must be blank")),
        None => Ok(BTreeSet::new()),
        Some(named) => named
            .iter()
            .map(|org| {
                let id: Option<OrgId> = org.id();
                id.filter(|id| state.orgs.contains_key(id)).ok_or_else(|| {
                    ActionError::Unprocessable(format!(
                        "Could not find Organization with guid: {}",
                        org.guid
                    ))
                })
            })
            .collect(),
    }
}

fn note_plan(tx: &mut Tx, caller: &Caller, kind: &str, plan: &Plan, data: Value, now: Timestamp) {
    let space = tx
        .origin_of_plan(plan.id)
        .and_then(|(.., broker)| broker.space);
    let of = kind.split('.').next().unwrap_or(kind);
    let target = target(of, plan.id, &plan.terms.name);
    let place = place(tx, space);
    let kind = format!("audit.{kind}");
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

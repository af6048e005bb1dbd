//! Which plans an instance may be of.

use super::refuse;
use crate::{
    actions::{
        ActionError, Caller,
        offerings::{sees_plan, usable_in},
    },
    model::{Plan, PlanId, SpaceId},
    store::State,
};

/// The plan that an instance in `space` shall be of.
pub(super) fn usable<'a>(
    state: &'a State,
    caller: &Caller,
    id: Option<PlanId>,
    space: SpaceId,
) -> Result<&'a Plan, ActionError> {
    let found = id.and_then(|id| state.origin_of_plan(id));
    let found = found.filter(|(plan, ..)| sees_plan(state, caller, plan));
    let Some((plan, _, broker)) = found else {
        return refuse(
            "Invalid service plan. Ensure that the service plan exists, is available, and you \
             have access to it.",
        );
    };
    if !plan.available {
        return refuse(format!(
            "Invalid service plan. The service plan '{}' with guid '{}' has been removed from the \
             service broker's catalog. It is not possible to create new service instances using \
             this plan.",
            plan.terms.name, plan.id
        ));
    }
    if !usable_in(state, plan, broker, space) {
        let name = state.spaces.get(&space).map(|space| space.name.to_string());
        return refuse(format!(
            "Invalid service plan. This could be due to a space-scoped broker which is offering \
             the service plan '{}' with guid '{}' in another space or that the plan is not \
             enabled in this organization. Ensure that the service plan is visible in your \
             current space '{}' with guid '{space}'.",
            plan.terms.name,
            plan.id,
            name.unwrap_or_default()
        ));
    }
    Ok(plan)
}

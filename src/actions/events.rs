//! Audit events.

use std::sync::Arc;

use super::{ActionError, Actions, Caller};
use crate::{
    authz::{Place, Verb, may},
    model::{Event, EventId},
};

impl Actions {
    /// The audit events that the caller may see; of all, or of these targets only.
    #[must_use]
    pub fn events(&self, caller: &Caller, targets: Option<&[String]>) -> Vec<Arc<Event>> {
        let state = self.store.state();
        let found: Vec<&Arc<Event>> = match targets {
            None => state.events.values().collect(),
            Some(targets) => targets
                .iter()
                .flat_map(|target| state.events_of(target))
                .filter_map(|event| state.events.get(&event.id))
                .collect(),
        };
        found
            .into_iter()
            .filter(|event| may_see(caller, event))
            .cloned()
            .collect()
    }

    /// The event, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn event(&self, caller: &Caller, id: EventId) -> Result<Arc<Event>, ActionError> {
        let state = self.store.state();
        let event = state.events.get(&id);
        event
            .filter(|event| may_see(caller, event))
            .cloned()
            .ok_or(ActionError::NotFound("Event"))
    }
}

/// An event outlives what it happened to, so the place is what it says itself.
fn may_see(caller: &Caller, event: &Event) -> bool {
    let in_space = event.space.zip(event.org).is_some_and(|(space, org)| {
        may(
            &caller.grants,
            Verb::ReadEvents,
            Place::Space { space, org },
        )
    });
    let in_org = event
        .org
        .is_some_and(|org| may(&caller.grants, Verb::ReadEvents, Place::Org(org)));
    caller.sees_all() || in_space || in_org
}

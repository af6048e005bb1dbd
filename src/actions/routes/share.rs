//! Routes that more than one space uses, and those that change hands.

use serde_json::json;

use super::{notes::note, verbs::allowed};
use crate::{
    actions::{ActionError, Actions, Caller, domains::usable_in, flags, targets::targets},
    authz::Verb,
    model::{Flag, Route, RouteId, SpaceId},
    store::State,
    wire::ToMany,
};

/// What whoever shares a route needs in the other space.
const NEEDED: &str = "Write permission is required in order to share a route with a space and the \
                      containing organization must not be suspended.";

impl Actions {
    /// The route, if the caller may see it and routes are shared here.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], [`ActionError::FeatureDisabled`].
    pub fn shared_route(&self, caller: &Caller, id: RouteId) -> Result<Route, ActionError> {
        let state = self.store.state();
        flags::need(&state, caller, Flag::RouteSharing)?;
        allowed(&state, caller, Verb::ReadRoutes, id)
    }

    /// Lets a route lead to apps of other spaces.
    ///
    /// # Errors
    /// Where the caller may not in one of the spaces, or there is none.
    pub async fn share_route(
        &self,
        caller: &Caller,
        id: RouteId,
        with: ToMany,
    ) -> Result<Route, ActionError> {
        flags::need(&self.store.state(), caller, Flag::RouteSharing)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut route = allowed(tx, caller, Verb::OperateApps, id)?;
                let uri = uri(tx, &route);
                if with.data.is_empty() {
                    return refuse("Data can't be blank".to_owned());
                }
                let what = format!("route {uri}");
                let spaces = targets(tx, caller, &with, &what, NEEDED)?;
                if spaces.contains(&route.space) {
                    return refuse(format!(
                        "Unable to share route '{uri}' with space '{}'. Routes cannot be shared \
                         into the space where they were created.",
                        route.space
                    ));
                }
                route.shared_with.extend(&spaces);
                route.updated_at = now;
                tx.put(route.clone());
                let guids: Vec<_> = spaces.iter().map(ToString::to_string).collect();
                let data = json!({ "target_space_guids": guids });
                note(tx, caller, "audit.route.share", &route, data, now);
                Ok(route)
            })
            .await
    }

    /// Ends the sharing of a route with a space. Where it leads to apps there, it goes on doing so
    /// until it is unmapped, as in Cloud Foundry.
    ///
    /// # Errors
    /// Where the caller may not in one of the spaces, or there is none.
    pub async fn unshare_route(
        &self,
        caller: &Caller,
        id: RouteId,
        space: &str,
    ) -> Result<(), ActionError> {
        flags::need(&self.store.state(), caller, Flag::RouteSharing)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut route = allowed(tx, caller, Verb::OperateApps, id)?;
                let uri = uri(tx, &route);
                let begin = format!("Unable to unshare route '{uri}' from space '{space}'.");
                let target =
                    target(tx, caller, space).or_else(|why| refuse(format!("{begin} {why}")))?;
                if target == route.space {
                    return refuse(format!(
                        "{begin} Routes cannot be removed from the space that owns them."
                    ));
                }
                route.shared_with.remove(&target);
                route.updated_at = now;
                tx.put(route.clone());
                let data = json!({ "target_space_guid": target.to_string() });
                note(tx, caller, "audit.route.unshare", &route, data, now);
                Ok(())
            })
            .await
    }

    /// Gives a route to another space; the one that had it goes on sharing it.
    ///
    /// # Errors
    /// Where the caller may not in either space, or the domain is not the other's to use.
    pub async fn transfer_route(
        &self,
        caller: &Caller,
        id: RouteId,
        space: &str,
    ) -> Result<Route, ActionError> {
        flags::need(&self.store.state(), caller, Flag::RouteSharing)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut route = allowed(tx, caller, Verb::WriteApps, id)?;
                let uri = uri(tx, &route);
                let begin =
                    format!("Unable to transfer owner of route '{uri}' to space '{space}'.");
                let target =
                    target(tx, caller, space).or_else(|why| refuse(format!("{begin} {why}")))?;
                if target == route.space {
                    return Ok(route);
                }
                let org = tx.spaces.get(&target).map(|space| space.org);
                let usable = tx.domains.get(&route.domain).zip(org);
                if !usable.is_some_and(|(domain, org)| usable_in(domain, org)) {
                    return refuse(format!(
                        "{begin} Target space does not have access to route's domain"
                    ));
                }
                // The event is the space's that gives it away.
                let data = json!({ "target_space_guid": target.to_string() });
                note(tx, caller, "audit.route.transfer-owner", &route, data, now);
                route.shared_with.insert(route.space);
                route.shared_with.remove(&target);
                route.space = target;
                route.updated_at = now;
                tx.put(route.clone());
                Ok(route)
            })
            .await
    }
}

fn refuse<T>(text: String) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text))
}

fn uri(state: &State, route: &Route) -> String {
    let domain = state.domains.get(&route.domain);
    domain
        .map(|domain| route.url(&domain.name))
        .unwrap_or_default()
}

/// The space, where the caller may manage apps in it.
fn target(state: &State, caller: &Caller, space: &str) -> Result<SpaceId, &'static str> {
    let unseen = "Ensure the space exists and that you have access to it.";
    let id: SpaceId = space.parse().map_err(|_| unseen)?;
    match caller.need_in_space(state, Verb::OperateApps, id, "Space") {
        Ok(()) => Ok(id),
        Err(ActionError::NotFound(_)) => Err(unseen),
        Err(ActionError::OrgSuspended) => Err("The target organization or space is suspended."),
        Err(_) => Err("You don't have write permission for the target space."),
    }
}

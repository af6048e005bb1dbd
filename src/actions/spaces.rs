//! Spaces.

use std::sync::Arc;

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    cascade,
    jobs::{finished_job, waiting_job},
};
use crate::{
    authz::{Place, Verb},
    model::{Doomed, Job, Metadata, OrgId, RouteId, Space, SpaceId, SpaceName},
    store::{State, service_events::end_use_in_space},
    wire::space::{Create, Update},
};

impl Actions {
    /// The spaces that the caller may see.
    #[must_use]
    pub fn spaces(&self, caller: &Caller) -> Vec<Arc<Space>> {
        let state = self.store.state();
        let spaces = state.spaces.values();
        spaces
            .filter(|space| caller.may_in_space(&state, Verb::ReadSpace, space.id))
            .cloned()
            .collect()
    }

    /// The space, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn space(&self, caller: &Caller, id: SpaceId) -> Result<Arc<Space>, ActionError> {
        let state = self.store.state();
        caller.need_in_space(&state, Verb::ReadSpace, id, "Space")?;
        let space = state.spaces.get(&id).cloned();
        space.ok_or(ActionError::NotFound("Space"))
    }

    /// Makes a space. Nobody gets a role in it by that: clients ask for those themselves.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn create_space(&self, caller: &Caller, body: Create) -> Result<Space, ActionError> {
        let org: OrgId = body.relationships.organization.id().ok_or_else(no_org)?;
        let now = self.now();
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let space = Space {
            id: SpaceId::random(),
            org,
            name: SpaceName::parse(body.name)?,
            allow_ssh: true,
            quota: None,
            isolation_segment: None,
            metadata,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                if !tx.orgs.contains_key(&org) || !caller.may_in_org(Verb::ReadOrg, org) {
                    return Err(no_org());
                }
                caller.need_in_org(Verb::WriteOrg, org)?;
                caller.need_active(tx, org)?;
                unique(tx, org, &space.name, None)?;
                tx.put(space.clone());
                let data = json!({ "request": { "name": space.name } });
                note(tx, caller, "audit.space.create", &space, data, now);
                Ok(space)
            })
            .await
    }

    /// Changes a space.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn update_space(
        &self,
        caller: &Caller,
        id: SpaceId,
        body: Update,
    ) -> Result<Space, ActionError> {
        let name = body.name.map(SpaceName::parse).transpose()?;
        let data = json!({ "request": { "name": name, "metadata": body.metadata } });
        self.change_space(caller, id, data, move |tx, space| {
            if let Some(name) = name {
                unique(tx, space.org, &name, Some(id))?;
                space.name = name;
            }
            body.metadata
                .apply(&mut space.metadata)
                .map_err(ActionError::Unprocessable)
        })
        .await
    }

    /// Allows or forbids `cf ssh` into apps of the space.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn allow_space_ssh(
        &self,
        caller: &Caller,
        id: SpaceId,
        allow: bool,
    ) -> Result<Space, ActionError> {
        let data = json!({ "request": { "allow_ssh": allow } });
        self.change_space(caller, id, data, move |_, space| {
            space.allow_ssh = allow;
            Ok(())
        })
        .await
    }

    async fn change_space(
        &self,
        caller: &Caller,
        id: SpaceId,
        data: serde_json::Value,
        change: impl FnOnce(&State, &mut Space) -> Result<(), ActionError>,
    ) -> Result<Space, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_space(tx, Verb::UpdateSpace, id, "Space")?;
                let mut space = find(tx, id)?;
                change(tx, &mut space)?;
                space.updated_at = now;
                tx.put(space.clone());
                note(tx, caller, "audit.space.update", &space, data, now);
                Ok(space)
            })
            .await
    }

    /// Deletes a space with all that is in it.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_space(&self, caller: &Caller, id: SpaceId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_space(tx, Verb::ReadSpace, id, "Space")?;
                let space = find(tx, id)?;
                caller.need_in_org(Verb::WriteOrg, space.org)?;
                caller.need_active(tx, space.org)?;
                let data = json!({ "request": { "recursive": true } });
                note(tx, caller, "audit.space.delete-request", &space, data, now);
                let doomed = Doomed::Space(id);
                if !tx.parts_of(doomed).is_empty() {
                    return Ok(waiting_job(tx, "space.delete", caller, doomed, now));
                }
                end_use_in_space(tx, id, now);
                cascade::delete_space(tx, id);
                Ok(finished_job(tx, "space.delete", now))
            })
            .await
    }

    /// Deletes the routes of a space that lead to no app.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_unmapped_routes(
        &self,
        caller: &Caller,
        id: SpaceId,
    ) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_space(tx, Verb::OperateApps, id, "Space")?;
                let unmapped: Vec<RouteId> = tx
                    .routes_of_space(id)
                    .filter(|route| route.destinations.is_empty())
                    .map(|route| route.id)
                    .collect();
                for route in unmapped {
                    super::routes::remove(tx, caller, route, now);
                }
                Ok(finished_job(tx, "space.delete_unmapped_routes", now))
            })
            .await
    }
}

fn no_org() -> ActionError {
    ActionError::Unprocessable(
        "Invalid organization. Ensure the organization exists and you have access to it."
            .to_owned(),
    )
}

fn find(state: &State, id: SpaceId) -> Result<Space, ActionError> {
    let space = state.spaces.get(&id).map(|space| Space::clone(space));
    space.ok_or(ActionError::NotFound("Space"))
}

fn unique(
    state: &State,
    org: OrgId,
    name: &SpaceName,
    but: Option<SpaceId>,
) -> Result<(), ActionError> {
    match state.space_by_name(org, name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(
            "Name must be unique per organization".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn note(
    tx: &mut crate::store::Tx,
    caller: &Caller,
    kind: &str,
    space: &Space,
    data: serde_json::Value,
    now: crate::model::Timestamp,
) {
    let place = Place::Space {
        space: space.id,
        org: space.org,
    };
    let target = target("space", space.id, &space.name);
    audit(tx, &caller.actor(), kind, target, place, data, now);
}

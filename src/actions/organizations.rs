//! Organizations.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    cascade,
    jobs::{finished_job, waiting_job},
    roles,
};
use crate::{
    authz::{Place, Verb},
    model::{Doomed, Flag, Job, Metadata, Org, OrgId, OrgName, Timestamp},
    store::{State, Tx, service_events::end_use_in_space},
    wire::organization::{Create, Update},
};

impl Actions {
    /// The organizations that the caller may see.
    #[must_use]
    pub fn organizations(&self, caller: &Caller) -> Vec<Arc<Org>> {
        let state = self.store.state();
        let orgs = state.orgs.values();
        orgs.filter(|org| caller.may_in_org(Verb::ReadOrg, org.id))
            .cloned()
            .collect()
    }

    /// The organization, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn organization(&self, caller: &Caller, id: OrgId) -> Result<Arc<Org>, ActionError> {
        caller.need_in_org(Verb::ReadOrg, id)?;
        self.store
            .state()
            .orgs
            .get(&id)
            .cloned()
            .ok_or(ActionError::NotFound("Organization"))
    }

    /// Makes an organization. Only admins may, unless the flag `user_org_creation` is on.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn create_organization(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Org, ActionError> {
        let now = self.now();
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let org = Org {
            id: OrgId::random(),
            name: OrgName::parse(body.name)?,
            suspended: body.suspended.unwrap_or_default(),
            quota: None,
            isolation_segment: None,
            metadata,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                // A flag, but who may not is told so as if there were none.
                if !tx.is_on(Flag::UserOrgCreation) || caller.grants.read_only {
                    caller.need_admin()?;
                }
                if tx.org_by_name(&org.name).is_some() {
                    let name = &org.name;
                    return Err(ActionError::Unprocessable(format!(
                        "Organization '{name}' already exists."
                    )));
                }
                tx.put(org.clone());
                if !caller.grants.admin {
                    // Whoever makes it manages it; nobody else could.
                    roles::put_founder(tx, caller, org.id, now);
                }
                let data = json!({ "request": { "name": org.name } });
                note(tx, caller, "audit.organization.create", &org, data, now);
                Ok(org)
            })
            .await
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn update_organization(
        &self,
        caller: &Caller,
        id: OrgId,
        body: Update,
    ) -> Result<Org, ActionError> {
        caller.need_in_org(Verb::WriteOrg, id)?;
        if body.suspended.is_some() {
            caller.need_admin()?;
        }
        let name = body.name.map(OrgName::parse).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut org = find(tx, id)?;
                caller.need_active(tx, id)?;
                let data = json!({ "request": {
                    "name": name, "suspended": body.suspended, "metadata": body.metadata,
                } });
                if let Some(name) = name {
                    if tx.org_by_name(&name).is_some_and(|other| other.id != id) {
                        return Err(ActionError::Unprocessable(format!(
                            "Organization name '{name}' is already taken."
                        )));
                    }
                    org.name = name;
                }
                if let Some(suspended) = body.suspended {
                    org.suspended = suspended;
                }
                body.metadata
                    .apply(&mut org.metadata)
                    .map_err(ActionError::Unprocessable)?;
                org.updated_at = now;
                tx.put(org.clone());
                note(tx, caller, "audit.organization.update", &org, data, now);
                Ok(org)
            })
            .await
    }

    /// Deletes an organization with all that is in it. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_organization(
        &self,
        caller: &Caller,
        id: OrgId,
    ) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_org(Verb::ReadOrg, id)?;
                let org = find(tx, id)?;
                caller.need_admin()?;
                let data = json!({ "request": { "recursive": true } });
                note(
                    tx,
                    caller,
                    "audit.organization.delete-request",
                    &org,
                    data,
                    now,
                );
                let doomed = Doomed::Org(id);
                if !tx.parts_of(doomed).is_empty() {
                    return Ok(waiting_job(tx, "organization.delete", caller, doomed, now));
                }
                let spaces: Vec<_> = tx.spaces_of(id).map(|space| space.id).collect();
                for space in spaces {
                    end_use_in_space(tx, space, now);
                }
                cascade::delete_org(tx, id);
                Ok(finished_job(tx, "organization.delete", now))
            })
            .await
    }
}

fn find(state: &State, id: OrgId) -> Result<Org, ActionError> {
    state
        .orgs
        .get(&id)
        .map(|org| Org::clone(org))
        .ok_or(ActionError::NotFound("Organization"))
}

fn note(tx: &mut Tx, caller: &Caller, kind: &str, org: &Org, data: Value, now: Timestamp) {
    let target = target("organization", org.id, &org.name);
    audit(
        tx,
        &caller.actor(),
        kind,
        target,
        Place::Org(org.id),
        data,
        now,
    );
}

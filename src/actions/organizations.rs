//! Organizations.

use std::sync::Arc;

use super::{ActionError, Actions, Caller};
use crate::{
    authz::Verb,
    model::{Metadata, Org, OrgId, OrgName},
    store::State,
    wire::organization::{Create, Update},
};

impl Actions {
    /// The organizations that the caller may see, by age.
    #[must_use]
    pub fn organizations(&self, caller: &Caller) -> Vec<Arc<Org>> {
        let state = self.store.state();
        let mut orgs: Vec<_> = state
            .orgs
            .values()
            .filter(|org| caller.may_in_org(Verb::ReadOrg, org.id))
            .cloned()
            .collect();
        orgs.sort_by_key(|org| (org.created_at, org.id));
        orgs
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

    /// Makes an organization.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn create_organization(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Org, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let org = Org {
            id: OrgId::random(),
            name: OrgName::parse(body.name)?,
            suspended: body.suspended,
            metadata,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                unique(tx, &org.name, None)?;
                tx.put(org.clone());
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
                if let Some(name) = name {
                    unique(tx, &name, Some(id))?;
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
                Ok(org)
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

fn unique(state: &State, name: &OrgName, but: Option<OrgId>) -> Result<(), ActionError> {
    match state.org_by_name(name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(format!(
            "Organization '{name}' already exists."
        ))),
        _ => Ok(()),
    }
}

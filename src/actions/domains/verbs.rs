//! What can be asked for with domains.

use std::sync::Arc;

use super::rules::{check_free, default_domain, may_see, owned, returnable, sharable, usable_in};
use crate::{
    actions::{
        ActionError, Actions, Caller, cascade, flags,
        jobs::{finished_job, waiting_job},
        quotas::Before,
        roles::readable_org,
    },
    authz::Verb,
    model::{
        Domain, DomainId, DomainName, Doomed, Flag, Job, Metadata, OrgId, RouteHost, RoutePath,
    },
    store::State,
    wire::{
        ToMany,
        domain::{Create, Update},
        router_group,
    },
};

impl Actions {
    /// The domains that the caller may see: shared ones, and private ones of organizations
    /// that they may see.
    #[must_use]
    pub fn domains(&self, caller: &Caller) -> Vec<Arc<Domain>> {
        let state = self.store.state();
        let domains = state.domains.values();
        domains
            .filter(|domain| may_see(caller, domain))
            .cloned()
            .collect()
    }

    /// The domains that apps of `org` may use.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn domains_of(&self, caller: &Caller, org: OrgId) -> Result<Vec<Arc<Domain>>, ActionError> {
        self.organization(caller, org)?;
        let mut domains = self.domains(caller);
        domains.retain(|domain| usable_in(domain, org));
        Ok(domains)
    }

    /// The domain that routes of `org` get where nothing is said: the platform's own.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn default_domain(&self, caller: &Caller, org: OrgId) -> Result<Domain, ActionError> {
        self.organization(caller, org)?;
        let state = self.store.state();
        default_domain(&state, &self.config.domain, org)
            .cloned()
            .ok_or(ActionError::NotFound("Domain"))
    }

    /// The domain, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn domain(&self, caller: &Caller, id: DomainId) -> Result<Arc<Domain>, ActionError> {
        let state = self.store.state();
        let domain = state.domains.get(&id);
        domain
            .filter(|domain| may_see(caller, domain))
            .cloned()
            .ok_or(ActionError::NotFound("Domain"))
    }

    /// Whether a route with this host and path, or with this port, is there.
    ///
    /// # Errors
    /// Where there is no such domain or the host or path is none.
    pub fn is_route_reserved(
        &self,
        caller: &Caller,
        id: DomainId,
        host: &str,
        path: &str,
        port: Option<u16>,
    ) -> Result<bool, ActionError> {
        self.domain(caller, id)?;
        let state = self.store.state();
        if let Some(port) = port {
            let found = state.route_by_port(port);
            return Ok(found.is_some_and(|route| route.domain == id));
        }
        let host = RouteHost::parse(host.to_lowercase())?;
        let path = RoutePath::parse(path)?;
        Ok(state.route_by_url(id, &host, &path).is_some())
    }

    /// Passes where a domain of the router group `guid` may be made.
    fn check_group(
        &self,
        caller: &Caller,
        guid: &str,
        owned: bool,
        internal: bool,
    ) -> Result<(), ActionError> {
        let refuse = |text: String| Err(ActionError::Unprocessable(text));
        if owned {
            return refuse(
                "Domains scoped to an organization cannot be associated to a router group."
                    .to_owned(),
            );
        }
        if internal {
            return refuse("Internal domains cannot be associated to a router group.".to_owned());
        }
        caller.need_admin()?;
        if guid != router_group::GUID || self.config.tcp_ports.is_none() {
            return refuse(format!("Router group with guid '{guid}' not found."));
        }
        Ok(())
    }

    /// Makes a domain.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn create_domain(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Domain, ActionError> {
        let tcp = body.router_group.is_some();
        let owned = body.relationships.organization.is_some();
        if let Some(group) = body.router_group {
            self.check_group(caller, &group.guid, owned, body.internal)?;
        }
        let name = DomainName::parse(body.name.to_lowercase())?;
        let owner = body.relationships.organization;
        let shared = body.relationships.shared_organizations;
        let internal = body.internal;
        let platform = self.config.domain.clone();
        let now = self.now();
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        self.store
            .commit(move |tx| {
                let org = match owner {
                    None => {
                        caller.need_admin()?;
                        None
                    }
                    Some(owner) => {
                        let org = readable_org(tx, caller, owner.id())?;
                        caller.need_in_org(Verb::WriteOrg, org)?;
                        caller.need_active(tx, org)?;
                        flags::need(tx, caller, Flag::PrivateDomainCreation)?;
                        Some(org)
                    }
                };
                if internal && org.is_some() {
                    return Err(ActionError::Unprocessable(
                        "Cannot associate an internal domain with an organization".to_owned(),
                    ));
                }
                let shared_with = match (org, shared) {
                    (None, Some(_)) => {
                        return Err(ActionError::Unprocessable(
                            "Relationships cannot contain shared_organizations without an \
                             owning organization."
                                .to_owned(),
                        ));
                    }
                    (Some(org), Some(shared)) => sharable(tx, caller, org, &shared)?,
                    (_, None) => Vec::new(),
                };
                check_free(tx, &name, org, &platform)?;
                let domain = Domain {
                    id: DomainId::random(),
                    name,
                    org,
                    shared_with,
                    internal,
                    tcp,
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                let before = org.map(|org| Before::of_org(tx, org));
                tx.put(domain.clone());
                if let Some(before) = before {
                    before.check(tx)?;
                }
                Ok(domain)
            })
            .await
    }

    /// Changes a domain's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_domain(
        &self,
        caller: &Caller,
        id: DomainId,
        body: Update,
    ) -> Result<Domain, ActionError> {
        let may = move |state: &State| owned(state, caller, id);
        self.change_domain(may, move |_, domain| {
            body.metadata
                .apply(&mut domain.metadata)
                .map_err(ActionError::Unprocessable)
        })
        .await
    }

    /// Lets more organizations use a private domain.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such organization.
    pub async fn share_domain(
        &self,
        caller: &Caller,
        id: DomainId,
        with: ToMany,
    ) -> Result<Domain, ActionError> {
        let may = move |state: &State| owned(state, caller, id);
        self.change_domain(may, move |state, domain| {
            let Some(owner) = domain.org else {
                return Err(ActionError::Unprocessable(
                    "Domains can not be shared with other organizations unless they are scoped \
                     to an organization."
                        .to_owned(),
                ));
            };
            for org in sharable(state, caller, owner, &with)? {
                if !domain.shared_with.contains(&org) {
                    domain.shared_with.push(org);
                }
            }
            Ok(())
        })
        .await
    }

    /// Ends an organization's use of a private domain of another.
    ///
    /// # Errors
    /// Where the caller may not, or routes there still use it.
    pub async fn unshare_domain(
        &self,
        caller: &Caller,
        id: DomainId,
        org: OrgId,
    ) -> Result<(), ActionError> {
        let may = move |state: &State| returnable(state, caller, id, org);
        self.change_domain(may, move |state, domain| {
            if !domain.shared_with.contains(&org) {
                return Err(ActionError::Unprocessable(
                    "Unable to unshare domain from organization. Ensure the domain is shared \
                     to this organization."
                        .to_owned(),
                ));
            }
            let in_use = state
                .spaces_of(org)
                .flat_map(|space| state.routes_of_space(space.id))
                .any(|route| route.domain == id);
            if in_use {
                return Err(ActionError::Unprocessable(
                    "This domain has associated routes in this organization. Delete the routes \
                     before unsharing."
                        .to_owned(),
                ));
            }
            domain.shared_with.retain(|other| *other != org);
            Ok(())
        })
        .await
        .map(drop)
    }

    async fn change_domain(
        &self,
        may: impl FnOnce(&State) -> Result<Domain, ActionError>,
        change: impl FnOnce(&State, &mut Domain) -> Result<(), ActionError>,
    ) -> Result<Domain, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut domain = may(tx)?;
                change(tx, &mut domain)?;
                domain.updated_at = now;
                tx.put(domain.clone());
                Ok(domain)
            })
            .await
    }

    /// Deletes a domain with its routes.
    ///
    /// # Errors
    /// Where the caller may not, or it is the platform's own.
    pub async fn delete_domain(&self, caller: &Caller, id: DomainId) -> Result<Job, ActionError> {
        let now = self.now();
        let platform = self.config.domain.clone();
        self.store
            .commit(move |tx| {
                let domain = owned(tx, caller, id)?;
                if domain.name == platform {
                    return Err(ActionError::Unprocessable(format!(
                        "'{platform}' is the platform's own domain: name another one in the \
                         platform's configuration first"
                    )));
                }
                if !domain.shared_with.is_empty() {
                    return Err(ActionError::Unprocessable(
                        "This domain is shared with other organizations. Unshare before \
                         deleting."
                            .to_owned(),
                    ));
                }
                // Brokers are told first where they stand before routes of it.
                let doomed = Doomed::Domain(id);
                if !tx.parts_of(doomed).is_empty() {
                    return Ok(waiting_job(tx, "domain.delete", caller, doomed, now));
                }
                cascade::delete_domain(tx, id);
                Ok(finished_job(tx, "domain.delete", now))
            })
            .await
    }
}

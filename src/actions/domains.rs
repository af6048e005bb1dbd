//! Domains.

use std::sync::Arc;

use super::{ActionError, Actions, Caller, cascade, jobs::finished_job, roles::readable_org};
use crate::{
    authz::Verb,
    model::{
        Domain, DomainId, DomainName, Job, Metadata, OrgId, RouteHost, RoutePath, SpaceId,
        Timestamp,
    },
    store::State,
    wire::{
        ToMany,
        domain::{Create, Update},
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

    /// Whether a route with this host and path is there.
    ///
    /// # Errors
    /// Where there is no such domain or the host or path is none.
    pub fn is_route_reserved(
        &self,
        caller: &Caller,
        id: DomainId,
        host: &str,
        path: &str,
    ) -> Result<bool, ActionError> {
        self.domain(caller, id)?;
        let host = RouteHost::parse(host.to_lowercase())?;
        let path = RoutePath::parse(path)?;
        Ok(self.store.state().route_by_url(id, &host, &path).is_some())
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
        if body.router_group.is_some_and(|group| !group.is_null()) {
            return Err(ActionError::Unprocessable(
                "TCP domains are not supported: leave out 'router_group'".to_owned(),
            ));
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
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(domain.clone());
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
        self.change_domain(caller, id, move |_, domain| {
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
        self.change_domain(caller, id, move |state, domain| {
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
        self.change_domain(caller, id, move |state, domain| {
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
        caller: &Caller,
        id: DomainId,
        change: impl FnOnce(&State, &mut Domain) -> Result<(), ActionError>,
    ) -> Result<Domain, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut domain = owned(tx, caller, id)?;
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
                cascade::delete_domain(tx, id);
                Ok(finished_job(tx, "domain.delete", now))
            })
            .await
    }
}

/// Whether routes in spaces of `org` may be made under `domain`.
#[must_use]
pub fn usable_in(domain: &Domain, org: OrgId) -> bool {
    domain.org.is_none_or(|owner| owner == org) || domain.shared_with.contains(&org)
}

/// The domain that routes of `org` get where nothing is said: the platform's own, or where
/// that was taken away the oldest one that the organization may use.
#[must_use]
pub fn default_domain<'a>(
    state: &'a State,
    platform: &DomainName,
    org: OrgId,
) -> Option<&'a Domain> {
    state.domain_by_name(platform).or_else(|| {
        let usable = state.domains.values();
        usable
            .filter(|domain| !domain.internal && usable_in(domain, org))
            .min_by_key(|domain| (domain.org.is_some(), domain.created_at))
            .map(AsRef::as_ref)
    })
}

/// Domains that the platform's configuration brings: the shared one.
pub(super) fn shared(name: DomainName, now: Timestamp) -> Domain {
    Domain {
        id: DomainId::random(),
        name,
        org: None,
        shared_with: Vec::new(),
        internal: false,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    }
}

fn may_see(caller: &Caller, domain: &Domain) -> bool {
    domain.org.is_none_or(|owner| {
        caller.may_in_org(Verb::ReadOrg, owner)
            || domain
                .shared_with
                .iter()
                .any(|org| caller.may_in_org(Verb::ReadOrg, *org))
    })
}

/// The domain, where the caller may change it.
fn owned(state: &State, caller: &Caller, id: DomainId) -> Result<Domain, ActionError> {
    let domain = state
        .domains
        .get(&id)
        .filter(|domain| may_see(caller, domain))
        .ok_or(ActionError::NotFound("Domain"))?;
    match domain.org {
        None => caller.need_admin()?,
        Some(org) if caller.may_in_org(Verb::WriteOrg, org) => caller.need_active(state, org)?,
        Some(_) => return Err(ActionError::Forbidden),
    }
    Ok(Domain::clone(domain))
}

/// The organizations that a domain of `owner` can be shared with.
fn sharable(
    state: &State,
    caller: &Caller,
    owner: OrgId,
    with: &ToMany,
) -> Result<Vec<OrgId>, ActionError> {
    let mut orgs = Vec::new();
    for item in &with.data {
        let id: Option<OrgId> = item.id();
        let org = id
            .filter(|org| state.orgs.contains_key(org) && caller.may_in_org(Verb::ReadOrg, *org))
            .ok_or_else(|| {
                ActionError::Unprocessable(format!(
                    "Organization with guid '{}' does not exist, or you do not have access to \
                     it.",
                    item.guid
                ))
            })?;
        if org == owner {
            return Err(ActionError::Unprocessable(
                "Domain cannot be shared with owning organization.".to_owned(),
            ));
        }
        orgs.push(org);
    }
    Ok(orgs)
}

/// Passes where nobody else's domain or route is in the way of `name`.
fn check_free(
    state: &State,
    name: &DomainName,
    org: Option<OrgId>,
    platform: &DomainName,
) -> Result<(), ActionError> {
    if state.domain_by_name(name).is_some() {
        return Err(ActionError::Unprocessable(format!(
            "The domain name \"{name}\" is already in use"
        )));
    }
    let below = |upper: &str| {
        name.strip_suffix(upper)
            .and_then(|host| host.strip_suffix('.'))
    };
    if let Some(host) = below(platform)
        && super::routes::is_reserved(host)
    {
        return Err(ActionError::Unprocessable(format!(
            "The domain name \"{name}\" cannot be created because the platform itself uses it"
        )));
    }
    for domain in state.domains.values() {
        // Under a private domain only its owner makes further ones; and above one nobody
        // may reach around it.
        let foreign = domain.org.is_some() && domain.org != org;
        let above = domain
            .name
            .strip_suffix(name.as_str())
            .is_some_and(|rest| rest.ends_with('.'));
        if foreign && (below(&domain.name).is_some() || above) {
            return Err(ActionError::Unprocessable(format!(
                "The domain name \"{name}\" cannot be created because \"{}\" is already \
                 reserved by another domain",
                domain.name
            )));
        }
        let taken = below(&domain.name)
            .and_then(|host| RouteHost::parse(host).ok())
            .and_then(|host| state.routes_of_host(domain.id, &host).next());
        if taken.is_some_and(|route| org_of(state, route.space) != org) {
            return Err(ActionError::Unprocessable(format!(
                "The domain name \"{name}\" cannot be created because \"{name}\" is already \
                 reserved by a route"
            )));
        }
    }
    Ok(())
}

fn org_of(state: &State, space: SpaceId) -> Option<OrgId> {
    state.spaces.get(&space).map(|space| space.org)
}

//! Who may use which domain, and which names are free.

use crate::{
    actions::{ActionError, Caller, routes},
    authz::Verb,
    model::{Domain, DomainId, DomainName, Metadata, OrgId, RouteHost, SpaceId, Timestamp},
    store::{State, Tx},
    wire::ToMany,
};

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
            .filter(|domain| !domain.internal && !domain.tcp && usable_in(domain, org))
            .min_by_key(|domain| (domain.org.is_some(), domain.created_at))
            .map(AsRef::as_ref)
    })
}

/// Domains that the platform's configuration brings: the shared one.
pub(in crate::actions) fn shared(name: DomainName, now: Timestamp) -> Domain {
    Domain {
        id: DomainId::random(),
        name,
        org: None,
        shared_with: Vec::new(),
        internal: false,
        tcp: false,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    }
}

/// The name of the domain of traffic between apps, which every Cloud Foundry has.
const INTERNAL: &str = "apps.internal";

/// Puts the domain of traffic between apps, unless something has its name.
pub(in crate::actions) fn put_internal(tx: &mut Tx, now: Timestamp) {
    let name = DomainName::parse(INTERNAL);
    if let Ok(name) = name.map_err(drop)
        && tx.domain_by_name(&name).is_none()
    {
        tx.put(Domain {
            internal: true,
            ..shared(name, now)
        });
    }
}

/// Whether the caller may see the domain.
pub(super) fn may_see(caller: &Caller, domain: &Domain) -> bool {
    domain.org.is_none_or(|owner| {
        caller.may_in_org(Verb::ReadDomains, owner)
            || domain
                .shared_with
                .iter()
                .any(|org| caller.may_in_org(Verb::ReadDomains, *org))
    })
}

/// The domain, where the caller may change it.
pub(super) fn owned(state: &State, caller: &Caller, id: DomainId) -> Result<Domain, ActionError> {
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

/// The domain, where the caller may take it from `org`: those may who own it, and those who
/// got it.
pub(super) fn returnable(
    state: &State,
    caller: &Caller,
    id: DomainId,
    org: OrgId,
) -> Result<Domain, ActionError> {
    let found = state.domains.get(&id);
    let domain = found
        .filter(|domain| may_see(caller, domain))
        .ok_or(ActionError::NotFound("Domain"))?;
    let sides = [domain.org, Some(org)].into_iter().flatten();
    let mut refusal = ActionError::Forbidden;
    for side in sides.filter(|side| caller.may_in_org(Verb::WriteOrg, *side)) {
        match caller.need_active(state, side) {
            Ok(()) => return Ok(Domain::clone(domain)),
            Err(suspended) => refusal = suspended,
        }
    }
    Err(refusal)
}

/// The organizations that a domain of `owner` can be shared with.
pub(super) fn sharable(
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
        if !caller.may_in_org(Verb::WriteOrg, org) {
            let name = state.orgs.get(&org).map(|org| org.name.to_string());
            return Err(ActionError::Unprocessable(format!(
                "You do not have sufficient permissions for organization '{}' to share domain.",
                name.unwrap_or_default()
            )));
        }
        caller.need_active(state, org)?;
        orgs.push(org);
    }
    Ok(orgs)
}

/// Passes where nobody else's domain or route is in the way of `name`.
pub(super) fn check_free(
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
        && routes::is_reserved(host)
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

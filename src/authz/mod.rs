//! Who may do what where: roles and rules, decided in one place.

use std::collections::BTreeMap;

use crate::model::{OrgId, RoleKind, RoleScope, SpaceId};

/// What a caller holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// May do everything.
    pub admin: bool,
    /// Roles by where they hold.
    pub roles: BTreeMap<RoleScope, Vec<RoleKind>>,
    /// Organizations of the spaces in which there is a role: seeing a space shows its
    /// organization.
    pub orgs_of_spaces: Vec<OrgId>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// See an organization.
    ReadOrg,
    /// See an organization's private domains.
    ReadDomains,
    /// Change an organization, its people and private domains.
    WriteOrg,
    /// See a space and what is in it, but no secrets.
    ReadSpace,
    /// See a space's routes.
    ReadRoutes,
    /// Rename a space, manage its people and settings.
    UpdateSpace,
    /// Create, change and delete apps, routes, packages, services; open apps to each other.
    WriteApps,
    /// Start, stop, scale and restart existing apps, map routes, bind services.
    OperateApps,
    /// See environment variables and manifests.
    ReadSecrets,
    /// See credentials of services.
    ReadCredentials,
    /// See audit events and logs.
    ReadEvents,
    /// What only admins may do: organizations, shared domains, users.
    Administer,
}

/// Where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the platform as a whole.
    Platform,
    /// In an organization.
    Org(OrgId),
    /// In a space.
    Space {
        /// The space.
        space: SpaceId,
        /// Its organization.
        org: OrgId,
    },
}

/// Whether the holder of `grants` may do `verb` at `place`
/// (Cloud Foundry API v3, "Permissions" of each endpoint).
#[must_use]
pub fn may(grants: &Grants, verb: Verb, place: Place) -> bool {
    use RoleKind as R;
    if grants.admin {
        return true;
    }
    let has = |scope: RoleScope, kinds: &[RoleKind]| {
        grants
            .roles
            .get(&scope)
            .is_some_and(|held| held.iter().any(|kind| kinds.contains(kind)))
    };
    match (verb, place) {
        (Verb::ReadOrg, Place::Org(org)) => {
            grants.roles.contains_key(&RoleScope::Org(org)) || grants.orgs_of_spaces.contains(&org)
        }
        (Verb::ReadOrg, Place::Space { org, .. }) => may(grants, verb, Place::Org(org)),
        (Verb::ReadDomains, Place::Org(org) | Place::Space { org, .. }) => {
            has(
                RoleScope::Org(org),
                &[R::OrganizationManager, R::OrganizationAuditor],
            ) || grants.orgs_of_spaces.contains(&org)
        }
        (Verb::WriteOrg, Place::Org(org) | Place::Space { org, .. }) => {
            has(RoleScope::Org(org), &[R::OrganizationManager])
        }
        (Verb::ReadSpace, Place::Space { space, org }) => {
            grants.roles.contains_key(&RoleScope::Space(space))
                || has(RoleScope::Org(org), &[R::OrganizationManager])
        }
        (Verb::ReadRoutes, Place::Space { org, .. }) => {
            may(grants, Verb::ReadSpace, place)
                || has(RoleScope::Org(org), &[R::OrganizationAuditor])
        }
        (Verb::UpdateSpace, Place::Space { space, org }) => {
            has(RoleScope::Space(space), &[R::SpaceManager])
                || has(RoleScope::Org(org), &[R::OrganizationManager])
        }
        (Verb::WriteApps | Verb::ReadCredentials, Place::Space { space, .. }) => {
            has(RoleScope::Space(space), &[R::SpaceDeveloper])
        }
        (Verb::OperateApps | Verb::ReadSecrets, Place::Space { space, .. }) => has(
            RoleScope::Space(space),
            &[R::SpaceDeveloper, R::SpaceSupporter],
        ),
        (Verb::ReadEvents, Place::Space { space, .. }) => has(
            RoleScope::Space(space),
            &[
                R::SpaceDeveloper,
                R::SpaceAuditor,
                R::SpaceSupporter,
                R::SpaceManager,
            ],
        ),
        (Verb::ReadEvents, Place::Org(org)) => has(
            RoleScope::Org(org),
            &[R::OrganizationAuditor, R::OrganizationManager],
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

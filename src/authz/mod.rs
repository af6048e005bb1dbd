//! Who may do what where: one table, and one function that reads it.

mod rules;

use std::collections::BTreeMap;

use crate::model::{NETWORK_ADMIN, OrgId, ROUTER_GROUPS, RoleKind, RoleScope, SpaceId, WATCHERS};

/// What a caller holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// May do everything.
    pub admin: bool,
    /// May see what is everybody's, and change nothing by it.
    pub reader: Option<Reader>,
    /// What scopes give everywhere, whatever the roles.
    pub scopes: Vec<Scope>,
    /// Changes nothing, whatever else they hold.
    pub read_only: bool,
    /// Roles by where they hold.
    pub roles: BTreeMap<RoleScope, Vec<RoleKind>>,
    /// Organizations of the spaces in which there is a role: seeing a space shows its
    /// organization.
    pub orgs_of_spaces: Vec<OrgId>,
}

/// What a scope of UAA's part gives everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading the logs and metrics of everything.
    Logs,
    /// Opening any app to any other.
    Policies,
    /// Seeing which ports TCP routes may have.
    RouterGroups,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Policies, Self::RouterGroups];

    /// The groups whose members have it, which are the scopes of clients that do.
    #[must_use]
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Logs => &WATCHERS,
            Self::Policies => &[NETWORK_ADMIN],
            Self::RouterGroups => &[ROUTER_GROUPS],
        }
    }
}

/// Who sees the whole platform without being able to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// `cloud_controller.global_auditor`: everything but secrets.
    Auditor,
    /// `cloud_controller.admin_read_only`: everything.
    Admin,
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
    /// Create, change and delete apps, routes, packages, services.
    WriteApps,
    /// Open apps to each other.
    ConnectApps,
    /// Start, stop, scale and restart existing apps, map routes, bind services.
    OperateApps,
    /// See environment variables and manifests.
    ReadSecrets,
    /// See credentials of services.
    ReadCredentials,
    /// See audit events.
    ReadEvents,
    /// Read logs and metrics of apps.
    ReadLogs,
    /// Read logs and metrics of everything at once.
    ReadAllLogs,
    /// See the ports that TCP routes may have.
    ReadRouterGroups,
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

/// Whether the holder of `grants` may do `verb` at `place`.
#[must_use]
pub fn may(grants: &Grants, verb: Verb, place: Place) -> bool {
    if grants.admin {
        return true;
    }
    let rule = rules::of(verb);
    if rule
        .scope
        .is_some_and(|scope| grants.scopes.contains(&scope))
    {
        return true;
    }
    if grants.read_only && rule.writes {
        return false;
    }
    if grants
        .reader
        .is_some_and(|reader| rule.readers.contains(&reader))
    {
        return true;
    }
    let has = |scope: RoleScope, kinds: &[RoleKind]| {
        let held = grants.roles.get(&scope);
        held.is_some_and(|held| held.iter().any(|kind| kinds.contains(kind)))
    };
    let nearby = |org| rule.any_space && grants.orgs_of_spaces.contains(&org);
    match place {
        Place::Platform => false,
        Place::Org(org) => has(RoleScope::Org(org), rule.of_org) || nearby(org),
        Place::Space { space, org } => {
            has(RoleScope::Space(space), rule.in_space)
                || has(RoleScope::Org(org), rule.of_org_in_space)
                || nearby(org)
        }
    }
}

#[cfg(test)]
mod tests;

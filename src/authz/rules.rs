//! The table: which role allows what (Cloud Foundry API v3, "Permitted roles" of each endpoint).

use super::{Reader, Scope, Verb};
use crate::model::RoleKind::{
    self, OrganizationAuditor, OrganizationBillingManager, OrganizationManager, OrganizationUser,
    SpaceAuditor, SpaceDeveloper, SpaceManager, SpaceSupporter,
};

/// Who may do something besides admins, who may do everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    verb: Verb,
    /// Whether it changes something.
    pub(super) writes: bool,
    /// Roles in the organization, where it is asked of an organization.
    pub(super) of_org: &'static [RoleKind],
    /// Roles in the organization, where it is asked of one of its spaces.
    pub(super) of_org_in_space: &'static [RoleKind],
    /// Roles in the space that it is asked of.
    pub(super) in_space: &'static [RoleKind],
    /// Whether any role in any space of the organization is enough.
    pub(super) any_space: bool,
    /// The scope that gives it everywhere.
    pub(super) scope: Option<Scope>,
    /// Who may it everywhere.
    pub(super) readers: &'static [Reader],
}

const ALL_OF_ORG: &[RoleKind] = &[
    OrganizationUser,
    OrganizationAuditor,
    OrganizationManager,
    OrganizationBillingManager,
];
const ALL_OF_SPACE: &[RoleKind] = &[SpaceDeveloper, SpaceAuditor, SpaceManager, SpaceSupporter];
const MANAGER: &[RoleKind] = &[OrganizationManager];
const MANAGER_AND_AUDITOR: &[RoleKind] = &[OrganizationManager, OrganizationAuditor];
const DEVELOPER: &[RoleKind] = &[SpaceDeveloper];
const OPERATORS: &[RoleKind] = &[SpaceDeveloper, SpaceSupporter];
const BOTH: &[Reader] = &[Reader::Auditor, Reader::Admin];
const NOBODY: &[RoleKind] = &[];

const NONE: Rule = Rule {
    verb: Verb::Administer,
    writes: true,
    of_org: NOBODY,
    of_org_in_space: NOBODY,
    in_space: NOBODY,
    any_space: false,
    scope: None,
    readers: &[],
};

const RULES: [Rule; 16] = [
    Rule {
        verb: Verb::ReadOrg,
        writes: false,
        of_org: ALL_OF_ORG,
        of_org_in_space: ALL_OF_ORG,
        any_space: true,
        readers: BOTH,
        ..NONE
    },
    Rule {
        verb: Verb::ReadDomains,
        writes: false,
        of_org: MANAGER_AND_AUDITOR,
        of_org_in_space: MANAGER_AND_AUDITOR,
        any_space: true,
        readers: BOTH,
        ..NONE
    },
    Rule {
        verb: Verb::WriteOrg,
        of_org: MANAGER,
        of_org_in_space: MANAGER,
        ..NONE
    },
    Rule {
        verb: Verb::ReadSpace,
        writes: false,
        of_org_in_space: MANAGER,
        in_space: ALL_OF_SPACE,
        readers: BOTH,
        ..NONE
    },
    Rule {
        verb: Verb::ReadRoutes,
        writes: false,
        of_org_in_space: MANAGER_AND_AUDITOR,
        in_space: ALL_OF_SPACE,
        readers: BOTH,
        ..NONE
    },
    Rule {
        verb: Verb::UpdateSpace,
        of_org_in_space: MANAGER,
        in_space: &[SpaceManager],
        ..NONE
    },
    Rule {
        verb: Verb::WriteApps,
        in_space: DEVELOPER,
        ..NONE
    },
    Rule {
        verb: Verb::ConnectApps,
        in_space: DEVELOPER,
        scope: Some(Scope::Policies),
        ..NONE
    },
    Rule {
        verb: Verb::OperateApps,
        in_space: OPERATORS,
        ..NONE
    },
    Rule {
        verb: Verb::ReadSecrets,
        writes: false,
        in_space: OPERATORS,
        readers: &[Reader::Admin],
        ..NONE
    },
    Rule {
        verb: Verb::ReadCredentials,
        writes: false,
        in_space: DEVELOPER,
        readers: &[Reader::Admin],
        ..NONE
    },
    Rule {
        verb: Verb::ReadEvents,
        writes: false,
        of_org: MANAGER_AND_AUDITOR,
        in_space: ALL_OF_SPACE,
        readers: BOTH,
        ..NONE
    },
    // Cloud Foundry asks the cloud controller (`/internal/v4/log_access/:guid`), which tells
    // whether the app's space may be seen.
    Rule {
        verb: Verb::ReadLogs,
        writes: false,
        of_org_in_space: MANAGER,
        in_space: ALL_OF_SPACE,
        scope: Some(Scope::Logs),
        readers: BOTH,
        ..NONE
    },
    Rule {
        verb: Verb::ReadAllLogs,
        writes: false,
        scope: Some(Scope::Logs),
        ..NONE
    },
    Rule {
        verb: Verb::ReadRouterGroups,
        writes: false,
        scope: Some(Scope::RouterGroups),
        ..NONE
    },
    NONE,
];

/// The rule about `verb`; one that is not in the table is for admins alone.
pub(super) fn of(verb: Verb) -> &'static Rule {
    RULES.iter().find(|rule| rule.verb == verb).unwrap_or(&NONE)
}

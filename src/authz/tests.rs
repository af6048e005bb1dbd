use super::*;

const VERBS: [Verb; 16] = [
    Verb::ReadOrg,
    Verb::ReadDomains,
    Verb::WriteOrg,
    Verb::ReadSpace,
    Verb::ReadRoutes,
    Verb::UpdateSpace,
    Verb::WriteApps,
    Verb::ConnectApps,
    Verb::OperateApps,
    Verb::ReadSecrets,
    Verb::ReadCredentials,
    Verb::ReadEvents,
    Verb::ReadLogs,
    Verb::ReadAllLogs,
    Verb::ReadRouterGroups,
    Verb::Administer,
];

struct World {
    org: OrgId,
    space: SpaceId,
    other_org: OrgId,
    other_space: SpaceId,
}

impl World {
    fn new() -> Self {
        Self {
            org: OrgId::random(),
            space: SpaceId::random(),
            other_org: OrgId::random(),
            other_space: SpaceId::random(),
        }
    }

    /// Who has `kind` in the organization or the space.
    fn holder(&self, kind: RoleKind) -> Grants {
        let mut grants = Grants::default();
        let scope = if kind.is_space() {
            grants.orgs_of_spaces.push(self.org);
            RoleScope::Space(self.space)
        } else {
            RoleScope::Org(self.org)
        };
        grants.roles.insert(scope, vec![kind]);
        grants
    }

    fn here(&self) -> Place {
        Place::Space {
            space: self.space,
            org: self.org,
        }
    }
}

/// The verbs that `kind` allows in the space, as the documentation of the API lists them.
fn in_space(kind: RoleKind) -> &'static [Verb] {
    use RoleKind as R;
    match kind {
        R::OrganizationUser | R::OrganizationBillingManager => &[Verb::ReadOrg],
        R::OrganizationAuditor => &[Verb::ReadOrg, Verb::ReadDomains, Verb::ReadRoutes],
        R::OrganizationManager => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::WriteOrg,
            Verb::ReadSpace,
            Verb::ReadRoutes,
            Verb::UpdateSpace,
            Verb::ReadLogs,
        ],
        R::SpaceDeveloper => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::ReadSpace,
            Verb::ReadRoutes,
            Verb::WriteApps,
            Verb::ConnectApps,
            Verb::OperateApps,
            Verb::ReadSecrets,
            Verb::ReadCredentials,
            Verb::ReadEvents,
            Verb::ReadLogs,
        ],
        R::SpaceAuditor => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::ReadSpace,
            Verb::ReadRoutes,
            Verb::ReadEvents,
            Verb::ReadLogs,
        ],
        R::SpaceManager => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::ReadSpace,
            Verb::ReadRoutes,
            Verb::UpdateSpace,
            Verb::ReadEvents,
            Verb::ReadLogs,
        ],
        R::SpaceSupporter => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::ReadSpace,
            Verb::ReadRoutes,
            Verb::OperateApps,
            Verb::ReadSecrets,
            Verb::ReadEvents,
            Verb::ReadLogs,
        ],
    }
}

/// The verbs that `kind` allows in the organization.
fn in_org(kind: RoleKind) -> &'static [Verb] {
    match kind {
        RoleKind::OrganizationManager => &[
            Verb::ReadOrg,
            Verb::ReadDomains,
            Verb::WriteOrg,
            Verb::ReadEvents,
        ],
        RoleKind::OrganizationAuditor => &[Verb::ReadOrg, Verb::ReadDomains, Verb::ReadEvents],
        kind if kind.is_space() => &[Verb::ReadOrg, Verb::ReadDomains],
        _ => &[Verb::ReadOrg],
    }
}

#[test]
fn each_role_allows_what_the_table_says() {
    let world = World::new();
    for kind in RoleKind::ALL {
        let grants = world.holder(kind);
        for verb in VERBS {
            let may_here = may(&grants, verb, world.here());
            assert_eq!(
                may_here,
                in_space(kind).contains(&verb),
                "{kind:?} {verb:?} in the space"
            );
            let may_in_org = may(&grants, verb, Place::Org(world.org));
            assert_eq!(
                may_in_org,
                in_org(kind).contains(&verb),
                "{kind:?} {verb:?} in the org"
            );
        }
    }
}

#[test]
fn a_role_reaches_nowhere_else() {
    let world = World::new();
    let elsewhere = [
        Place::Platform,
        Place::Org(world.other_org),
        Place::Space {
            space: world.other_space,
            org: world.other_org,
        },
    ];
    for kind in RoleKind::ALL {
        for verb in VERBS {
            for place in elsewhere {
                assert!(
                    !may(&world.holder(kind), verb, place),
                    "{kind:?} {verb:?} {place:?}"
                );
            }
        }
    }
    // A role in one space says nothing of the next one in the same organization.
    let next = Place::Space {
        space: world.other_space,
        org: world.org,
    };
    for kind in RoleKind::ALL.into_iter().filter(|kind| kind.is_space()) {
        for verb in VERBS {
            let expected = matches!(verb, Verb::ReadOrg | Verb::ReadDomains);
            assert_eq!(
                may(&world.holder(kind), verb, next),
                expected,
                "{kind:?} {verb:?}"
            );
        }
    }
}

#[test]
fn admins_may_everything_and_nobody_nothing() {
    let world = World::new();
    let admin = Grants {
        admin: true,
        ..Grants::default()
    };
    for verb in VERBS {
        for place in [Place::Platform, Place::Org(world.org), world.here()] {
            assert!(may(&admin, verb, place));
            assert!(!may(&Grants::default(), verb, place));
        }
    }
}

#[test]
fn who_reads_everywhere_changes_nothing() {
    let world = World::new();
    let secrets = [Verb::ReadSecrets, Verb::ReadCredentials];
    for reader in [Reader::Auditor, Reader::Admin] {
        let grants = Grants {
            reader: Some(reader),
            ..Grants::default()
        };
        for verb in VERBS {
            let writes = matches!(
                verb,
                Verb::WriteOrg
                    | Verb::UpdateSpace
                    | Verb::WriteApps
                    | Verb::ConnectApps
                    | Verb::OperateApps
                    | Verb::Administer
            );
            let expected = !writes
                && !matches!(verb, Verb::ReadAllLogs | Verb::ReadRouterGroups)
                && (reader == Reader::Admin || !secrets.contains(&verb));
            for place in [Place::Platform, Place::Org(world.org), world.here()] {
                assert_eq!(may(&grants, verb, place), expected, "{reader:?} {verb:?}");
            }
        }
    }
}

#[test]
fn a_scope_gives_its_own_right_everywhere_and_no_other() {
    let world = World::new();
    let check = |scope: Scope, given: &[Verb]| {
        let grants = Grants {
            scopes: vec![scope],
            read_only: true,
            ..Grants::default()
        };
        for verb in VERBS {
            for place in [Place::Platform, world.here()] {
                let expected = given.contains(&verb);
                assert_eq!(may(&grants, verb, place), expected, "{scope:?} {verb:?}");
            }
        }
    };
    check(Scope::Logs, &[Verb::ReadLogs, Verb::ReadAllLogs]);
    check(Scope::Policies, &[Verb::ConnectApps]);
    check(Scope::RouterGroups, &[Verb::ReadRouterGroups]);
}

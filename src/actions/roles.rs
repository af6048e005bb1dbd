//! Roles.

use std::sync::Arc;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    flags,
    jobs::finished_job,
    users::known,
};
use crate::{
    authz::{Place, Verb},
    model::{
        Flag, Job, KnownTo, OrgId, Role, RoleId, RoleKind, RoleScope, SpaceId, Timestamp, User,
        UserId,
    },
    store::{State, Tx},
    wire::role::{Create, UserData},
};

impl Actions {
    /// The roles that the caller may see.
    #[must_use]
    pub fn roles(&self, caller: &Caller) -> Vec<Arc<Role>> {
        let state = self.store.state();
        let roles = state.roles.values();
        roles
            .filter(|role| may_see(&state, caller, role))
            .cloned()
            .collect()
    }

    /// The role, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn role(&self, caller: &Caller, id: RoleId) -> Result<Arc<Role>, ActionError> {
        let state = self.store.state();
        let role = state.roles.get(&id);
        role.filter(|role| may_see(&state, caller, role))
            .cloned()
            .ok_or(ActionError::NotFound("Role"))
    }

    /// Gives a role.
    ///
    /// # Errors
    /// Where the caller may not, there is no such user or place, or they have it already.
    pub async fn create_role(&self, caller: &Caller, body: Create) -> Result<Role, ActionError> {
        let kind = RoleKind::parse(&body.kind).ok_or_else(|| {
            let known: Vec<_> = RoleKind::ALL.iter().map(|kind| kind.as_str()).collect();
            ActionError::Unprocessable(format!("Type must be one of the allowed types {known:?}"))
        })?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let relationships = &body.relationships;
                let scope = match (&relationships.organization, &relationships.space) {
                    (Some(org), None) if !kind.is_space() => {
                        RoleScope::Org(readable_org(tx, caller, org.id())?)
                    }
                    (None, Some(space)) if kind.is_space() => {
                        RoleScope::Space(readable_space(tx, caller, space.id())?)
                    }
                    _ => {
                        let wanted = if kind.is_space() {
                            "space"
                        } else {
                            "organization"
                        };
                        return Err(ActionError::Unprocessable(format!(
                            "Role type '{}' requires exactly one relationship: '{wanted}'",
                            kind.as_str()
                        )));
                    }
                };
                need_manager(tx, caller, scope)?;
                if relationships.user.data.guid.is_none() {
                    flags::need(tx, caller, Flag::SetRolesByUsername)?;
                }
                let found = find_user(tx, &relationships.user.data)?;
                let mut user = found.ok_or_else(|| no_user(&relationships.user.data, scope))?;
                check_new(tx, &user, kind, scope)?;
                if user.known_to == KnownTo::Uaa {
                    user = known(&user, now);
                    tx.put(user.clone());
                }
                let role = Role {
                    id: RoleId::random(),
                    user: user.id,
                    kind,
                    scope,
                    created_at: now,
                };
                tx.put(role.clone());
                note(tx, caller, "add", &role, &user, now);
                Ok(role)
            })
            .await
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// Where the caller may not, or roles in spaces depend on it.
    pub async fn delete_role(&self, caller: &Caller, id: RoleId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let role = tx
                    .roles
                    .get(&id)
                    .filter(|role| may_see(tx, caller, role))
                    .map(|role| Role::clone(role))
                    .ok_or(ActionError::NotFound("Role"))?;
                need_manager(tx, caller, role.scope)?;
                if let (RoleKind::OrganizationUser, RoleScope::Org(org)) = (role.kind, role.scope)
                    && has_space_role(tx, role.user, org)
                {
                    return Err(ActionError::Unprocessable(
                        "Cannot delete organization_user role while user has roles in spaces in \
                         that organization."
                            .to_owned(),
                    ));
                }
                tx.delete(id);
                if let Some(user) = tx.users.get(&role.user).map(|user| User::clone(user)) {
                    note(tx, caller, "remove", &role, &user, now);
                }
                Ok(finished_job(tx, "role.delete", now))
            })
            .await
    }
}

/// Gives the caller the roles of who has made an organization.
pub(super) fn put_founder(tx: &mut Tx, caller: &Caller, org: OrgId, now: Timestamp) {
    if !tx.users.contains_key(&caller.user.id) {
        // A client with a token of its own has no roles.
        return;
    }
    for kind in [RoleKind::OrganizationUser, RoleKind::OrganizationManager] {
        let role = Role {
            id: RoleId::random(),
            user: caller.user.id,
            kind,
            scope: RoleScope::Org(org),
            created_at: now,
        };
        tx.put(role.clone());
        note(tx, caller, "add", &role, &caller.user, now);
    }
}

fn may_see(state: &State, caller: &Caller, role: &Role) -> bool {
    match role.scope {
        RoleScope::Org(org) => caller.may_in_org(Verb::ReadOrg, org),
        RoleScope::Space(space) => caller.may_in_space(state, Verb::ReadSpace, space),
    }
}

fn need_manager(state: &State, caller: &Caller, scope: RoleScope) -> Result<(), ActionError> {
    match scope {
        RoleScope::Org(org) => {
            caller.need_in_org(Verb::WriteOrg, org)?;
            caller.need_active(state, org)
        }
        RoleScope::Space(space) => caller.need_in_space(state, Verb::UpdateSpace, space, "Space"),
    }
}

/// The organization, where there is one that the caller may see.
pub(super) fn readable_org(
    state: &State,
    caller: &Caller,
    org: Option<OrgId>,
) -> Result<OrgId, ActionError> {
    org.filter(|org| state.orgs.contains_key(org) && caller.may_in_org(Verb::ReadOrg, *org))
        .ok_or_else(|| {
            ActionError::Unprocessable(
                "Invalid organization. Ensure that the organization exists and you have access \
                 to it."
                    .to_owned(),
            )
        })
}

/// The space, where there is one that the caller may see.
pub(super) fn readable_space(
    state: &State,
    caller: &Caller,
    space: Option<SpaceId>,
) -> Result<SpaceId, ActionError> {
    space
        .filter(|space| caller.may_in_space(state, Verb::ReadSpace, *space))
        .ok_or_else(|| {
            ActionError::Unprocessable(
                "Invalid space. Ensure that the space exists and you have access to it.".to_owned(),
            )
        })
}

fn find_user(state: &State, wanted: &UserData) -> Result<Option<User>, ActionError> {
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    if let Some(guid) = &wanted.guid {
        let id: Option<UserId> = guid.parse().ok();
        let user = id.and_then(|id| state.users.get(&id));
        return Ok(user.map(|user| User::clone(user)));
    }
    let Some(name) = &wanted.username else {
        return refuse("The user needs a 'guid' or a 'username'".to_owned());
    };
    if let Some(origin) = wanted.origin.as_deref().filter(|origin| !origin.is_empty()) {
        return Ok(state.user_by_name(name, origin).cloned());
    }
    let found = state.users_named(name);
    let found: Vec<_> = found.filter(|user| user.name().is_some()).collect();
    match found.as_slice() {
        [] => Ok(None),
        [user] => Ok(Some((*user).clone())),
        several => {
            let origins: Vec<_> = several.iter().map(|user| user.origin.as_str()).collect();
            refuse(format!(
                "User with username '{name}' exists in the following origins: {}. Specify an \
                 origin to disambiguate.",
                origins.join(", ")
            ))
        }
    }
}

fn check_new(
    state: &State,
    user: &User,
    kind: RoleKind,
    scope: RoleScope,
) -> Result<(), ActionError> {
    if state
        .roles_of_user(user.id)
        .any(|role| role.kind == kind && role.scope == scope)
    {
        let (what, name) = match scope {
            RoleScope::Org(org) => (
                "organization",
                state.orgs.get(&org).map(|org| org.name.to_string()),
            ),
            RoleScope::Space(space) => (
                "space",
                state.spaces.get(&space).map(|space| space.name.to_string()),
            ),
        };
        return Err(ActionError::Unprocessable(format!(
            "User '{}' already has '{}' role in {what} '{}'.",
            user.username,
            kind.as_str(),
            name.unwrap_or_default()
        )));
    }
    if let RoleScope::Space(space) = scope
        && let Some(space) = state.spaces.get(&space)
        && !state
            .roles_of_user(user.id)
            .any(|role| role.scope == RoleScope::Org(space.org))
    {
        return Err(not_in_org());
    }
    Ok(())
}

fn not_in_org() -> ActionError {
    ActionError::Unprocessable(
        "Users cannot be assigned roles in a space if they do not have a role in that space's \
         organization."
            .to_owned(),
    )
}

/// What is said where there is no such user. Who manages a space is not told which users there
/// are beyond its organization.
fn no_user(wanted: &UserData, scope: RoleScope) -> ActionError {
    if matches!(scope, RoleScope::Space(_)) {
        return not_in_org();
    }
    ActionError::Unprocessable(match (&wanted.username, wanted.origin.as_deref()) {
        (Some(name), Some(origin)) if !origin.is_empty() => {
            format!("No user exists with the username '{name}' and origin '{origin}'.")
        }
        (Some(name), _) => format!("No user exists with the username '{name}'."),
        (None, _) => {
            "Invalid user. Ensure that the user exists and you have access to it.".to_owned()
        }
    })
}

fn has_space_role(state: &State, user: UserId, org: OrgId) -> bool {
    state.roles_of_user(user).any(|role| match role.scope {
        RoleScope::Space(space) => state.spaces.get(&space).is_some_and(|s| s.org == org),
        RoleScope::Org(_) => false,
    })
}

fn note(tx: &mut Tx, caller: &Caller, what: &str, role: &Role, user: &User, now: Timestamp) {
    let place = match role.scope {
        RoleScope::Org(org) => Place::Org(org),
        RoleScope::Space(space) => {
            tx.spaces
                .get(&space)
                .map_or(Place::Platform, |found| Place::Space {
                    space,
                    org: found.org,
                })
        }
    };
    let kind = format!("audit.user.{}_{what}", role.kind.as_str());
    let target = target("user", user.id, &user.username);
    let data = super::users::told(user);
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

//! Groups of users, and by them who is an admin or sees everything.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
};
use crate::{
    authz::Place,
    model::{
        ADMIN, ADMIN_READ_ONLY, GLOBAL_AUDITOR, Group, GroupId, NETWORK_ADMIN, ROUTER_GROUPS,
        Timestamp, User, UserId, WATCHERS,
    },
    store::{State, Tx},
    wire::scim::GroupBody,
};

/// The groups that every platform has: they give rights, so they cannot be deleted.
const KNOWN: [(&str, &str); 7] = [
    (ADMIN, "May do everything"),
    (ADMIN_READ_ONLY, "Sees everything and changes nothing"),
    (
        GLOBAL_AUDITOR,
        "Sees everything but secrets and changes nothing",
    ),
    (WATCHERS[0], "Reads the logs and metrics of everything"),
    (WATCHERS[1], "Reads the logs and metrics of everything"),
    (NETWORK_ADMIN, "Opens any app to any other"),
    (ROUTER_GROUPS, "Sees which ports TCP routes may have"),
];

/// Longest name of a group in characters (UAA's database column).
const LONGEST_NAME: usize = 255;

/// A group and who is in it.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The group.
    pub group: Arc<Group>,
    /// Its members, by name.
    pub members: Vec<Arc<User>>,
}

impl Actions {
    /// All groups. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not.
    pub fn groups(&self, caller: &Caller) -> Result<Vec<Membership>, ActionError> {
        caller.need_admin()?;
        let state = self.store.state();
        let groups = state.groups.values();
        Ok(groups.map(|group| membership(&state, group)).collect())
    }

    /// The group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or [`ActionError::NotFound`].
    pub fn group(&self, caller: &Caller, id: GroupId) -> Result<Membership, ActionError> {
        caller.need_admin()?;
        let state = self.store.state();
        let group = state.groups.get(&id).ok_or(MISSING)?;
        Ok(membership(&state, group))
    }

    /// Makes a group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a member is none.
    pub async fn create_group(
        &self,
        caller: &Caller,
        body: GroupBody,
    ) -> Result<Membership, ActionError> {
        caller.need_admin()?;
        check_name(&body.name)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                if tx.group_by_name(&body.name).is_some() {
                    return Err(ActionError::Taken(format!(
                        "A group with displayName: {} already exists.",
                        body.name
                    )));
                }
                let group = Group {
                    id: GroupId::random(),
                    name: body.name.clone(),
                    description: body.description.clone().unwrap_or_default(),
                    members: members(tx, &body)?,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(group.clone());
                note(tx, caller, "create", &group, None, now);
                found(tx, group.id)
            })
            .await
    }

    /// Makes a group what the body says. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken or one of the platform's, or a member is none.
    pub async fn replace_group(
        &self,
        caller: &Caller,
        id: GroupId,
        body: GroupBody,
    ) -> Result<Membership, ActionError> {
        caller.need_admin()?;
        check_name(&body.name)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut group = find(tx, id)?;
                let other = tx.group_by_name(&body.name);
                if other.is_some_and(|other| other.id != id) {
                    return Err(ActionError::Taken(format!(
                        "A group with displayName: {} already exists.",
                        body.name
                    )));
                }
                if is_known(&group) && group.name != body.name {
                    return Err(ActionError::Unprocessable(format!(
                        "'{}' is a group of the platform and keeps its name.",
                        group.name
                    )));
                }
                group.name.clone_from(&body.name);
                if let Some(description) = &body.description {
                    group.description.clone_from(description);
                }
                let wanted = members(tx, &body)?;
                let now_in: BTreeSet<_> = ids(tx, &group);
                group.updated_at = now;
                tx.put(group);
                for user in now_in.difference(&wanted) {
                    leave(tx, caller, id, *user, now)?;
                }
                for user in wanted.difference(&now_in) {
                    enter(tx, caller, id, *user, now)?;
                }
                found(tx, id)
            })
            .await
    }

    /// Deletes a group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or the platform needs it.
    pub async fn delete_group(
        &self,
        caller: &Caller,
        id: GroupId,
    ) -> Result<Membership, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let group = find(tx, id)?;
                if is_known(&group) {
                    return Err(ActionError::Unprocessable(format!(
                        "'{}' is a group of the platform and cannot be deleted.",
                        group.name
                    )));
                }
                let gone = found(tx, id)?;
                tx.delete(id);
                note(tx, caller, "delete", &group, None, now);
                Ok(gone)
            })
            .await
    }

    /// Puts a user into a group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such user or group.
    pub async fn enter_group(
        &self,
        caller: &Caller,
        id: GroupId,
        user: &str,
    ) -> Result<Arc<User>, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                find(tx, id)?;
                let user = user_id(tx, user)?;
                enter(tx, caller, id, user, now)?;
                tx.users
                    .get(&user)
                    .cloned()
                    .ok_or(ActionError::NotFound("User"))
            })
            .await
    }

    /// Takes a user out of a group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, there is no such user or group, or it is the last admin.
    pub async fn leave_group(
        &self,
        caller: &Caller,
        id: GroupId,
        user: &str,
    ) -> Result<Arc<User>, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                find(tx, id)?;
                let user = user_id(tx, user)?;
                leave(tx, caller, id, user, now)?;
                tx.users
                    .get(&user)
                    .cloned()
                    .ok_or(ActionError::NotFound("User"))
            })
            .await
    }
}

const MISSING: ActionError = ActionError::NotFound("Group");

/// Puts the groups that every platform has where they are missing.
pub(super) fn put_known(tx: &mut Tx, now: Timestamp) {
    for (name, description) in KNOWN {
        if tx.group_by_name(name).is_none() {
            tx.put(Group {
                id: GroupId::random(),
                name: name.to_owned(),
                description: description.to_owned(),
                members: BTreeSet::new(),
                created_at: now,
                updated_at: now,
            });
        }
    }
}

/// Takes a user who goes out of every group.
pub(super) fn forget(tx: &mut Tx, user: UserId) {
    let groups: Vec<Group> = tx.groups_of(user).cloned().collect();
    for mut group in groups {
        group.members.remove(&user);
        tx.put(group);
    }
}

fn is_known(group: &Group) -> bool {
    KNOWN.iter().any(|(name, _)| *name == group.name)
}

fn check_name(name: &str) -> Result<(), ActionError> {
    let printable = name.chars().all(|c| !c.is_control());
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || !printable {
        return Err(ActionError::Unprocessable(format!(
            "displayName must have from 1 to {LONGEST_NAME} printable characters"
        )));
    }
    Ok(())
}

fn find(state: &State, id: GroupId) -> Result<Group, ActionError> {
    let group = state.groups.get(&id);
    group.map(|group| Group::clone(group)).ok_or(MISSING)
}

fn found(state: &State, id: GroupId) -> Result<Membership, ActionError> {
    let group = state.groups.get(&id).ok_or(MISSING)?;
    Ok(membership(state, group))
}

/// Who is in the group: of admins their own records say so.
fn ids(state: &State, group: &Group) -> BTreeSet<UserId> {
    if group.name == ADMIN {
        let admins = state.users.values().filter(|user| user.admin);
        return admins.map(|user| user.id).collect();
    }
    group.members.clone()
}

fn membership(state: &State, group: &Arc<Group>) -> Membership {
    let ids = ids(state, group);
    let members = ids.iter().filter_map(|id| state.users.get(id)).cloned();
    let mut members: Vec<_> = members.collect();
    members.sort_by(|a, b| a.username.cmp(&b.username));
    Membership {
        group: Arc::clone(group),
        members,
    }
}

fn user_id(state: &State, text: &str) -> Result<UserId, ActionError> {
    let id = text.parse().ok();
    let id = id.filter(|id| state.users.contains_key(id));
    id.ok_or_else(|| ActionError::Unprocessable(format!("Invalid group member: {text}")))
}

fn members(state: &State, body: &GroupBody) -> Result<BTreeSet<UserId>, ActionError> {
    let members = body.members.iter();
    members
        .map(|member| user_id(state, &member.value))
        .collect()
}

fn enter(
    tx: &mut Tx,
    caller: &Caller,
    id: GroupId,
    user: UserId,
    now: Timestamp,
) -> Result<(), ActionError> {
    let mut group = find(tx, id)?;
    if group.name == ADMIN {
        set_admin(tx, user, true, now)?;
    } else {
        group.members.insert(user);
        group.updated_at = now;
        tx.put(group.clone());
    }
    note(tx, caller, "add_member", &group, Some(user), now);
    Ok(())
}

fn leave(
    tx: &mut Tx,
    caller: &Caller,
    id: GroupId,
    user: UserId,
    now: Timestamp,
) -> Result<(), ActionError> {
    let mut group = find(tx, id)?;
    if group.name == ADMIN {
        set_admin(tx, user, false, now)?;
    } else {
        group.members.remove(&user);
        group.updated_at = now;
        tx.put(group.clone());
    }
    note(tx, caller, "remove_member", &group, Some(user), now);
    Ok(())
}

fn set_admin(tx: &mut Tx, user: UserId, admin: bool, now: Timestamp) -> Result<(), ActionError> {
    let user = tx.users.get(&user).ok_or(ActionError::NotFound("User"))?;
    let mut user = User::clone(user);
    let admins = tx.users.values().filter(|user| user.admin).count();
    if user.admin && !admin && admins == 1 {
        return Err(ActionError::Unprocessable(format!(
            "'{}' is the only admin. Make another user an admin first.",
            user.username
        )));
    }
    user.admin = admin;
    user.updated_at = now;
    tx.put(user);
    Ok(())
}

fn note(
    tx: &mut Tx,
    caller: &Caller,
    what: &str,
    group: &Group,
    user: Option<UserId>,
    now: Timestamp,
) {
    let kind = format!("audit.group.{what}");
    let target = target("group", group.id, &group.name);
    let user = user.and_then(|user| tx.users.get(&user));
    let data = user.map_or_else(|| json!({}), |user| super::users::told(user));
    audit(
        tx,
        &caller.actor(),
        &kind,
        target,
        Place::Platform,
        data,
        now,
    );
}

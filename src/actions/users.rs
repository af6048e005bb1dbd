//! Users: who there is, and what UAA's part does for them.

use std::sync::Arc;

use serde_json::Value;

use super::{ActionError, Actions, Caller, jobs::finished_job};
use crate::{
    authz::Verb,
    identity::{CLI, end_sessions, end_sessions_of_client},
    model::{
        ADMIN, Group, Job, KnownTo, Metadata, Profile, RoleScope, Timestamp, User, UserId, Username,
    },
    store::{State, Tx},
    wire::user::{Create, Scim, Update},
};

/// The identity provider of the platform's own users.
pub(super) const ORIGIN: &str = "uaa";

impl Actions {
    /// The users that the caller may see: all for admins, for others those with a role where
    /// they may look, and themselves.
    #[must_use]
    pub fn users(&self, caller: &Caller) -> Vec<Arc<User>> {
        let state = self.store.state();
        let users = state.users.values();
        users
            .filter(|user| user.known_to != KnownTo::Uaa && may_see(&state, caller, user.id))
            .cloned()
            .collect()
    }

    /// The users whom UAA's part knows.
    ///
    /// # Errors
    /// Where the caller may not.
    pub fn logins(&self, caller: &Caller) -> Result<Vec<Arc<User>>, ActionError> {
        caller.need_admin()?;
        let state = self.store.state();
        let users = state.users.values();
        Ok(users
            .filter(|user| user.name().is_some())
            .cloned()
            .collect())
    }

    /// A user whom UAA's part knows: admins see all, others themselves.
    ///
    /// # Errors
    /// Where the caller may not, or [`ActionError::NotFound`].
    pub fn login(&self, caller: &Caller, id: UserId) -> Result<Arc<User>, ActionError> {
        if caller.user.id != id {
            caller.need_admin()?;
        }
        let state = self.store.state();
        let user = state.users.get(&id).filter(|user| user.name().is_some());
        user.cloned().ok_or(ActionError::NotFound("User"))
    }

    /// The user, if the caller may see them.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn user(&self, caller: &Caller, id: UserId) -> Result<Arc<User>, ActionError> {
        let state = self.store.state();
        state
            .users
            .get(&id)
            .filter(|user| user.known_to != KnownTo::Uaa && may_see(&state, caller, user.id))
            .cloned()
            .ok_or(ActionError::NotFound("User"))
    }

    /// Makes a user known to the control API: by a guid, be it of one whom UAA's part knows or
    /// not, or by the name that another identity provider will vouch for.
    ///
    /// # Errors
    /// Where the caller may not, or the user is known already.
    pub async fn create_user(&self, caller: &Caller, body: Create) -> Result<User, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut user = match (body.guid, body.username, body.origin) {
                    (Some(guid), None, None) => by_guid(tx, &guid, now)?,
                    (None, Some(name), Some(origin)) if origin != ORIGIN => {
                        by_name(tx, &name, &origin, now)?
                    }
                    (None, Some(_), Some(_)) => {
                        return Err(ActionError::Unprocessable(
                            "Origin cannot be 'uaa' when creating a user by username".to_owned(),
                        ));
                    }
                    _ => {
                        return Err(ActionError::Unprocessable(
                            "Either 'guid', or 'username' and 'origin' must be given".to_owned(),
                        ));
                    }
                };
                body.metadata
                    .apply(&mut user.metadata)
                    .map_err(ActionError::Unprocessable)?;
                tx.put(user.clone());
                Ok(user)
            })
            .await
    }

    /// Changes a user's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_user(
        &self,
        caller: &Caller,
        id: UserId,
        body: Update,
    ) -> Result<User, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                if !may_see(tx, caller, id) {
                    return Err(ActionError::NotFound("User"));
                }
                caller.need_admin()?;
                let mut user = find(tx, id)?;
                body.metadata
                    .apply(&mut user.metadata)
                    .map_err(ActionError::Unprocessable)?;
                user.updated_at = now;
                tx.put(user.clone());
                Ok(user)
            })
            .await
    }

    /// Deletes a user with their roles and logins.
    ///
    /// # Errors
    /// Where the caller may not, or it is the last admin.
    pub async fn delete_user(&self, caller: &Caller, id: UserId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                if !may_see(tx, caller, id) {
                    return Err(ActionError::NotFound("User"));
                }
                caller.need_admin()?;
                let user = find(tx, id)?;
                remove(tx, &user)?;
                Ok(finished_job(tx, "user.delete", now))
            })
            .await
    }

    /// Makes a user for UAA's part; `password_hash` is none for those of another origin.
    ///
    /// # Errors
    /// Where the caller may not, the name is bad, or [`ActionError::Taken`].
    pub async fn create_login(
        &self,
        caller: &Caller,
        username: &str,
        origin: Option<&str>,
        password_hash: Option<String>,
        profile: Profile,
    ) -> Result<User, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        let origin = origin.filter(|origin| !origin.is_empty()).unwrap_or(ORIGIN);
        self.store
            .commit(move |tx| {
                let mut user = fresh(tx, username, origin, password_hash, now)?;
                user.profile = profile;
                user.known_to = KnownTo::Uaa;
                tx.put(user.clone());
                Ok(user)
            })
            .await
    }

    /// Changes a user for UAA's part: to what `body` says alone, or by what it says. Who is shut
    /// out is logged out. None where `version`, if it was given, is not the user's.
    ///
    /// # Errors
    /// Where the caller may not, the name is bad or taken, or the last admin would be shut out.
    pub async fn update_login(
        &self,
        caller: &Caller,
        id: UserId,
        body: Scim,
        is_whole: bool,
        version: Option<u32>,
    ) -> Result<Option<User>, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut user = find(tx, id)?;
                if version.is_some_and(|version| version != user.profile.version) {
                    return Ok(None);
                }
                if body.origin.as_ref().is_some_and(|origin| {
                    !origin.is_empty() && !origin.eq_ignore_ascii_case(&user.origin)
                }) {
                    return Err(ActionError::BadRequest(
                        "The origin of a user cannot be changed.".to_owned(),
                    ));
                }
                if let Some(name) = &body.username {
                    let name = Username::parse(name.clone())?;
                    let other = tx.user_by_name(&name, &user.origin).map(|other| other.id);
                    if other.is_some_and(|other| other != id) {
                        return Err(ActionError::Taken(format!(
                            "Username already in use: {name}"
                        )));
                    }
                    user.username = name;
                } else if is_whole {
                    return Err(ActionError::BadRequest(
                        "A username must be provided.".to_owned(),
                    ));
                }
                let profile = if is_whole {
                    body.whole(&user.profile, &user.username)
                } else {
                    body.patched(&user.profile, &user.username)
                };
                user.profile = profile.map_err(ActionError::BadRequest)?;
                user.profile.version = user.profile.version.wrapping_add(1);
                user.updated_at = now;
                if user.profile.inactive {
                    keep_an_admin(tx, &user)?;
                    end_sessions(tx, id);
                }
                tx.put(user.clone());
                Ok(Some(user))
            })
            .await
    }

    /// Deletes a user for UAA's part. The CLI does so after it has deleted them from the
    /// control API, so one who is gone already is no mistake.
    ///
    /// # Errors
    /// Where the caller may not, or it is the last admin.
    pub async fn delete_login(
        &self,
        caller: &Caller,
        id: UserId,
    ) -> Result<Option<User>, ActionError> {
        caller.need_admin()?;
        self.store
            .commit(move |tx| {
                let Ok(user) = find(tx, id) else {
                    return Ok(None);
                };
                remove(tx, &user)?;
                Ok(Some(user))
            })
            .await
    }

    /// Sets a user's password and ends their logins. That the caller knows the old one was
    /// checked against `checked`, the hash of that moment; admins need not know it.
    ///
    /// # Errors
    /// Where the caller may not, or somebody else changed the password meanwhile.
    pub async fn set_password(
        &self,
        caller: &Caller,
        id: UserId,
        checked: Option<&str>,
        new_hash: String,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut user = find(tx, id)?;
                let knows = checked.is_some() && user.password_hash.as_deref() == checked;
                if !(caller.user.id == id && knows) {
                    caller.need_admin()?;
                }
                user.password_hash = Some(new_hash);
                user.updated_at = now;
                end_sessions(tx, id);
                tx.put(user);
                Ok(())
            })
            .await
    }

    /// Ends every login of a user. They themselves and admins may.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such user.
    pub async fn end_user_sessions(&self, caller: &Caller, id: UserId) -> Result<(), ActionError> {
        if caller.user.id != id {
            caller.need_admin()?;
        }
        self.store
            .commit(move |tx| {
                find(tx, id)?;
                end_sessions(tx, id);
                Ok(())
            })
            .await
    }

    /// Ends every login through a client. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such client.
    pub async fn end_client_sessions(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(), ActionError> {
        caller.need_admin()?;
        self.store
            .commit(move |tx| {
                if name != CLI && tx.client_by_name(name).is_none() {
                    return Err(ActionError::NotFound("Client"));
                }
                end_sessions_of_client(tx, name);
                Ok(())
            })
            .await
    }

    /// The groups that a user is in, by name.
    #[must_use]
    pub fn groups_of_user(&self, user: &User) -> Vec<Group> {
        let state = self.store.state();
        let admin = state.group_by_name(ADMIN).filter(|_| user.admin);
        let mut groups: Vec<Group> = state.groups_of(user.id).chain(admin).cloned().collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }
}

/// A user who is not in the state yet.
pub(super) fn fresh(
    state: &State,
    username: &str,
    origin: &str,
    password_hash: Option<String>,
    now: Timestamp,
) -> Result<User, ActionError> {
    let username = Username::parse(username)?;
    if state.user_by_name(&username, origin).is_some() {
        return Err(ActionError::Taken(format!(
            "Username already in use: {username}"
        )));
    }
    Ok(User {
        id: UserId::random(),
        username,
        origin: origin.to_owned(),
        external_id: None,
        known_to: KnownTo::default(),
        password_hash,
        admin: false,
        profile: Profile::default(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    })
}

/// The user with this guid, as the control API is to know them.
fn by_guid(state: &State, guid: &str, now: Timestamp) -> Result<User, ActionError> {
    let id: UserId = guid.parse().map_err(|_| {
        ActionError::Unprocessable(format!(
            "The guid '{guid}' is none that users have here: it has to be a UUID."
        ))
    })?;
    match state.users.get(&id) {
        None => Ok(User {
            id,
            known_to: KnownTo::Api,
            ..fresh(state, guid, "", None, now)?
        }),
        Some(user) if user.known_to == KnownTo::Uaa => Ok(known(user, now)),
        Some(_) => Err(ActionError::Unprocessable(format!(
            "User with guid '{guid}' already exists."
        ))),
    }
}

/// The user of another origin, as the control API is to know them.
fn by_name(state: &State, name: &str, origin: &str, now: Timestamp) -> Result<User, ActionError> {
    match state.user_by_name(name, origin) {
        Some(user) if user.known_to == KnownTo::Uaa => Ok(known(user, now)),
        _ => fresh(state, name, origin, None, now),
    }
}

/// A user of UAA's part whom the control API knows from now on.
pub(super) fn known(user: &User, now: Timestamp) -> User {
    User {
        known_to: KnownTo::Both,
        updated_at: now,
        ..user.clone()
    }
}

fn find(state: &State, id: UserId) -> Result<User, ActionError> {
    let user = state.users.get(&id).map(|user| User::clone(user));
    user.ok_or(ActionError::NotFound("User"))
}

/// Passes where there is an admin beside `user`, or they are none.
fn keep_an_admin(state: &State, user: &User) -> Result<(), ActionError> {
    let mut others = state.users.values().filter(|other| other.id != user.id);
    if user.admin && !others.any(|other| other.admin && !other.profile.inactive) {
        return Err(ActionError::Unprocessable(format!(
            "'{}' is the only admin. Make another user an admin first.",
            user.username
        )));
    }
    Ok(())
}

fn remove(tx: &mut Tx, user: &User) -> Result<(), ActionError> {
    keep_an_admin(tx, user)?;
    crate::identity::end_sessions(tx, user.id);
    super::groups::forget(tx, user.id);
    let roles: Vec<_> = tx.roles_of_user(user.id).map(|role| role.id).collect();
    for role in roles {
        tx.delete(role);
    }
    tx.delete(user.id);
    Ok(())
}

fn may_see(state: &State, caller: &Caller, user: UserId) -> bool {
    caller.sees_all()
        || caller.user.id == user
        || state.roles_of_user(user).any(|role| match role.scope {
            RoleScope::Org(org) => caller.may_in_org(Verb::ReadOrg, org),
            RoleScope::Space(space) => caller.may_in_space(state, Verb::ReadSpace, space),
        })
}

/// What an event says of a user.
pub(super) fn told(user: &User) -> Value {
    serde_json::json!({ "username": user.username, "origin": user.origin })
}

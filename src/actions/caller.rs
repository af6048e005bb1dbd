//! Who asks.

use std::{collections::BTreeMap, sync::Arc};

use super::ActionError;
use crate::{
    authz::{Grants, Place, Reader, Scope, Verb, may},
    identity::covers,
    model::{
        ADMIN, ADMIN_READ_ONLY, Actor, GLOBAL_AUDITOR, KnownTo, Metadata, OrgId, Profile,
        RoleScope, SpaceId, Timestamp, User, UserId, Username,
    },
    store::State,
};

/// An authenticated user and what they hold in the state at the time of the request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: Arc<User>,
    /// What they hold.
    pub grants: Grants,
}

impl Caller {
    /// The caller with what `state` grants to `user`.
    #[must_use]
    pub fn new(state: &State, user: Arc<User>) -> Self {
        let mut grants = Grants {
            admin: user.admin,
            ..Grants::default()
        };
        if user.admin {
            grants.scopes.extend(Scope::ALL);
        }
        for group in state.groups_of(user.id) {
            let reader = match group.name.as_str() {
                ADMIN_READ_ONLY => Some(Reader::Admin),
                GLOBAL_AUDITOR => Some(Reader::Auditor),
                _ => None,
            };
            // Of two the one counts that sees more.
            grants.reader = grants.reader.max(reader);
            let given = |scope: &Scope| scope.groups().contains(&group.name.as_str());
            grants
                .scopes
                .extend(Scope::ALL.iter().filter(|scope| given(scope)));
        }
        let mut roles: BTreeMap<RoleScope, Vec<_>> = BTreeMap::new();
        for role in state.roles_of_user(user.id) {
            roles.entry(role.scope).or_default().push(role.kind);
            if let RoleScope::Space(space) = role.scope
                && let Some(space) = state.spaces.get(&space)
            {
                grants.orgs_of_spaces.push(space.org);
            }
        }
        grants.roles = roles;
        Self { user, grants }
    }

    /// Somebody who has not logged in, and holds nothing.
    ///
    /// # Errors
    /// Never: the name is one.
    pub fn nobody() -> Result<Self, ActionError> {
        let user = User {
            id: UserId::from_uuid(uuid::Uuid::nil()),
            username: Username::parse("nobody")?,
            origin: String::new(),
            external_id: None,
            known_to: KnownTo::default(),
            password_hash: None,
            admin: false,
            profile: Profile::default(),
            metadata: Metadata::default(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        Ok(Self {
            user: Arc::new(user),
            grants: Grants::default(),
        })
    }

    /// The same caller with a token that is good for these scopes only.
    #[must_use]
    pub fn limited(mut self, scopes: Option<&[String]>) -> Self {
        let Some(scopes) = scopes else { return self };
        let has = |wanted: &str| scopes.iter().any(|scope| covers(scope, wanted));
        // A client's own token is all that says what it is.
        let reader = if has(ADMIN_READ_ONLY) {
            Some(Reader::Admin)
        } else {
            has(GLOBAL_AUDITOR).then_some(Reader::Auditor)
        };
        let own = self.user.origin == "client";
        self.grants.reader = if own {
            reader
        } else {
            self.grants.reader.min(reader)
        };
        let held = std::mem::take(&mut self.grants.scopes);
        let named = |scope: &Scope| scope.groups().iter().any(|group| has(group));
        let scopes = Scope::ALL.into_iter().filter(named);
        self.grants.scopes = scopes.filter(|scope| own || held.contains(scope)).collect();
        self.grants.admin &= has(ADMIN);
        self.grants.read_only = !self.grants.admin && !has("cloud_controller.write");
        let reads = has("cloud_controller.read") || has("cloud_controller.write");
        if !reads && !self.grants.admin {
            // Not even what is one's own, but for the readers' part.
            self.grants.roles.clear();
            self.grants.orgs_of_spaces.clear();
        }
        self
    }

    /// The caller as the actor of an audit event.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let kind = if self.user.origin == "client" {
            "uaa-client"
        } else {
            "user"
        };
        Actor {
            guid: self.user.id.to_string(),
            kind: kind.to_owned(),
            name: self.user.username.to_string(),
        }
    }

    /// Whether the caller may do `verb` in `space`.
    #[must_use]
    pub fn may_in_space(&self, state: &State, verb: Verb, space: SpaceId) -> bool {
        state.spaces.get(&space).is_some_and(|found| {
            may(
                &self.grants,
                verb,
                Place::Space {
                    space,
                    org: found.org,
                },
            )
        })
    }

    /// Whether the caller may read the logs and metrics of everything at once.
    #[must_use]
    pub fn may_watch(&self) -> bool {
        may(&self.grants, Verb::ReadAllLogs, Place::Platform)
    }

    /// Whether the caller may see which ports TCP routes may have.
    #[must_use]
    pub fn may_see_router_groups(&self) -> bool {
        may(&self.grants, Verb::ReadRouterGroups, Place::Platform)
    }

    /// Whether the caller may do `verb` in `org`.
    #[must_use]
    pub fn may_in_org(&self, verb: Verb, org: OrgId) -> bool {
        may(&self.grants, verb, Place::Org(org))
    }

    /// Passes where the caller may do `verb` to something in `space`; `resource` names it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`] where the caller may not even see it, and
    /// [`ActionError::Forbidden`] where they may see it but not do this.
    pub fn need_in_space(
        &self,
        state: &State,
        verb: Verb,
        space: SpaceId,
        resource: &'static str,
    ) -> Result<(), ActionError> {
        self.need_seen(state, Verb::ReadSpace, verb, space, resource)
    }

    /// The same for what is seen by whoever may do `see`.
    ///
    /// # Errors
    /// As [`Caller::need_in_space`].
    pub fn need_seen(
        &self,
        state: &State,
        see: Verb,
        verb: Verb,
        space: SpaceId,
        resource: &'static str,
    ) -> Result<(), ActionError> {
        if !self.may_in_space(state, see, space) {
            return Err(ActionError::NotFound(resource));
        }
        if !self.may_in_space(state, verb, space) {
            return Err(ActionError::Forbidden);
        }
        let suspended = state
            .spaces
            .get(&space)
            .and_then(|space| state.orgs.get(&space.org))
            .is_some_and(|org| org.suspended);
        let writes = matches!(
            verb,
            Verb::WriteApps | Verb::OperateApps | Verb::UpdateSpace
        );
        if suspended && writes && !self.grants.admin {
            return Err(ActionError::OrgSuspended);
        }
        Ok(())
    }

    /// Passes where the caller may do `verb` to `org`.
    ///
    /// # Errors
    /// As [`Caller::need_in_space`].
    pub fn need_in_org(&self, verb: Verb, org: OrgId) -> Result<(), ActionError> {
        if !self.may_in_org(Verb::ReadOrg, org) {
            return Err(ActionError::NotFound("Organization"));
        }
        if self.may_in_org(verb, org) {
            Ok(())
        } else {
            Err(ActionError::Forbidden)
        }
    }

    /// Passes where `org` is not suspended, or the caller is an admin.
    ///
    /// # Errors
    /// [`ActionError::OrgSuspended`].
    pub fn need_active(&self, state: &State, org: OrgId) -> Result<(), ActionError> {
        let suspended = state.orgs.get(&org).is_some_and(|org| org.suspended);
        if suspended && !self.grants.admin {
            return Err(ActionError::OrgSuspended);
        }
        Ok(())
    }

    /// Whether the caller sees what is everybody's.
    #[must_use]
    pub const fn sees_all(&self) -> bool {
        self.grants.admin || self.grants.reader.is_some()
    }

    /// Passes where the caller is an admin.
    ///
    /// # Errors
    /// [`ActionError::Forbidden`].
    pub const fn need_admin(&self) -> Result<(), ActionError> {
        if self.grants.admin {
            Ok(())
        } else {
            Err(ActionError::Forbidden)
        }
    }
}

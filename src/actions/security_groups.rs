//! Security groups: rules about what apps and builds may reach.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    jobs::finished_job,
};
use crate::{
    authz::{Place, Verb},
    model::{
        Job, Reach, SecurityGroup, SecurityGroupId, SecurityGroupName, SpaceId, Timestamp, Workload,
    },
    store::{State, Tx},
    wire::{
        ToMany,
        security_group::{Create, Update, rules, space_ids},
    },
};

impl Actions {
    /// The security groups that the caller may see: those that hold everywhere, and those of
    /// their spaces.
    #[must_use]
    pub fn security_groups(&self, caller: &Caller) -> Vec<Arc<SecurityGroup>> {
        let state = self.store.state();
        let groups = state.security_groups.values();
        groups
            .filter(|group| may_see(&state, caller, group))
            .cloned()
            .collect()
    }

    /// The security group, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn security_group(
        &self,
        caller: &Caller,
        id: SecurityGroupId,
    ) -> Result<Arc<SecurityGroup>, ActionError> {
        find(&self.store.state(), caller, id)
    }

    /// The security groups that hold in a space.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn security_groups_of(
        &self,
        caller: &Caller,
        space: SpaceId,
        workload: Workload,
    ) -> Result<Vec<Arc<SecurityGroup>>, ActionError> {
        self.space(caller, space)?;
        let mut groups = self.security_groups(caller);
        groups.retain(|group| group.reach(workload).holds_in(space));
        Ok(groups)
    }

    /// Makes a security group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a rule or space is none.
    pub async fn create_security_group(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<SecurityGroup, ActionError> {
        caller.need_admin()?;
        let name = SecurityGroupName::parse(body.name)?;
        let rules = rules(&body.rules).map_err(ActionError::Several)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                unique(tx, &name, None)?;
                let reach = |everywhere: Option<bool>, spaces: Option<&ToMany>| {
                    let spaces = spaces.map_or_else(
                        || Ok(BTreeSet::new()),
                        |spaces| readable_spaces(tx, caller, spaces),
                    )?;
                    Ok::<_, ActionError>(Reach {
                        everywhere: everywhere.unwrap_or_default(),
                        spaces,
                    })
                };
                let places = &body.relationships;
                let group = SecurityGroup {
                    id: SecurityGroupId::random(),
                    name,
                    rules,
                    running: reach(
                        body.globally_enabled.running,
                        places.running_spaces.as_ref(),
                    )?,
                    staging: reach(
                        body.globally_enabled.staging,
                        places.staging_spaces.as_ref(),
                    )?,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(group.clone());
                let data = json!({ "request": {
                    "name": group.name, "rules": group.rules,
                    "globally_enabled": body.globally_enabled,
                } });
                note(tx, caller, "create", &group, Place::Platform, data, now);
                Ok(group)
            })
            .await
    }

    /// Changes a security group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a rule is none.
    pub async fn update_security_group(
        &self,
        caller: &Caller,
        id: SecurityGroupId,
        body: Update,
    ) -> Result<SecurityGroup, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut group = SecurityGroup::clone(&*find(tx, caller, id)?);
                caller.need_admin()?;
                let mut request = serde_json::Map::new();
                if let Some(name) = body.name {
                    let name = SecurityGroupName::parse(name)?;
                    unique(tx, &name, Some(id))?;
                    request.insert("name".to_owned(), json!(name));
                    group.name = name;
                }
                if let Some(value) = &body.rules {
                    group.rules = rules(value).map_err(ActionError::Several)?;
                    request.insert("rules".to_owned(), json!(group.rules));
                }
                let enabled = &body.globally_enabled;
                for (reach, everywhere) in [
                    (&mut group.running, enabled.running),
                    (&mut group.staging, enabled.staging),
                ] {
                    reach.everywhere = everywhere.unwrap_or(reach.everywhere);
                }
                request.insert("globally_enabled".to_owned(), json!(enabled));
                group.updated_at = now;
                tx.put(group.clone());
                let data = json!({ "request": request });
                note(tx, caller, "update", &group, Place::Platform, data, now);
                Ok(group)
            })
            .await
    }

    /// Deletes a security group. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_security_group(
        &self,
        caller: &Caller,
        id: SecurityGroupId,
    ) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let group = find(tx, caller, id)?;
                caller.need_admin()?;
                tx.delete(id);
                note(
                    tx,
                    caller,
                    "delete",
                    &group,
                    Place::Platform,
                    json!({}),
                    now,
                );
                Ok(finished_job(tx, "security_group.delete", now))
            })
            .await
    }

    /// Lets a security group hold in more spaces.
    ///
    /// # Errors
    /// Where the caller may not manage each of the spaces, or one is none.
    pub async fn bind_security_group(
        &self,
        caller: &Caller,
        id: SecurityGroupId,
        workload: Workload,
        to: ToMany,
    ) -> Result<SecurityGroup, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut group = SecurityGroup::clone(&*find(tx, caller, id)?);
                let named: Vec<SpaceId> = to.data.iter().filter_map(|item| item.id()).collect();
                let there = named.iter().filter(|space| tx.spaces.contains_key(*space));
                for space in there {
                    if !caller.may_in_space(tx, Verb::UpdateSpace, *space) {
                        return Err(ActionError::Forbidden);
                    }
                }
                let spaces = readable_spaces(tx, caller, &to)?;
                group
                    .reach_mut(workload)
                    .spaces
                    .extend(spaces.iter().copied());
                put_bound(tx, caller, &mut group, workload, ("apply", &spaces), now);
                Ok(group)
            })
            .await
    }

    /// Ends a security group's hold in a space.
    ///
    /// # Errors
    /// Where the caller may not manage the space, or the group does not hold there.
    pub async fn unbind_security_group(
        &self,
        caller: &Caller,
        id: SecurityGroupId,
        workload: Workload,
        space: SpaceId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut group = SecurityGroup::clone(&*find(tx, caller, id)?);
                let not_bound = || {
                    ActionError::Unprocessable(format!(
                        "Unable to unbind security group from space with guid '{space}'. Ensure \
                         the space is bound to this security group."
                    ))
                };
                if !tx.spaces.contains_key(&space) {
                    return Err(not_bound());
                }
                if !caller.may_in_space(tx, Verb::UpdateSpace, space) {
                    return Err(ActionError::Forbidden);
                }
                if !group.reach_mut(workload).spaces.remove(&space) {
                    return Err(not_bound());
                }
                let spaces = BTreeSet::from([space]);
                put_bound(tx, caller, &mut group, workload, ("unapply", &spaces), now);
                Ok(())
            })
            .await
    }
}

/// Whether the caller may see the group.
fn may_see(state: &State, caller: &Caller, group: &SecurityGroup) -> bool {
    let readable = |space: &SpaceId| caller.may_in_space(state, Verb::ReadSpace, *space);
    [&group.running, &group.staging]
        .into_iter()
        .any(|reach| reach.everywhere || reach.spaces.iter().any(readable))
        || caller.sees_all()
}

fn find(
    state: &State,
    caller: &Caller,
    id: SecurityGroupId,
) -> Result<Arc<SecurityGroup>, ActionError> {
    let group = state.security_groups.get(&id);
    group
        .filter(|group| may_see(state, caller, group))
        .cloned()
        .ok_or(ActionError::NotFound("Security group"))
}

fn unique(
    state: &State,
    name: &SecurityGroupName,
    but: Option<SecurityGroupId>,
) -> Result<(), ActionError> {
    match state.security_group_by_name(name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(format!(
            "Security group with name '{name}' already exists."
        ))),
        _ => Ok(()),
    }
}

/// The spaces, where the caller may see all of them.
fn readable_spaces(
    state: &State,
    caller: &Caller,
    spaces: &ToMany,
) -> Result<BTreeSet<SpaceId>, ActionError> {
    let missing = |guids: Vec<String>| {
        ActionError::Unprocessable(format!(
            "Spaces with guids {guids:?} do not exist, or you do not have access to them."
        ))
    };
    let ids = space_ids(spaces).map_err(missing)?;
    let unseen = ids
        .iter()
        .filter(|space| !caller.may_in_space(state, Verb::ReadSpace, **space));
    let unseen: Vec<String> = unseen.map(ToString::to_string).collect();
    if unseen.is_empty() {
        Ok(ids)
    } else {
        Err(missing(unseen))
    }
}

/// Puts a group that was bound to spaces or unbound from them, with an event in each of them.
fn put_bound(
    tx: &mut Tx,
    caller: &Caller,
    group: &mut SecurityGroup,
    workload: Workload,
    (verb, spaces): (&str, &BTreeSet<SpaceId>),
    now: Timestamp,
) {
    group.updated_at = now;
    tx.put(group.clone());
    let lifecycle = match workload {
        Workload::Running => "running",
        Workload::Staging => "staging",
    };
    for space in spaces {
        let place = tx.spaces.get(space).map_or(Place::Platform, |found| {
            let org = found.org;
            Place::Space { space: *space, org }
        });
        let data = json!({ "request": {
            "space_guid": space.to_string(), "lifecycle": lifecycle,
        } });
        note(tx, caller, verb, group, place, data, now);
    }
}

fn note(
    tx: &mut Tx,
    caller: &Caller,
    verb: &str,
    group: &SecurityGroup,
    place: Place,
    data: Value,
    now: Timestamp,
) {
    let target = target("security_group", group.id, &group.name);
    let kind = format!("audit.security_group.{verb}");
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

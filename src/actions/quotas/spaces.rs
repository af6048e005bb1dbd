//! Quotas of spaces.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{name, usage};
use crate::{
    actions::{
        ActionError, Actions, Caller,
        audit::{audit, target},
        jobs::finished_job,
    },
    authz::{Place, Verb},
    model::{
        DomainLimits, Job, Limits, OrgId, QuotaName, QuotaUsage, Space, SpaceId, SpaceQuota,
        SpaceQuotaId, Timestamp,
    },
    store::{State, Tx},
    wire::{
        ToMany,
        quota::{CreateSpaceQuota, Update},
    },
};

impl Actions {
    /// The quotas of spaces that the caller may see: those of organizations that they manage,
    /// and those of their spaces.
    #[must_use]
    pub fn space_quotas(&self, caller: &Caller) -> Vec<Arc<SpaceQuota>> {
        let state = self.store.state();
        let quotas = state.space_quotas.values();
        quotas
            .filter(|quota| may_see(&state, caller, quota))
            .cloned()
            .collect()
    }

    /// The quota, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn space_quota(
        &self,
        caller: &Caller,
        id: SpaceQuotaId,
    ) -> Result<Arc<SpaceQuota>, ActionError> {
        let state = self.store.state();
        let quota = state.space_quotas.get(&id);
        let quota = quota.filter(|quota| may_see(&state, caller, quota));
        quota.cloned().ok_or(MISSING)
    }

    /// What the space uses; domains are its organization's.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn space_usage(&self, caller: &Caller, id: SpaceId) -> Result<QuotaUsage, ActionError> {
        let space = self.space(caller, id)?;
        let state = self.store.state();
        let mut used = usage::of_space(&state, id);
        used.domains = usage::of_org(&state, space.org).domains;
        Ok(used)
    }

    /// Makes a quota for spaces of an organization.
    ///
    /// # Errors
    /// Where the caller does not manage the organization, the name is taken, or a space is none.
    pub async fn create_space_quota(
        &self,
        caller: &Caller,
        body: CreateSpaceQuota,
    ) -> Result<SpaceQuota, ActionError> {
        let mut limits = Limits::default();
        body.apply(&mut limits).map_err(ActionError::Several)?;
        limits.domains = DomainLimits::default();
        let name = name(body.name.clone())?;
        let wanted = body.relationships.organization;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let found: Option<OrgId> = wanted.id();
                let seen = found.filter(|org| {
                    tx.orgs.contains_key(org) && caller.may_in_org(Verb::ReadOrg, *org)
                });
                let org = seen.ok_or_else(|| {
                    let guid = wanted.data.as_ref().map_or("", |org| &org.guid);
                    ActionError::Unprocessable(format!(
                        "Organization with guid '{guid}' does not exist, or you do not have \
                         access to it."
                    ))
                })?;
                caller.need_in_org(Verb::WriteOrg, org)?;
                caller.need_active(tx, org)?;
                unique(tx, org, &name, None)?;
                let quota = SpaceQuota {
                    id: SpaceQuotaId::random(),
                    org,
                    name,
                    limits,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(quota.clone());
                let data = json!({ "request": { "name": quota.name, "limits": quota.limits } });
                note(tx, caller, "create", &quota, None, data, now);
                if let Some(spaces) = &body.relationships.spaces {
                    apply(tx, caller, &quota, spaces, now)?;
                }
                Ok(quota)
            })
            .await
    }

    /// Changes a quota. What is beyond it by then stays as it is.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or instances write logs without a limit.
    pub async fn update_space_quota(
        &self,
        caller: &Caller,
        id: SpaceQuotaId,
        body: Update,
    ) -> Result<SpaceQuota, ActionError> {
        let new_name = body.name.clone().map(name).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut quota = find(tx, caller, id)?;
                let open = quota
                    .limits
                    .apps
                    .log_rate_limit_in_bytes_per_second
                    .is_none();
                body.apply(&mut quota.limits)
                    .map_err(ActionError::Several)?;
                // Domains are an organization's.
                quota.limits.domains = DomainLimits::default();
                let data = json!({ "request": { "name": new_name, "limits": quota.limits } });
                if let Some(name) = new_name {
                    unique(tx, quota.org, &name, Some(id))?;
                    quota.name = name;
                }
                if open
                    && quota
                        .limits
                        .apps
                        .log_rate_limit_in_bytes_per_second
                        .is_some()
                {
                    let spaces = tx.spaces_with_quota(&quota);
                    let spaces = spaces.filter(|space| writes_openly(tx, space.id));
                    let names: Vec<_> = spaces.map(|space| space.name.as_str()).collect();
                    none_open("space", &names)?;
                }
                quota.updated_at = now;
                tx.put(quota.clone());
                note(tx, caller, "update", &quota, None, data, now);
                Ok(quota)
            })
            .await
    }

    /// Deletes a quota that no space has.
    ///
    /// # Errors
    /// Where the caller may not, or a space has it.
    pub async fn delete_space_quota(
        &self,
        caller: &Caller,
        id: SpaceQuotaId,
    ) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let quota = find(tx, caller, id)?;
                if tx.spaces_with_quota(&quota).next().is_some() {
                    return Err(ActionError::Unprocessable(
                        "This quota is applied to one or more spaces. Remove this quota from \
                         all spaces before deleting."
                            .to_owned(),
                    ));
                }
                tx.delete(id);
                note(tx, caller, "delete", &quota, None, json!({}), now);
                Ok(finished_job(tx, "space_quota.delete", now))
            })
            .await
    }

    /// Gives spaces of the quota's organization the quota.
    ///
    /// # Errors
    /// Where the caller may not, or a space is none or another organization's.
    pub async fn apply_space_quota(
        &self,
        caller: &Caller,
        id: SpaceQuotaId,
        spaces: ToMany,
    ) -> Result<SpaceQuota, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let quota = find(tx, caller, id)?;
                apply(tx, caller, &quota, &spaces, now)?;
                Ok(quota)
            })
            .await
    }

    /// Takes the quota from a space.
    ///
    /// # Errors
    /// Where the caller may not, or the space does not have it.
    pub async fn remove_space_quota(
        &self,
        caller: &Caller,
        id: SpaceQuotaId,
        space: SpaceId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let quota = find(tx, caller, id)?;
                let found = tx.spaces.get(&space);
                let found = found.filter(|found| found.quota == Some(id));
                let mut found = Space::clone(found.ok_or_else(|| {
                    ActionError::Unprocessable(format!(
                        "Unable to remove quota from space with guid '{space}'. Ensure the \
                         space quota is applied to this space."
                    ))
                })?);
                let data = json!({ "space_guid": space.to_string(), "space_name": found.name });
                note(tx, caller, "remove", &quota, Some(space), data, now);
                found.quota = None;
                found.updated_at = now;
                tx.put(found);
                Ok(())
            })
            .await
    }
}

const MISSING: ActionError = ActionError::NotFound("Space quota");

fn may_see(state: &State, caller: &Caller, quota: &SpaceQuota) -> bool {
    caller.sees_all()
        || caller.may_in_org(Verb::WriteOrg, quota.org)
        || state
            .spaces_with_quota(quota)
            .any(|space| caller.may_in_space(state, Verb::ReadSpace, space.id))
}

/// The quota, where the caller may change it.
fn find(state: &State, caller: &Caller, id: SpaceQuotaId) -> Result<SpaceQuota, ActionError> {
    let quota = state.space_quotas.get(&id);
    let quota = quota.filter(|quota| may_see(state, caller, quota));
    let quota = quota.ok_or(MISSING)?;
    caller.need_in_org(Verb::WriteOrg, quota.org)?;
    caller.need_active(state, quota.org)?;
    Ok(SpaceQuota::clone(quota))
}

fn unique(
    state: &State,
    org: OrgId,
    name: &QuotaName,
    but: Option<SpaceQuotaId>,
) -> Result<(), ActionError> {
    match state.space_quota_by_name(org, name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(format!(
            "Space Quota '{name}' already exists."
        ))),
        _ => Ok(()),
    }
}

fn apply(
    tx: &mut Tx,
    caller: &Caller,
    quota: &SpaceQuota,
    spaces: &ToMany,
    now: Timestamp,
) -> Result<(), ActionError> {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for item in &spaces.data {
        let space = item.id().and_then(|id: SpaceId| tx.spaces.get(&id));
        match space.filter(|space| caller.may_in_space(tx, Verb::ReadSpace, space.id)) {
            Some(space) => there.push(Space::clone(space)),
            None => missing.push(item.guid.as_str()),
        }
    }
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    if !missing.is_empty() {
        return refuse(format!(
            "Spaces with guids {missing:?} do not exist, or you do not have access to them."
        ));
    }
    if there.iter().any(|space| space.org != quota.org) {
        return refuse(
            "Space quotas cannot be applied outside of their owning organization.".to_owned(),
        );
    }
    if quota
        .limits
        .apps
        .log_rate_limit_in_bytes_per_second
        .is_some()
        && there.iter().any(|space| writes_openly(tx, space.id))
    {
        return refuse(
            "Current usage exceeds new quota values. The space(s) being assigned this quota \
             contain apps running with an unlimited log rate limit."
                .to_owned(),
        );
    }
    for mut space in there {
        let data = json!({ "space_guid": space.id.to_string(), "space_name": space.name });
        note(tx, caller, "apply", quota, Some(space.id), data, now);
        space.quota = Some(quota.id);
        space.updated_at = now;
        tx.put(space);
    }
    Ok(())
}

/// Whether an instance in `space` may write to its log without a limit.
fn writes_openly(state: &State, space: SpaceId) -> bool {
    usage::of_space(state, space).log_rate.unlimited > 0
}

/// Passes where no place of this kind (`org` or `space`) is named as one whose instances may
/// write without a limit.
pub(super) fn none_open(kind: &str, names: &[&str]) -> Result<(), ActionError> {
    let what = match names {
        [] => return Ok(()),
        [one] => format!("{kind} '{one}' which contains"),
        [one, two] => format!("{kind}s '{one}', '{two}' which contain"),
        [one, two, more @ ..] => format!(
            "{kind}s '{one}', '{two}' and {} other {kind}s which contain",
            more.len()
        ),
    };
    Err(ActionError::Unprocessable(format!(
        "Current usage exceeds new quota values. This quota is applied to {what} apps running \
         with an unlimited log rate limit."
    )))
}

fn note(
    tx: &mut Tx,
    caller: &Caller,
    what: &str,
    quota: &SpaceQuota,
    space: Option<SpaceId>,
    data: Value,
    now: Timestamp,
) {
    let kind = format!("audit.space_quota.{what}");
    let target = target("space_quota", quota.id, &quota.name);
    let org = quota.org;
    let place = space.map_or(Place::Org(org), |space| Place::Space { space, org });
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

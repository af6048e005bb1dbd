//! Quotas of organizations.

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
    model::{Job, Limits, Org, OrgId, OrgQuota, OrgQuotaId, QuotaName, QuotaUsage, Timestamp},
    store::{State, Tx},
    wire::{
        ToMany,
        quota::{CreateOrgQuota, Update},
    },
};

impl Actions {
    /// The quotas of organizations that the caller may see: all for who sees all organizations,
    /// for others those of the organizations that they may see.
    #[must_use]
    pub fn org_quotas(&self, caller: &Caller) -> Vec<Arc<OrgQuota>> {
        let state = self.store.state();
        let quotas = state.org_quotas.values();
        quotas
            .filter(|quota| {
                caller.sees_all()
                    || state
                        .orgs_with_quota(quota.id)
                        .any(|org| caller.may_in_org(Verb::ReadOrg, org.id))
            })
            .cloned()
            .collect()
    }

    /// The quota. Everybody may look at one whose guid they know, as in Cloud Foundry.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn org_quota(&self, _: &Caller, id: OrgQuotaId) -> Result<Arc<OrgQuota>, ActionError> {
        let state = self.store.state();
        let quota = state.org_quotas.get(&id).cloned();
        quota.ok_or(MISSING)
    }

    /// What the organization uses.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn organization_usage(
        &self,
        caller: &Caller,
        id: OrgId,
    ) -> Result<QuotaUsage, ActionError> {
        self.organization(caller, id)?;
        Ok(usage::of_org(&self.store.state(), id))
    }

    /// What the whole platform uses, for those who see all of it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn platform_usage(&self, caller: &Caller) -> Result<QuotaUsage, ActionError> {
        if !caller.sees_all() {
            return Err(ActionError::NotFound("Usage summary"));
        }
        let state = self.store.state();
        let mut used = QuotaUsage::default();
        for org in state.orgs.keys() {
            used += usage::of_org(&state, *org);
        }
        Ok(used)
    }

    /// Makes a quota. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or an organization is none.
    pub async fn create_org_quota(
        &self,
        caller: &Caller,
        body: CreateOrgQuota,
    ) -> Result<OrgQuota, ActionError> {
        caller.need_admin()?;
        let mut limits = Limits::default();
        body.apply(&mut limits).map_err(ActionError::Several)?;
        let now = self.now();
        let quota = OrgQuota {
            id: OrgQuotaId::random(),
            name: name(body.name.clone())?,
            limits,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                unique(tx, &quota.name, None)?;
                tx.put(quota.clone());
                let data = json!({ "request": { "name": quota.name, "limits": quota.limits } });
                note(tx, caller, "create", &quota, None, data, now);
                if let Some(orgs) = &body.relationships.organizations {
                    apply(tx, caller, &quota, orgs, now)?;
                }
                Ok(quota)
            })
            .await
    }

    /// Changes a quota. Only admins may. What is beyond it by then stays as it is.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or instances write logs without a limit.
    pub async fn update_org_quota(
        &self,
        caller: &Caller,
        id: OrgQuotaId,
        body: Update,
    ) -> Result<OrgQuota, ActionError> {
        caller.need_admin()?;
        let new_name = body.name.clone().map(name).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut quota = find(tx, id)?;
                let open = quota
                    .limits
                    .apps
                    .log_rate_limit_in_bytes_per_second
                    .is_none();
                body.apply(&mut quota.limits)
                    .map_err(ActionError::Several)?;
                let data = json!({ "request": { "name": new_name, "limits": quota.limits } });
                if let Some(name) = new_name {
                    unique(tx, &name, Some(id))?;
                    quota.name = name;
                }
                if open
                    && quota
                        .limits
                        .apps
                        .log_rate_limit_in_bytes_per_second
                        .is_some()
                {
                    let orgs = tx.orgs_with_quota(id);
                    let orgs = orgs.filter(|org| writes_openly(tx, org.id));
                    let names: Vec<_> = orgs.map(|org| org.name.as_str()).collect();
                    super::spaces::none_open("org", &names)?;
                }
                quota.updated_at = now;
                tx.put(quota.clone());
                note(tx, caller, "update", &quota, None, data, now);
                Ok(quota)
            })
            .await
    }

    /// Deletes a quota that no organization has. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or an organization has it.
    pub async fn delete_org_quota(
        &self,
        caller: &Caller,
        id: OrgQuotaId,
    ) -> Result<Job, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let quota = find(tx, id)?;
                if tx.orgs_with_quota(id).next().is_some() {
                    return Err(ActionError::Unprocessable(
                        "This quota is applied to one or more organizations. Apply different \
                         quotas to those organizations before deleting."
                            .to_owned(),
                    ));
                }
                if id == OrgQuotaId::DEFAULT {
                    return Err(ActionError::Unprocessable(format!(
                        "'{}' is the quota that new organizations get.",
                        quota.name
                    )));
                }
                tx.delete(id);
                note(tx, caller, "delete", &quota, None, json!({}), now);
                Ok(finished_job(tx, "organization_quota.delete", now))
            })
            .await
    }

    /// Gives organizations a quota. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or an organization is none.
    pub async fn apply_org_quota(
        &self,
        caller: &Caller,
        id: OrgQuotaId,
        orgs: ToMany,
    ) -> Result<OrgQuota, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let quota = find(tx, id)?;
                apply(tx, caller, &quota, &orgs, now)?;
                Ok(quota)
            })
            .await
    }
}

const MISSING: ActionError = ActionError::NotFound("Organization quota");

/// Puts the quota `default` where there is none. It limits nothing until an admin says so.
pub(in crate::actions) fn put_default(tx: &mut Tx, now: Timestamp) -> Result<(), ActionError> {
    if tx.org_quotas.contains_key(&OrgQuotaId::DEFAULT) {
        return Ok(());
    }
    tx.put(OrgQuota {
        id: OrgQuotaId::DEFAULT,
        name: QuotaName::parse("default")?,
        limits: Limits::default(),
        created_at: now,
        updated_at: now,
    });
    Ok(())
}

fn find(state: &State, id: OrgQuotaId) -> Result<OrgQuota, ActionError> {
    let quota = state.org_quotas.get(&id);
    quota.map(|quota| OrgQuota::clone(quota)).ok_or(MISSING)
}

fn unique(state: &State, name: &QuotaName, but: Option<OrgQuotaId>) -> Result<(), ActionError> {
    match state.org_quota_by_name(name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(format!(
            "Organization Quota '{name}' already exists."
        ))),
        _ => Ok(()),
    }
}

fn apply(
    tx: &mut Tx,
    caller: &Caller,
    quota: &OrgQuota,
    orgs: &ToMany,
    now: Timestamp,
) -> Result<(), ActionError> {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for item in &orgs.data {
        match item.id().and_then(|id: OrgId| tx.orgs.get(&id)) {
            Some(org) => there.push(Org::clone(org)),
            None => missing.push(item.guid.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(ActionError::Unprocessable(format!(
            "Organizations with guids {missing:?} do not exist, or you do not have access to \
             them."
        )));
    }
    if quota
        .limits
        .apps
        .log_rate_limit_in_bytes_per_second
        .is_some()
        && there.iter().any(|org| writes_openly(tx, org.id))
    {
        return Err(ActionError::Unprocessable(
            "Current usage exceeds new quota values. The org(s) being assigned this quota \
             contain apps running with an unlimited log rate limit."
                .to_owned(),
        ));
    }
    for mut org in there {
        let data =
            json!({ "organization_guid": org.id.to_string(), "organization_name": org.name });
        note(tx, caller, "apply", quota, Some(org.id), data, now);
        org.quota = Some(quota.id);
        org.updated_at = now;
        tx.put(org);
    }
    Ok(())
}

/// Whether an instance in `org` may write to its log without a limit.
fn writes_openly(state: &State, org: OrgId) -> bool {
    usage::of_org(state, org).log_rate.unlimited > 0
}

fn note(
    tx: &mut Tx,
    caller: &Caller,
    what: &str,
    quota: &OrgQuota,
    org: Option<OrgId>,
    data: Value,
    now: Timestamp,
) {
    let kind = format!("audit.organization_quota.{what}");
    let target = target("organization_quota", quota.id, &quota.name);
    let place = org.map_or(Place::Platform, Place::Org);
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

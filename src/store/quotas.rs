//! The ways to find quotas, and what holds where.

use super::index::lower;
use crate::model::{Limits, Org, OrgId, OrgQuota, OrgQuotaId, Space, SpaceQuota, SpaceQuotaId};

impl super::State {
    /// The quota of organizations with this name, whatever the case.
    #[must_use]
    pub fn org_quota_by_name(&self, name: &str) -> Option<&OrgQuota> {
        self.org_quotas
            .get(self.indexes.org_quotas.get(&lower(name))?)
            .map(AsRef::as_ref)
    }

    /// The quota of spaces of `org` with this name, whatever the case.
    #[must_use]
    pub fn space_quota_by_name(&self, org: OrgId, name: &str) -> Option<&SpaceQuota> {
        self.space_quotas
            .get(self.indexes.space_quotas.get(&(org, lower(name)))?)
            .map(AsRef::as_ref)
    }

    /// The quotas of spaces of `org`, by name.
    pub fn space_quotas_of(&self, org: OrgId) -> impl Iterator<Item = &SpaceQuota> + '_ {
        self.indexes
            .space_quotas
            .range((org, String::new())..)
            .take_while(move |((owner, _), _)| *owner == org)
            .filter_map(|(_, id)| self.space_quotas.get(id).map(AsRef::as_ref))
    }

    /// The organizations that have this quota.
    pub fn orgs_with_quota(&self, quota: OrgQuotaId) -> impl Iterator<Item = &Org> + '_ {
        let orgs = self.orgs.values().map(AsRef::as_ref);
        orgs.filter(move |org: &&Org| org.quota() == quota)
    }

    /// The spaces that have this quota.
    pub fn spaces_with_quota(&self, quota: &SpaceQuota) -> impl Iterator<Item = &Space> + '_ {
        let (org, id) = (quota.org, quota.id);
        let spaces = self.spaces_of(org);
        spaces.filter(move |space| space.quota == Some(id))
    }

    /// What limits the organization.
    #[must_use]
    pub fn limits_of_org(&self, org: &Org) -> Limits {
        let quota = self.org_quotas.get(&org.quota());
        quota.map(|quota| quota.limits).unwrap_or_default()
    }

    /// What limits the space beside its organization.
    #[must_use]
    pub fn limits_of_space(&self, space: &Space) -> Limits {
        let id: Option<SpaceQuotaId> = space.quota;
        let quota = id.and_then(|id| self.space_quotas.get(&id));
        quota.map(|quota| quota.limits).unwrap_or_default()
    }
}

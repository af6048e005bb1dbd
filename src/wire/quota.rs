//! Quotas of organizations and spaces, and what they use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Base, Links, ToMany, ToOne, shared};
use crate::model::{Limits, OrgId, OrgQuota, QuotaUsage, Space, SpaceId, SpaceQuota};

/// Highest limit of a number (Cloud Foundry's database column).
const MOST: i64 = 2_147_483_647;

/// A limit as it comes in: nothing said, `null` for none, or a number.
type Number = Option<Option<i64>>;

/// Limits of apps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Apps {
    /// Mebibytes of everything.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_memory_in_mb: Number,
    /// Mebibytes of one instance or task.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub per_process_memory_in_mb: Number,
    /// Instances.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_instances: Number,
    /// Tasks of one app.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub per_app_tasks: Number,
    /// Log bytes per second.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub log_rate_limit_in_bytes_per_second: Number,
}

/// Limits of services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Whether plans that cost something may be used.
    pub paid_services_allowed: Option<bool>,
    /// Managed service instances.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_service_instances: Number,
    /// Service keys.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_service_keys: Number,
}

/// Limits of routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Routes {
    /// Routes.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_routes: Number,
    /// Ports of TCP routes.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_reserved_ports: Number,
}

/// Limits of domains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Domains {
    /// Private domains.
    #[serde(deserialize_with = "shared::maybe_null")]
    pub total_domains: Number,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
            /// Limits of apps.
            #[serde(default, deserialize_with = "shared::or_default")]
            pub apps: Apps,
            /// Limits of services.
            #[serde(default, deserialize_with = "shared::or_default")]
            pub services: Services,
            /// Limits of routes.
            #[serde(default, deserialize_with = "shared::or_default")]
            pub routes: Routes,
            /// Limits of domains, which spaces do not have.
            #[serde(default, deserialize_with = "shared::or_default")]
            pub domains: Domains,
        }

        impl $name {
            /// Sets what is said in `limits`.
            ///
            /// # Errors
            /// Everything that is wrong.
            pub fn apply(&self, limits: &mut Limits) -> Result<(), Vec<String>> {
                apply((&self.apps, &self.services, &self.routes, &self.domains), limits)
            }
        }
    )*};
}

bodies! {
    /// Body of `POST /v3/organization_quotas`.
    CreateOrgQuota {
        /// The name.
        name: String,
        /// Who gets it.
        #[serde(default, deserialize_with = "shared::or_default")]
        relationships: OrgRelationships,
    }

    /// Body of `POST /v3/space_quotas`.
    CreateSpaceQuota {
        /// The name.
        name: String,
        /// Where it belongs and who gets it.
        relationships: SpaceRelationships,
    }

    /// Body of `PATCH` of either kind.
    Update {
        /// A new name.
        #[serde(default)]
        name: Option<String>,
    }
}

/// Who gets a quota of organizations.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrgRelationships {
    /// The organizations.
    pub organizations: Option<ToMany>,
}

/// Where a quota of spaces belongs and who gets it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpaceRelationships {
    /// The organization.
    pub organization: ToOne,
    /// The spaces.
    #[serde(default)]
    pub spaces: Option<ToMany>,
}

fn apply(
    (apps, services, routes, domains): (&Apps, &Services, &Routes, &Domains),
    limits: &mut Limits,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    let mut set = |what: &str, limit: &mut Option<u64>, said: Number, most: i64| match said {
        None => {}
        Some(None) => *limit = None,
        Some(Some(number)) => match u64::try_from(number) {
            Ok(number_) if number <= most => *limit = Some(number_),
            Ok(_) => errors.push(format!("{what} must be less than or equal to {most}")),
            Err(_) => errors.push(format!("{what} must be greater than or equal to 0")),
        },
    };
    let of = &mut limits.apps;
    set(
        "Apps Total memory in mb",
        &mut of.total_memory_in_mb,
        apps.total_memory_in_mb,
        MOST,
    );
    set(
        "Apps Per process memory in mb",
        &mut of.per_process_memory_in_mb,
        apps.per_process_memory_in_mb,
        MOST,
    );
    set(
        "Apps Total instances",
        &mut of.total_instances,
        apps.total_instances,
        MOST,
    );
    set(
        "Apps Per app tasks",
        &mut of.per_app_tasks,
        apps.per_app_tasks,
        MOST,
    );
    set(
        "Apps Log rate limit in bytes per second",
        &mut of.log_rate_limit_in_bytes_per_second,
        apps.log_rate_limit_in_bytes_per_second,
        i64::MAX,
    );
    let of = &mut limits.services;
    set(
        "Services Total service instances",
        &mut of.total_service_instances,
        services.total_service_instances,
        MOST,
    );
    set(
        "Services Total service keys",
        &mut of.total_service_keys,
        services.total_service_keys,
        MOST,
    );
    let of = &mut limits.routes;
    set(
        "Routes Total routes",
        &mut of.total_routes,
        routes.total_routes,
        MOST,
    );
    set(
        "Routes Total reserved ports",
        &mut of.total_reserved_ports,
        routes.total_reserved_ports,
        MOST,
    );
    set(
        "Domains Total domains",
        &mut limits.domains.total_domains,
        domains.total_domains,
        MOST,
    );
    if let Some(allowed) = services.paid_services_allowed {
        limits.services.paid_services_allowed = allowed;
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// One quota of organizations, which is related to `orgs`.
#[must_use]
pub fn present_org(quota: &OrgQuota, orgs: impl IntoIterator<Item = OrgId>, base: &Base) -> Value {
    let limits = &quota.limits;
    json!({
        "guid": quota.id.to_string(),
        "created_at": quota.created_at.to_string(),
        "updated_at": quota.updated_at.to_string(),
        "name": quota.name,
        "apps": limits.apps,
        "services": limits.services,
        "routes": limits.routes,
        "domains": limits.domains,
        "relationships": { "organizations": shared::to_many(orgs) },
        "links": Links::new(base)
            .to("self", &format!("/v3/organization_quotas/{}", quota.id))
            .json(),
    })
}

/// One quota of spaces, which is related to `spaces`.
#[must_use]
pub fn present_space(
    quota: &SpaceQuota,
    spaces: impl IntoIterator<Item = SpaceId>,
    base: &Base,
) -> Value {
    let limits = &quota.limits;
    json!({
        "guid": quota.id.to_string(),
        "created_at": quota.created_at.to_string(),
        "updated_at": quota.updated_at.to_string(),
        "name": quota.name,
        "apps": limits.apps,
        "services": limits.services,
        "routes": limits.routes,
        "relationships": {
            "organization": shared::to_one(quota.org),
            "spaces": shared::to_many(spaces),
        },
        "links": Links::new(base)
            .to("self", &format!("/v3/space_quotas/{}", quota.id))
            .to("organization", &format!("/v3/organizations/{}", quota.org))
            .json(),
    })
}

/// Those to whom the quota at `path` applies, of the kind `name`.
#[must_use]
pub fn applied<T: std::fmt::Display>(
    ids: impl IntoIterator<Item = T>,
    path: &str,
    name: &str,
    base: &Base,
) -> Value {
    let mut document = shared::to_many(ids);
    document["links"] = json!({ "self": base.link(&format!("{path}/relationships/{name}")) });
    document
}

/// The quota of a space.
#[must_use]
pub fn of_space(space: &Space, base: &Base) -> Value {
    let path = format!("/v3/spaces/{}/relationships/quota", space.id);
    let mut links = Links::new(base).to("self", &path);
    if let Some(quota) = space.quota {
        links = links.to("related", &format!("/v3/space_quotas/{quota}"));
    }
    let mut document = shared::to_maybe(space.quota);
    document["links"] = links.json();
    document
}

/// What is used at `path`, which belongs to a thing of the kind `name` at `owner`.
#[must_use]
pub fn usage(used: &QuotaUsage, (name, owner): (&str, &str), base: &Base) -> Value {
    let links = Links::new(base)
        .to("self", &format!("{owner}/usage_summary"))
        .to(name, owner);
    used_by(used, &links.json())
}

/// What the whole platform uses.
#[must_use]
pub fn usage_of_all(used: &QuotaUsage, base: &Base) -> Value {
    let links = Links::new(base).to("self", "/v3/info/usage_summary");
    used_by(used, &links.json())
}

fn used_by(used: &QuotaUsage, links: &Value) -> Value {
    json!({
        "usage_summary": {
            "started_instances": used.instances,
            "memory_in_mb": used.memory_in_mb,
            "routes": used.routes,
            "service_instances": used.services,
            "reserved_ports": used.reserved_ports,
            "domains": used.domains,
            "per_app_tasks": used.tasks,
            "service_keys": used.service_keys,
        },
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value, expected: Result<u64, &str>) {
        let mut limits = Limits::default();
        limits.apps.total_instances = Some(7);
        let body: Update = serde_json::from_value(body).unwrap();
        let outcome = body
            .apply(&mut limits)
            .map(|()| limits.apps.total_instances.unwrap_or(u64::MAX))
            .map_err(|errors| errors.join("; "));
        assert_eq!(outcome, expected.map_err(str::to_owned), "{body:?}");
    }

    #[test]
    fn a_limit_is_set_lifted_or_left() {
        check(json!({}), Ok(7));
        check(json!({ "apps": null }), Ok(7));
        check(json!({ "apps": {} }), Ok(7));
        check(json!({ "apps": { "total_instances": 0 } }), Ok(0));
        check(json!({ "apps": { "total_instances": null } }), Ok(u64::MAX));
        check(
            json!({ "apps": { "total_instances": -1 } }),
            Err("Apps Total instances must be greater than or equal to 0"),
        );
        check(
            json!({ "apps": { "total_instances": 2_147_483_648_u64 } }),
            Err("Apps Total instances must be less than or equal to 2147483647"),
        );
    }
}

//! Whether what is used after a change is within the limits, and what is said where it is not.

use super::{Limits, Usage};

/// Whose quota it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// An organization's.
    Org,
    /// A space's.
    Space,
}

/// Which limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Memory of all instances.
    Memory,
    /// Memory of one instance.
    ProcessMemory,
    /// Instances.
    Instances,
    /// Log bytes per second.
    LogRate,
    /// An instance without a limit of its log where there is one for all.
    LogRateOpen,
    /// Routes.
    Routes,
    /// Ports of TCP routes.
    ReservedPorts,
    /// Managed service instances.
    Services,
    /// Service plans that cost something.
    PaidServices,
    /// Service keys.
    ServiceKeys,
    /// Private domains.
    Domains,
    /// Memory of all instances, by a task.
    TaskMemory,
    /// Memory of one instance, by a task.
    TaskProcessMemory,
    /// Log bytes per second, by a task.
    TaskLogRate,
    /// Tasks of an app.
    Tasks,
}

/// A limit that a change does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub over: Over,
    /// Whose.
    pub level: Level,
    /// The name of the organization or space.
    pub name: String,
}

impl Limits {
    /// What of these limits a change exceeds that makes `after` of `before`. What it leaves or
    /// makes smaller passes, even where it is beyond a limit that came later.
    #[must_use]
    pub fn exceeded(&self, before: &Usage, after: &Usage) -> Vec<Over> {
        let mut found = Vec::new();
        let mut check = |over, limit: Option<u64>, before: u64, after: u64| {
            if after > before && limit.is_some_and(|limit| after > limit) {
                found.push(over);
            }
        };
        let (apps, services, routes) = (&self.apps, &self.services, &self.routes);
        let (memory, instances) = (apps.total_memory_in_mb, apps.total_instances);
        check(
            Over::Memory,
            memory,
            before.memory_in_mb,
            after.memory_in_mb,
        );
        check(
            Over::Instances,
            instances,
            before.instances,
            after.instances,
        );
        let rate = apps.log_rate_limit_in_bytes_per_second;
        let (old, new) = (before.log_rate, after.log_rate);
        let open = rate.map(|_| 0);
        check(Over::LogRateOpen, open, old.unlimited, new.unlimited);
        check(Over::LogRate, rate, old.bytes, new.bytes);
        check(
            Over::Routes,
            routes.total_routes,
            before.routes,
            after.routes,
        );
        let (ports, keys) = (routes.total_reserved_ports, services.total_service_keys);
        check(
            Over::ReservedPorts,
            ports,
            before.reserved_ports,
            after.reserved_ports,
        );
        let limit = services.total_service_instances;
        check(Over::Services, limit, before.services, after.services);
        check(
            Over::ServiceKeys,
            keys,
            before.service_keys,
            after.service_keys,
        );
        check(
            Over::Domains,
            self.domains.total_domains,
            before.domains,
            after.domains,
        );
        found
    }

    /// Whether one instance or task may have so much memory.
    #[must_use]
    pub fn holds_process(&self, memory_in_mb: u64) -> bool {
        let limit = self.apps.per_process_memory_in_mb;
        limit.is_none_or(|limit| memory_in_mb <= limit)
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

impl Breach {
    /// What Cloud Foundry says; clients and scripts look for some of these texts.
    #[must_use]
    pub fn words(&self) -> String {
        let name = &self.name;
        let org = self.level == Level::Org;
        let text = match (self.over, self.level) {
            (Over::Memory, Level::Org) => "memory quota_exceeded",
            (Over::Memory, Level::Space) => "memory space_quota_exceeded",
            (Over::ProcessMemory, Level::Org) => "memory instance_memory_limit_exceeded",
            (Over::ProcessMemory, Level::Space) => "memory space_instance_memory_limit_exceeded",
            (Over::Instances, Level::Org) => "app_instance_limit app_instance_limit_exceeded",
            (Over::Instances, Level::Space) => {
                "app_instance_limit space_app_instance_limit_exceeded"
            }
            (Over::LogRate | Over::TaskLogRate, Level::Org) => {
                "log_rate_limit exceeds organization log rate quota"
            }
            (Over::LogRate | Over::TaskLogRate, Level::Space) => {
                "log_rate_limit exceeds space log rate quota"
            }
            (Over::LogRateOpen, _) => {
                let kind = if org { "organization" } else { "space" };
                return format!("log_rate_limit cannot be unlimited in {kind} '{name}'.");
            }
            (Over::Routes, _) => {
                let kind = if org { "organization" } else { "space" };
                return format!("Routes quota exceeded for {kind} '{name}'.");
            }
            (Over::ReservedPorts, _) => {
                let kind = if org { "organization" } else { "space" };
                return format!("Reserved route ports quota exceeded for {kind} '{name}'.");
            }
            (Over::Services, Level::Org) => "You have exceeded your organization's services limit.",
            (Over::Services, Level::Space) => "You have exceeded your space's services limit.",
            (Over::PaidServices, Level::Org) => {
                "The service instance cannot be created because paid service plans are not allowed."
            }
            (Over::PaidServices, Level::Space) => {
                "The service instance cannot be created because paid service plans are not \
                 allowed for your space."
            }
            (Over::ServiceKeys, Level::Org) => {
                "You have exceeded your organization's limit for service binding of type key."
            }
            (Over::ServiceKeys, Level::Space) => {
                "You have exceeded your space's limit for service binding of type key."
            }
            (Over::Domains, _) => {
                return format!(
                    "The number of private domains exceeds the quota for organization \"{name}\""
                );
            }
            (Over::TaskMemory, Level::Org) => "memory_in_mb exceeds organization memory quota",
            (Over::TaskMemory, Level::Space) => "memory_in_mb exceeds space memory quota",
            (Over::TaskProcessMemory, Level::Org) => {
                "memory_in_mb exceeds organization instance memory quota"
            }
            (Over::TaskProcessMemory, Level::Space) => {
                "memory_in_mb exceeds space instance memory quota"
            }
            (Over::Tasks, _) => "app_task_limit quota exceeded",
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AppLimits, LogRate};

    fn check(limit: Option<u64>, before: u64, after: u64, expected: &[Over]) {
        let limits = Limits {
            apps: AppLimits {
                total_memory_in_mb: limit,
                ..AppLimits::default()
            },
            ..Limits::default()
        };
        let usage = |memory_in_mb| Usage {
            memory_in_mb,
            ..Usage::default()
        };
        let found = limits.exceeded(&usage(before), &usage(after));
        assert_eq!(found, expected, "{limit:?}: {before} to {after}");
    }

    #[test]
    fn what_grows_beyond_a_limit_is_refused() {
        check(None, 0, u64::MAX, &[]);
        check(Some(100), 0, 100, &[]);
        check(Some(100), 0, 101, &[Over::Memory]);
        check(Some(0), 0, 0, &[]);
        check(Some(0), 0, 1, &[Over::Memory]);
    }

    #[test]
    fn what_was_beyond_may_stay_and_shrink() {
        check(Some(100), 300, 300, &[]);
        check(Some(100), 300, 200, &[]);
        check(Some(100), 300, 301, &[Over::Memory]);
    }

    #[test]
    fn logs_without_a_limit_do_not_fit_into_a_limit() {
        let mut limits = Limits::default();
        let open = Usage {
            log_rate: LogRate {
                bytes: 0,
                unlimited: 1,
            },
            ..Usage::default()
        };
        assert_eq!(limits.exceeded(&Usage::default(), &open), []);
        limits.apps.log_rate_limit_in_bytes_per_second = Some(1_000);
        assert_eq!(
            limits.exceeded(&Usage::default(), &open),
            [Over::LogRateOpen]
        );
        assert_eq!(limits.exceeded(&open, &open), []);
    }

    proptest! {
        #[test]
        fn a_change_that_adds_nothing_breaks_no_limit(
            memory: u64, instances: u64, routes: u64, limit: Option<u64>
        ) {
            let usage = Usage { memory_in_mb: memory, instances, routes, ..Usage::default() };
            let mut limits = Limits::default();
            limits.apps.total_memory_in_mb = limit;
            limits.apps.total_instances = limit;
            limits.routes.total_routes = limit;
            prop_assert!(limits.exceeded(&usage, &usage).is_empty());
        }
    }
}

//! What is used of what quotas limit.

use std::ops::AddAssign;

use crate::model::{Process, Route};

/// What an organization or a space uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Mebibytes of the instances of started apps and of running tasks.
    pub memory_in_mb: u64,
    /// Instances of started apps.
    pub instances: u64,
    /// What they may write to their logs.
    pub log_rate: LogRate,
    /// Tasks that run or wait.
    pub tasks: u64,
    /// Routes.
    pub routes: u64,
    /// Ports of TCP routes.
    pub reserved_ports: u64,
    /// Managed service instances.
    pub services: u64,
    /// Service keys.
    pub service_keys: u64,
    /// Private domains.
    pub domains: u64,
}

/// Log bytes per second that may be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogRate {
    /// By those that have a limit, together.
    pub bytes: u64,
    /// How many have none.
    pub unlimited: u64,
}

impl Usage {
    /// With what the instances of a started app's process use.
    pub fn add_process(&mut self, process: &Process) {
        let instances = u64::from(process.instances);
        self.instances += instances;
        self.add(
            instances,
            u64::from(process.memory.0),
            process.log_rate_limit,
        );
    }

    /// With what a running task uses; a negative rate is none.
    pub fn add_task(&mut self, memory_in_mb: u64, log_rate: i64) {
        self.tasks += 1;
        self.add(1, memory_in_mb, log_rate);
    }

    /// With a route.
    pub fn add_route(&mut self, route: &Route) {
        self.routes += 1;
        self.reserved_ports += u64::from(route.port.is_some());
    }

    fn add(&mut self, number: u64, memory_in_mb: u64, log_rate: i64) {
        let all = number.saturating_mul(memory_in_mb);
        self.memory_in_mb = self.memory_in_mb.saturating_add(all);
        match u64::try_from(log_rate) {
            Ok(bytes) => {
                let all = number.saturating_mul(bytes);
                self.log_rate.bytes = self.log_rate.bytes.saturating_add(all);
            }
            Err(_) => self.log_rate.unlimited += number,
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.memory_in_mb = self.memory_in_mb.saturating_add(other.memory_in_mb);
        self.instances += other.instances;
        self.log_rate.bytes = self.log_rate.bytes.saturating_add(other.log_rate.bytes);
        self.log_rate.unlimited += other.log_rate.unlimited;
        self.tasks += other.tasks;
        self.routes += other.routes;
        self.reserved_ports += other.reserved_ports;
        self.services += other.services;
        self.service_keys += other.service_keys;
        self.domains += other.domains;
    }
}

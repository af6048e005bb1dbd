//! What instances' tasks read from the table and tell it.

use std::{io, sync::Arc};

use tokio::task::spawn_blocking;

use super::Drivers;
use crate::{
    drivers::{
        End, Happening, Order, Phase,
        record::Record,
        runtime::{Backend, Running},
        usage,
    },
    logs::{Container, Counter, Measure, Measured},
    model::{InstanceId, Usage},
    stdx::removal::remove_tree,
};

impl Drivers {
    pub(in crate::drivers) fn happens(&self, instance: InstanceId, happening: Happening) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&instance) else {
            return;
        };
        let now = self.inner.clock.now();
        let Some(phase) = entry.record.phase.after(happening, now) else {
            return;
        };
        if let Phase::Ended {
            end: End::Crashed { exit, .. },
            ..
        } = &phase
        {
            self.voice(&entry.record).exit(&exit.describe());
        }
        entry.record.phase = phase;
        entry.wish.send_modify(|wish| wish.looks += 1);
        drop(table);
        self.changed();
    }

    pub(in crate::drivers) fn is_healthy(&self, instance: InstanceId) -> bool {
        let table = self.table();
        let phase = table.get(&instance).map(|entry| &entry.record.phase);
        phase.is_some_and(|phase| !matches!(phase, Phase::Starting { .. }))
    }

    pub(in crate::drivers) fn note_failure(&self, instance: InstanceId, why: String) {
        if let Some(entry) = self.table().get_mut(&instance) {
            entry.failure = Some(why);
        }
    }

    pub(in crate::drivers) fn wrote(&self, instance: InstanceId, bytes: u64) {
        if let Some(entry) = self.table().get_mut(&instance) {
            entry.sample.wrote(bytes);
        }
    }

    pub(in crate::drivers) async fn begin(
        &self,
        order: &Order,
    ) -> Result<Arc<dyn Running>, String> {
        let dir = self.dir(order.instance);
        self.runtime(order.kind()).start(order, &dir).await
    }

    pub(in crate::drivers) fn began(&self, instance: InstanceId, running: &Arc<dyn Running>) {
        if let Some(entry) = self.table().get_mut(&instance) {
            if let Backend::Static { root, .. } = running.backend() {
                entry.record.static_root = Some(root);
            }
            entry.running = Some(Arc::clone(running));
        }
        self.changed();
    }

    pub(in crate::drivers) fn record(&self, instance: InstanceId) -> Option<Record> {
        self.table()
            .get(&instance)
            .map(|entry| entry.record.clone())
    }

    pub(in crate::drivers) async fn write(&self, record: Record) {
        let dir = self.dir(record.instance);
        let instance = record.instance;
        let written = spawn_blocking(move || record.write(&dir))
            .await
            .map_err(io::Error::other);
        if let Err(error) = written.flatten() {
            tracing::error!(%instance, %error, "cannot write an instance's record");
        }
    }

    /// Removes the instance's folder.
    pub(in crate::drivers) async fn remove(&self, record: &Record) {
        let dir = self.dir(record.instance);
        let (app, instance) = (record.app, record.instance);
        let logs = self.inner.logs.clone();
        let removed = spawn_blocking(move || {
            logs.release(app, instance);
            remove_tree(&dir)
        });
        if let Err(error) = removed.await.map_err(io::Error::other).flatten() {
            tracing::error!(%instance, %error, "cannot remove an instance's folder");
        }
    }

    /// Tells whoever watches what an instance uses and has done.
    fn tell(&self, record: &Record, usage: &Usage, counters: [Counter; 2]) {
        let mebibytes = |count: u64| count.saturating_mul(1 << 20);
        let config = &self.inner.config;
        let container = Container {
            cpu: usage.cpu * 100.0,
            cpu_entitlement: usage::entitlement(usage.cpu, record.memory_mb, config),
            memory: usage.memory,
            memory_quota: mebibytes(record.memory_mb),
            disk: usage.disk,
            disk_quota: mebibytes(record.disk_mb),
            log_rate: usage.log_rate,
            log_rate_limit: record.log_rate_limit,
        };
        let at_ns = self.inner.clock.wall_ns();
        let counters = counters.map(Measure::Counter);
        for what in [Measure::Container(container)].into_iter().chain(counters) {
            self.inner.logs.measure(Measured {
                at_ns,
                app: record.app,
                process: (record.slot.process, record.process_type.clone()),
                instance: record.instance,
                index: record.slot.index,
                what,
            });
        }
    }

    /// Samples what every instance uses, again and again.
    pub(super) async fn sample_usage(&self) {
        loop {
            tokio::time::sleep(usage::EVERY).await;
            let running: Vec<_> = {
                let table = self.table();
                let each = table.iter();
                each.filter_map(|(id, entry)| Some((*id, entry.running.clone()?)))
                    .collect()
            };
            if running.is_empty() {
                continue;
            }
            let asked = spawn_blocking(move || {
                let each = running.into_iter();
                each.map(|(id, running)| {
                    let (usage, disk) = (running.usage(), running.written());
                    (id, usage, disk, running.traffic())
                })
                .collect::<Vec<_>>()
            });
            let now = self.inner.clock.now();
            for (id, usage, disk, traffic) in asked.await.unwrap_or_default() {
                let mut told = None;
                if let Some(entry) = self.table().get_mut(&id) {
                    entry.sample.take(usage, disk, traffic, now);
                    if entry.sample.is_told() {
                        let counters = entry.sample.counters();
                        told = Some((entry.record.clone(), entry.sample.usage(), counters));
                    }
                }
                if let Some((record, usage, counters)) = told {
                    self.tell(&record, &usage, counters);
                }
            }
            self.changed();
        }
    }
}

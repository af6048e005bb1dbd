//! Process stats: what runs, one entry for each instance that should.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{App, AppState, InstanceState, InstanceView, Process, Timestamp};

/// Most open files of an instance.
const FDS: u32 = 16_384;

/// The stats of `process`, whose known slots are `slots`. One entry for each index below the
/// wanted number; what nobody knows of is down. Counts are unsigned, as clients insist.
#[must_use]
pub fn present(
    app: &App,
    process: &Process,
    slots: &[InstanceView],
    host: &str,
    now: Timestamp,
) -> Value {
    let known: BTreeMap<u32, &InstanceView> = slots.iter().map(|slot| (slot.index, slot)).collect();
    let resources: Vec<Value> = (0..process.instances)
        .map(|index| {
            let slot = known
                .get(&index)
                .copied()
                .filter(|slot| shown(app.state, slot));
            instance(process, index, slot, host, now)
        })
        .collect();
    json!({ "resources": resources })
}

/// The short form of `embed=process_instances`.
#[must_use]
pub fn instances(app: &App, process: &Process, slots: &[InstanceView], now: Timestamp) -> Value {
    let known: BTreeMap<u32, &InstanceView> = slots.iter().map(|slot| (slot.index, slot)).collect();
    (0..process.instances)
        .map(|index| {
            let slot = known.get(&index).filter(|slot| shown(app.state, slot));
            json!({
                "index": index,
                "state": slot.map_or("DOWN", |slot| state(slot.state)),
                "since": slot.map_or(0, |slot| now.since(slot.since) / 1000),
            })
        })
        .collect()
}

/// Of a stopped app only what still drains is shown; the rest is down.
fn shown(app: AppState, slot: &InstanceView) -> bool {
    app == AppState::Started || slot.state == InstanceState::Stopping
}

fn instance(
    process: &Process,
    index: u32,
    slot: Option<&InstanceView>,
    host: &str,
    now: Timestamp,
) -> Value {
    let Some(slot) = slot.filter(|slot| slot.state != InstanceState::Down) else {
        return json!({
            "type": process.process_type,
            "index": index,
            "state": "DOWN",
            "uptime": 0,
            "routable": null,
            "isolation_segment": null,
            "details": slot.and_then(|slot| slot.details.as_deref()),
        });
    };
    let cpu = if slot.usage.cpu.is_finite() {
        slot.usage.cpu.max(0.0)
    } else {
        0.0
    };
    json!({
        "type": process.process_type,
        "index": index,
        "instance_guid": slot.id.map(|id| id.to_string()).unwrap_or_default(),
        "state": state(slot.state),
        "routable": slot.routable,
        "host": host,
        "uptime": now.since(slot.since) / 1000,
        "mem_quota": process.memory.bytes(),
        "disk_quota": process.disk.bytes(),
        "log_rate_limit": process.log_rate_limit,
        "fds_quota": FDS,
        "isolation_segment": null,
        "details": slot.details,
        "instance_ports": [],
        "usage": {
            "time": now.to_string(),
            "cpu": cpu,
            "cpu_entitlement": null,
            "mem": slot.usage.memory,
            "disk": slot.usage.disk,
            "log_rate": slot.usage.log_rate,
            // Of the way out since the start; the names are those of Cloud Foundry's metrics.
            "rx_bytes": slot.usage.received,
            "tx_bytes": slot.usage.sent,
        },
    })
}

/// An instance's state as the API spells it.
#[must_use]
pub const fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Starting => "STARTING",
        InstanceState::Running => "RUNNING",
        InstanceState::Stopping => "STOPPING",
        InstanceState::Crashed => "CRASHED",
        InstanceState::Down => "DOWN",
    }
}

#[cfg(test)]
mod tests;

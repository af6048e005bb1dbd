//! What the drivers report, as the plan sees it.

use super::plan::Seen;
use crate::drivers::Instance;

/// The instances as the plan sees them.
#[must_use]
pub fn seen(instances: &[Instance]) -> Vec<Seen> {
    let each = instances.iter().map(|instance| Seen {
        instance: instance.instance,
        slot: instance.slot,
        version: instance.version,
        crashes: instance.crashes,
        memory_mb: instance.memory_mb,
        phase: instance.phase.clone(),
        reported: instance.reported,
    });
    each.collect()
}

//! Shortens how long instances wait for each other (see [`turns`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Duration,
};

use tokio::task::spawn_blocking;

use super::Drivers;
use crate::{
    drivers::{
        runtime::Running,
        turns::{self, Machine, Used},
    },
    model::InstanceId,
    sandbox::Turns,
    stdx::clock::Moment,
};

/// What the last look saw of one instance.
#[derive(Debug, Clone, Copy)]
struct Seen {
    cpu: Duration,
    at: Moment,
    turns: Turns,
    /// Whether it was told so twice.
    sure: bool,
}

/// An instance that runs, and its weight.
type Each = (InstanceId, Arc<dyn Running>, u64);

impl Drivers {
    /// Looks who uses the processors, and says how long their turns are, again and again.
    pub(super) async fn take_turns(&self) {
        let mut machine = Machine::default();
        let mut seen = BTreeMap::new();
        let mut looked_at = BTreeSet::new();
        loop {
            tokio::time::sleep(turns::EVERY).await;
            let now = fs::read_to_string("/proc/stat").ok();
            let Some(now) = now.as_deref().and_then(Machine::parse) else {
                return;
            };
            let busy = now.is_busy_since(std::mem::replace(&mut machine, now));
            let running: Vec<Each> = {
                let table = self.table();
                let each = table.iter();
                each.filter_map(|(id, entry)| {
                    Some((*id, entry.running.clone()?, entry.record.memory_mb))
                })
                .collect()
            };
            // Whoever has just started takes long turns until the first look.
            let ids: BTreeSet<_> = running.iter().map(|(id, ..)| *id).collect();
            if !busy && ids.is_subset(&looked_at) {
                continue;
            }
            looked_at = ids;
            let now = self.inner.clock.now();
            let looked = spawn_blocking(move || look(&running, &seen, now));
            seen = looked.await.unwrap_or_default();
        }
    }
}

/// Compares what each has used with what was seen before, and has those whose turns should
/// change take others. What they start while they are told is missed, and begins with the turns
/// of before. So all are told twice, and those that take long ones each time.
fn look(
    running: &[Each],
    before: &BTreeMap<InstanceId, Seen>,
    now: Moment,
) -> BTreeMap<InstanceId, Seen> {
    let known: Vec<_> = running
        .iter()
        .filter_map(|(id, running, weight)| Some((*id, running, *weight, running.cpu()?)))
        .collect();
    let used: Vec<Used> = known
        .iter()
        .map(|(id, _, weight, cpu)| used(before.get(id), *cpu, *weight, now))
        .collect();
    let mut seen = BTreeMap::new();
    for ((id, running, _, cpu), turns) in known.into_iter().zip(turns::plan(&used)) {
        // Of what an earlier daemon said nothing is known. Where the kernel refuses, everything
        // goes on as it was.
        let past = before.get(&id).filter(|seen| seen.turns == turns);
        if turns == Turns::Long || past.is_none_or(|seen| !seen.sure) {
            let _ = running.take_turns(turns);
        }
        let (at, sure) = (now, past.is_some());
        seen.insert(
            id,
            Seen {
                cpu,
                at,
                turns,
                sure,
            },
        );
    }
    seen
}

#[expect(clippy::cast_precision_loss, reason = "mebibytes, as a weight")]
fn used(before: Option<&Seen>, cpu: Duration, weight: u64, now: Moment) -> Used {
    let share = before.map_or(0.0, |seen| {
        let over = now.since(seen.at).as_secs_f64().max(0.001);
        cpu.saturating_sub(seen.cpu).as_secs_f64() / over
    });
    Used {
        share,
        weight: weight as f64,
    }
}

//! Which instances use the processor so much that others should not have to wait for their
//! turns to end.
//!
//! A share of the processor is kept by weights. What a neighbour notices beside it is how long
//! it waits each time that it wakes up, and that depends on how long the turns are of whoever
//! runs then ([`Turns`]).

use std::time::Duration;

use crate::sandbox::Turns;

/// Between looks: short enough that people hardly notice a new hog.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// Below this share of the machine nobody has to wait for anybody, and instances are not
/// looked at: a thousand that are idle cost nothing.
const BUSY: f64 = 0.25;

/// Whoever uses less than this share of one processor sleeps most of the time.
const MUCH: f64 = 0.1;

/// What one instance has used since the last look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// Processor time, in processors.
    pub(super) share: f64,
    /// What its share is in proportion to.
    pub(super) weight: f64,
}

/// The turns that each should take. Long ones are for those that use much, and at least half of
/// what the greediest uses for its weight.
pub(super) fn plan(used: &[Used]) -> Vec<Turns> {
    let greed = |used: &Used| used.share / used.weight.max(1.0);
    let most = used.iter().map(greed).fold(0.0, f64::max);
    let each = used.iter();
    each.map(|one| {
        if one.share >= MUCH && greed(one) >= most / 2.0 {
            Turns::Long
        } else {
            Turns::Short
        }
    })
    .collect()
}

/// How much the processors of the machine have done: the first line of `/proc/stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Machine {
    all: u64,
    idle: u64,
}

impl Machine {
    /// What `stat`, the text of `/proc/stat`, says; none where it says nothing.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; what guests use is in user.
        Some(Self {
            all: ticks.iter().take(8).sum(),
            idle: ticks.get(3)?.saturating_add(*ticks.get(4)?),
        })
    }

    /// Whether somebody may have had to wait between `before` and now.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn is_busy_since(self, before: Self) -> bool {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        all > 0 && all.saturating_sub(idle) as f64 >= BUSY * all as f64
    }
}

#[cfg(test)]
mod tests {
    use Turns::{Long, Short};

    use super::*;

    fn check(used: &[(f64, f64)], expected: &[Turns]) {
        let used: Vec<Used> = used
            .iter()
            .map(|&(share, weight)| Used { share, weight })
            .collect();
        assert_eq!(plan(&used), expected, "{used:?}");
    }

    #[test]
    fn who_uses_all_that_it_can_get_takes_long_turns() {
        check(&[], &[]);
        check(&[(1.9, 128.0), (0.05, 64.0)], &[Long, Short]);
        check(
            &[(0.9, 64.0), (0.9, 64.0), (0.15, 64.0)],
            &[Long, Long, Short],
        );
        // In proportion: both use what they are given.
        check(&[(1.6, 1024.0), (0.2, 128.0)], &[Long, Long]);
        // Little is little, however small the weight.
        check(&[(0.09, 1.0), (0.5, 1024.0)], &[Short, Short]);
    }

    #[test]
    fn a_machine_is_busy_when_processors_work() {
        let at = |text: &str| Machine::parse(text).unwrap();
        let before = at("cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 1 1 1\n");
        assert!(!at("cpu  105 0 105 1090 50 0 0 0 0 0\n").is_busy_since(before));
        assert!(at("cpu  140 0 110 1040 60 0 0 0 0 0\n").is_busy_since(before));
        assert!(!before.is_busy_since(before));
        assert_eq!(Machine::parse("intr 1 2 3\n"), None);
        assert_eq!(Machine::parse(""), None);
    }
}

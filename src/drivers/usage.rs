//! What one instance uses, from sample to sample.

use std::time::Duration;

use super::Config;
use crate::{logs::Counter, model::Usage, sandbox, stdx::clock::Moment};

/// Between samples: often enough for a person who looks, and a thousandth of a core for a
/// hundred instances.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// Of so many samples one is told to whoever watches: every 15 seconds, as in Cloud Foundry.
const TOLD: u32 = 3;

/// The newest sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    usage: Usage,
    at: Option<Moment>,
    /// Log bytes since the last sample.
    log_bytes: u64,
    /// How many there were.
    count: u32,
    /// Bytes received and sent when they were last told.
    told: (u64, u64),
}

impl Sample {
    pub(super) const fn wrote(&mut self, bytes: u64) {
        self.log_bytes = self.log_bytes.saturating_add(bytes);
    }

    /// Whether the newest sample is one of those that are told to whoever watches.
    pub(super) const fn is_told(&self) -> bool {
        self.count % TOLD == 1
    }

    /// What there is to count of the newest sample, since this was last asked.
    pub(super) fn counters(&mut self) -> [Counter; 2] {
        let Usage { received, sent, .. } = self.usage;
        let told = std::mem::replace(&mut self.told, (received, sent));
        let counter = |name, total: u64, old| Counter {
            name,
            delta: total.saturating_sub(old),
            total,
        };
        [
            counter("rx_bytes", received, told.0),
            counter("tx_bytes", sent, told.1),
        ]
    }

    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes a sample; shares and rates are over the time since the one before.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share and a rate for people; neither is negative"
    )]
    pub(super) fn take(
        &mut self,
        usage: Option<sandbox::Usage>,
        disk: Option<u64>,
        traffic: sandbox::Traffic,
        now: Moment,
    ) {
        let seconds = self.at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let log_bytes = std::mem::take(&mut self.log_bytes);
        self.at = Some(now);
        self.count = self.count.wrapping_add(1);
        let cpu_ns = usage.map_or(0, |usage| {
            u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX)
        });
        let spent_ns = cpu_ns.saturating_sub(self.usage.cpu_ns);
        self.usage = Usage {
            cpu_ns,
            cpu: if seconds > 0.0 {
                spent_ns as f64 / 1e9 / seconds
            } else {
                0.0
            },
            memory: usage.map_or(0, |usage| usage.memory),
            disk: disk.unwrap_or(0),
            log_rate: if seconds > 0.0 {
                (log_bytes as f64 / seconds) as u64
            } else {
                0
            },
            received: traffic.received,
            sent: traffic.sent,
        };
    }
}

/// How much of what it is entitled to an instance uses, in percent: of the processors as large a
/// part as its memory is of the machine's, which is what shares by memory come to.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn entitlement(cpu: f64, memory_mb: u64, config: &Config) -> f64 {
    let cores = config.cores_per_gigabyte * memory_mb as f64 / 1024.0;
    if cores > 0.0 {
        cpu / cores * 100.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_are_over_the_last_sample() {
        let at = |steady_ms| Moment {
            steady_ms,
            wall_ms: 0,
        };
        let cpu = |ms| {
            Some(sandbox::Usage {
                cpu: Duration::from_millis(ms),
                memory: 7,
                pids: 1,
            })
        };
        let traffic = sandbox::Traffic {
            received: 5,
            sent: 6,
            connections: 1,
        };
        let mut sample = Sample::default();
        sample.take(cpu(1_000), None, sandbox::Traffic::default(), at(0));
        assert!(sample.usage().cpu.abs() < 1e-9);
        sample.wrote(500);
        sample.take(cpu(2_000), Some(9), traffic, at(5_000));
        let usage = sample.usage();
        assert!((usage.cpu - 0.2).abs() < 1e-9, "{}", usage.cpu);
        let rest = (usage.memory, usage.disk, usage.log_rate);
        assert_eq!(rest, (7, 9, 100));
        assert_eq!((usage.received, usage.sent), (5, 6));
        let counted = |sample: &mut Sample| sample.counters().map(|one| (one.delta, one.total));
        assert_eq!(counted(&mut sample), [(5, 5), (6, 6)]);
        assert_eq!(counted(&mut sample), [(0, 5), (0, 6)]);
    }
}

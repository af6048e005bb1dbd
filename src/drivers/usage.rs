//! What one instance uses, from sample to sample.

use std::time::Duration;

use crate::{model::Usage, sandbox, stdx::clock::Moment};

/// Between samples: often enough for a person who looks, and a thousandth of a core for a
/// hundred instances.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// The newest sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    usage: Usage,
    at: Option<Moment>,
    /// Log bytes since the last sample.
    log_bytes: u64,
}

impl Sample {
    pub(super) const fn wrote(&mut self, bytes: u64) {
        self.log_bytes = self.log_bytes.saturating_add(bytes);
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
    }
}

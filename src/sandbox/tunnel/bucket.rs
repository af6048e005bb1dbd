//! So much at once, and so much a second: counted in what is asked for, by the clock of whoever
//! asks.

use std::time::{Duration, Instant};

/// Holds at most its size, and fills at its rate.
#[derive(Debug)]
pub(super) struct Bucket {
    /// A second; none for without end.
    rate: Option<u64>,
    size: u64,
    /// In billionths, so that nothing is lost between two looks. Less than nothing after more
    /// was taken than was there.
    level: i128,
    filled: Instant,
}

const ONE: i128 = 1_000_000_000;

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Option<u64>, size: u64, now: Instant) -> Self {
        Self {
            rate,
            size,
            level: i128::from(size) * ONE,
            filled: now,
        }
    }

    /// Fills at another rate from now on.
    pub(super) fn set(&mut self, rate: Option<u64>, size: u64, now: Instant) {
        self.fill(now);
        if self.rate.is_none() {
            self.level = i128::from(size) * ONE;
        }
        (self.rate, self.size) = (rate, size);
        self.level = self.level.min(i128::from(size) * ONE);
    }

    fn fill(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        let nanos = i128::try_from(passed.as_nanos()).unwrap_or(ONE);
        self.level = (self.level + i128::from(rate) * nanos).min(i128::from(self.size) * ONE);
    }

    /// How much may be taken now.
    pub(super) fn there(&mut self, now: Instant) -> usize {
        if self.rate.is_none() {
            return usize::MAX;
        }
        self.fill(now);
        usize::try_from(self.level / ONE).unwrap_or(0)
    }

    /// Takes what was used, of what was [`there`](Self::there) or, where it cannot be parted, more.
    pub(super) fn used(&mut self, amount: usize) {
        if self.rate.is_some() {
            self.level -= i128::try_from(amount).unwrap_or(0) * ONE;
        }
    }

    /// Takes `amount`, or nothing where there is less.
    pub(super) fn take(&mut self, amount: usize, now: Instant) -> bool {
        let enough = self.there(now) >= amount;
        if enough {
            self.used(amount);
        }
        enough
    }

    /// How long until something may be taken again.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let lacking = ONE - self.level;
        let nanos = lacking.max(0) / i128::from(rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_given_than_its_size_and_what_flowed_in() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(1000), 500, start);
        let mut given = 0;
        for step in 0..100_000_u64 {
            let now = start + Duration::from_micros(step * 100);
            let some = bucket.there(now).min(7);
            bucket.used(some);
            given += some;
        }
        // Ten seconds at a thousand, and what was there first.
        assert!((10_490..=10_500).contains(&given), "{given}");
    }

    #[test]
    fn what_cannot_be_parted_is_owed() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(100), 10, start);
        bucket.used(60);
        assert_eq!(bucket.there(start), 0);
        let wait = bucket.wait(start);
        assert_eq!(wait, Duration::from_millis(510));
        assert_eq!(bucket.there(start + wait), 1);
        assert_eq!(bucket.wait(start + wait), Duration::ZERO);
    }

    #[test]
    fn without_a_rate_there_is_no_end() {
        let now = Instant::now();
        let mut bucket = Bucket::new(None, 10, now);
        bucket.used(1 << 40);
        assert!(bucket.take(usize::MAX, now));
        bucket.set(Some(5), 10, now);
        assert_eq!(bucket.there(now), 10);
    }
}

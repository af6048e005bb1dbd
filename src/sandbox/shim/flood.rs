//! What a flood of output may cost. The shim is not in the app's control group, so nothing but
//! itself bounds its processor time and what it makes the disk write.
//!
//! Two bounds. Reading: only so many times a second, whatever comes; past that the pipe fills and
//! the app waits. Keeping: only so many lines and bytes a second; past that an app's lines are
//! dropped, and one line says so, while a build waits, since its output is how it is followed.
//!
//! Within these an app may have a limit of its own, which is its owner's or its space's: bytes a
//! second, with Cloud Foundry's words when lines are dropped.

use std::time::{Duration, Instant};

/// Reads of a pipe a second, of up to 64 KiB each: a hundredth of a core.
const READS: Bucket = Bucket::of(1000, 500);

/// Lines a second. Nobody reads more; the burst is for what an app says when it starts.
const LINES: Bucket = Bucket::of(10_000, 100_000);

/// Bytes a second.
const BYTES: Bucket = Bucket::of(2 << 20, 32 << 20);

/// How long nothing is kept once there was too much: short enough to follow an app, long enough
/// for one message to tell of many lines.
const SILENCE: Duration = Duration::from_secs(1);

/// Tokens that come back with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    per_second: u64,
    most: u64,
    level: u64,
    /// Since when `level` has had nothing added.
    since: Option<Instant>,
}

impl Bucket {
    const fn of(per_second: u64, most: u64) -> Self {
        Self {
            per_second,
            most,
            level: most,
            since: None,
        }
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_micros();
        let more = u64::try_from(passed).unwrap_or(u64::MAX);
        let more = more.saturating_mul(self.per_second) / 1_000_000;
        // Less than one token's time goes on counting.
        if more > 0 {
            self.level = self.level.saturating_add(more).min(self.most);
            self.since = Some(now);
        }
    }

    /// Takes `tokens`, or nothing where there are fewer.
    fn take(&mut self, tokens: u64, now: Instant) -> bool {
        self.refill(now);
        let enough = self.level >= tokens;
        if enough {
            self.level -= tokens;
        }
        enough
    }
}

/// A limit of the app's own.
#[derive(Debug)]
struct Rate {
    bytes: Bucket,
    /// Whether a line was dropped and that is not told.
    untold: bool,
    /// No more is told until then.
    quiet_until: Option<Instant>,
}

impl Rate {
    /// A second's worth may come at once, as in Cloud Foundry.
    const fn of(limit: u64) -> Self {
        Self {
            bytes: Bucket::of(limit, limit),
            untold: false,
            quiet_until: None,
        }
    }

    fn notice(&mut self, now: Instant) -> Option<String> {
        if !self.untold || self.quiet_until.is_some_and(|until| now < until) {
            return None;
        }
        self.untold = false;
        self.quiet_until = now.checked_add(SILENCE);
        let limit = self.bytes.per_second;
        Some(format!(
            "app instance exceeded log rate limit ({limit} bytes/sec)"
        ))
    }
}

/// The bounds of one sandbox.
#[derive(Debug)]
pub(super) struct Flood {
    reads: Bucket,
    lines: Bucket,
    bytes: Bucket,
    /// Whether what is too much waits instead of being dropped.
    patient: bool,
    silent_until: Option<Instant>,
    dropped: u64,
    rate: Option<Rate>,
}

impl Flood {
    /// Bounds that what is `patient` waits for; `rate` is the most bytes a second where the app
    /// has a limit of its own.
    pub(super) fn new(patient: bool, rate: Option<u64>) -> Self {
        Self {
            rate: rate.map(Rate::of),
            reads: READS,
            lines: LINES,
            bytes: BYTES,
            patient,
            silent_until: None,
            dropped: 0,
        }
    }

    /// How long the pipes are not to be read; none where they may be.
    pub(super) fn pause(&mut self, now: Instant) -> Option<Duration> {
        self.reads.refill(now);
        self.lines.refill(now);
        self.bytes.refill(now);
        let waits = self.patient && (self.lines.level == 0 || self.bytes.level == 0);
        // Time for a few tokens: a pipe holds what comes until then.
        (self.reads.level == 0 || waits).then_some(Duration::from_millis(5))
    }

    /// Counts one reading.
    pub(super) fn read(&mut self, now: Instant) {
        self.reads.take(1, now);
    }

    /// Whether a line of this length is kept.
    pub(super) fn keeps(&mut self, length: usize, now: Instant) -> bool {
        if self.silences(now) {
            self.drop(1, now);
            return false;
        }
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if self.patient {
            // What was read is kept; the next reading waits.
            self.lines.level = self.lines.level.saturating_sub(1);
            self.bytes.level = self.bytes.level.saturating_sub(length);
            return true;
        }
        if !(self.lines.take(1, now) && self.bytes.take(length, now)) {
            self.drop(1, now);
            return false;
        }
        // Last, so that a flood is one however small the app's own limit is. The line's end counts.
        self.rate.as_mut().is_none_or(|rate| {
            let keeps = rate.bytes.take(length.saturating_add(1), now);
            rate.untold |= !keeps;
            keeps
        })
    }

    /// What there is to tell.
    pub(super) fn notices(&mut self, now: Instant) -> impl Iterator<Item = String> + use<> {
        // Of the app's own limit at once, and then at most once a second.
        let rate = self.rate.as_mut().and_then(|rate| rate.notice(now));
        rate.into_iter().chain(self.notice(now))
    }

    /// Whether nothing is kept at the moment.
    pub(super) fn silences(&self, now: Instant) -> bool {
        self.silent_until.is_some_and(|until| now < until)
    }

    /// Counts lines that are not kept.
    pub(super) fn drop(&mut self, lines: u64, now: Instant) {
        self.dropped = self.dropped.saturating_add(lines);
        if self.silent_until.is_none() {
            self.silent_until = now.checked_add(SILENCE);
        }
    }

    /// When there is something to tell.
    pub(super) fn tells_at(&self) -> Option<Instant> {
        let rate = self.rate.as_ref().filter(|rate| rate.untold);
        let rate = rate.and_then(|rate| rate.quiet_until);
        self.silent_until.into_iter().chain(rate).min()
    }

    /// What to tell of lines that were dropped, once the silence is over.
    fn notice(&mut self, now: Instant) -> Option<String> {
        if self.silent_until.is_none_or(|until| now < until) {
            return None;
        }
        self.count()
    }

    /// The same, at the end of everything.
    pub(super) fn last_words(&mut self) -> impl Iterator<Item = String> + use<> {
        let rate = self.rate.as_mut().filter(|rate| rate.untold);
        let rate = rate.and_then(|rate| {
            rate.quiet_until = None;
            rate.notice(Instant::now())
        });
        rate.into_iter().chain(self.count())
    }

    fn count(&mut self) -> Option<String> {
        self.silent_until = None;
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| {
            format!(
                "the app logs faster than {} lines or {} MiB a second: {dropped} lines were dropped",
                LINES.per_second,
                BYTES.per_second >> 20,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_kept_and_a_flood_is_dropped_with_one_message_a_second() {
        let start = Instant::now();
        let mut flood = Flood::new(false, None);
        let mut kept = 0_u64;
        let mut told = Vec::new();
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            told.extend(flood.notice(now));
            kept += (0..1000).filter(|_| flood.keeps(10, now)).count() as u64;
        }
        let most = LINES.most + 10 * LINES.per_second;
        assert!((LINES.most..=most).contains(&kept), "{kept}");
        assert!((5..=10).contains(&told.len()), "{told:?}");
    }

    #[test]
    fn an_app_has_a_limit_of_its_own_and_is_told_once_a_second() {
        let start = Instant::now();
        let mut flood = Flood::new(false, Some(100));
        let mut kept = 0_u64;
        let mut told = Vec::new();
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            kept += u64::from(flood.keeps(9, now)) * 10;
            told.extend(flood.notices(now));
        }
        assert!((1000..=1100).contains(&kept), "{kept}");
        assert_eq!(told.len(), 10);
        assert_eq!(
            told[0],
            "app instance exceeded log rate limit (100 bytes/sec)"
        );
        // Nothing of it is a flood, and the last lines that were dropped are not told yet.
        let last: Vec<_> = flood.last_words().collect();
        assert_eq!(last, told[..1]);
        assert!(!Flood::new(false, Some(0)).keeps(0, start));
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let start = Instant::now();
        let mut flood = Flood::new(false, None);
        let kept = (0..10_000).filter(|_| flood.keeps(64 << 10, start)).count();
        assert_eq!(kept as u64, BYTES.most / (64 << 10));
    }

    #[test]
    fn what_is_patient_drops_nothing_and_waits() {
        let start = Instant::now();
        let mut flood = Flood::new(true, None);
        assert_eq!(flood.pause(start), None);
        assert!((0..200_000).all(|_| flood.keeps(10, start)));
        assert!(flood.pause(start).is_some());
        assert_eq!(flood.notice(start + SILENCE), None);
        assert_eq!(flood.pause(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn reading_pauses_after_its_burst_and_goes_on() {
        let start = Instant::now();
        let mut flood = Flood::new(false, None);
        for _ in 0..READS.most {
            assert_eq!(flood.pause(start), None);
            flood.read(start);
        }
        let pause = flood.pause(start).unwrap();
        assert_eq!(flood.pause(start + pause), None);
    }
}

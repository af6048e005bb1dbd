//! Which requests of a route get a line in its app's log, where there are more than a log is for.

use std::time::{Duration, Instant};

/// Lines a second of one route and thread: more than a person reads, and so few that writing
/// them costs next to nothing beside the requests of a busy app.
const LINES: u32 = 250;
/// Lines of a burst.
const BURST: u32 = 500;
/// How often a log is told what it does not have.
const NOTICE: Duration = Duration::from_secs(10);

/// What one thread remembers of one route.
#[derive(Debug)]
pub(super) struct Sample {
    room: u32,
    since: Instant,
    left_out: u64,
    noticed: Instant,
}

/// What becomes of a request's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It is written.
    Written,
    /// It is written, and so many were left out that nobody was told of.
    After(u64),
    /// It is left out.
    LeftOut,
}

impl Sample {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            room: BURST,
            since: now,
            left_out: 0,
            noticed: now,
        }
    }

    pub(super) fn next(&mut self, now: Instant) -> Line {
        if self.room == 0 {
            let gained = now.duration_since(self.since).as_micros() * u128::from(LINES) / 1_000_000;
            if gained == 0 {
                self.left_out += 1;
                return Line::LeftOut;
            }
            self.room = u32::try_from(gained).map_or(BURST, |gained| gained.min(BURST));
            self.since = now;
        }
        self.room -= 1;
        if self.left_out > 0 && now.duration_since(self.noticed) >= NOTICE {
            self.noticed = now;
            return Line::After(std::mem::take(&mut self.left_out));
        }
        Line::Written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_route_is_sampled_and_told_so_seldom() {
        let begin = Instant::now();
        let mut sample = Sample::new(begin);
        let mut after = |ms: u64| sample.next(begin + Duration::from_millis(ms));
        for _ in 0..BURST {
            assert_eq!(after(0), Line::Written);
        }
        assert_eq!(after(0), Line::LeftOut);
        assert_eq!(after(3), Line::LeftOut);
        assert_eq!(after(4), Line::Written);
        assert_eq!(after(5), Line::LeftOut);
        // Every millisecond for 20 seconds: a quarter of them, and two notices.
        let lines: Vec<_> = (1_000..21_000).map(after).collect();
        let left_out = lines.iter().filter(|&&line| line == Line::LeftOut).count();
        let notices = lines.iter().filter(|line| matches!(line, Line::After(_)));
        assert!((14_000..15_000).contains(&left_out), "{left_out}");
        assert!((1..=2).contains(&notices.count()));
    }
}

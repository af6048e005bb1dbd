//! The newest lines of apps whose log is being read, in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{Limits, Line, Query};
use crate::model::AppId;

/// The newest lines of one app, by time.
#[derive(Debug, Default)]
pub(super) struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    /// Every line at or after this time is here.
    floor_ns: u64,
    used: u64,
}

impl Ring {
    /// Adds a line in its place; older ones make room.
    fn add(&mut self, line: Arc<Line>, most: usize) {
        if line.at_ns < self.floor_ns {
            return;
        }
        self.bytes += line.weight();
        // Nearly every line belongs at the end.
        let mut at = self.lines.len();
        while at > 0 && self.lines[at - 1].at_ns > line.at_ns {
            at -= 1;
        }
        self.lines.insert(at, line);
        while self.bytes > most
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.weight();
            self.floor_ns = oldest.at_ns.saturating_add(1);
        }
    }

    /// The answer to `query`, where it does not need older lines than are here.
    fn answer(&self, query: &Query) -> Option<Vec<Arc<Line>>> {
        let first = self
            .lines
            .partition_point(|line| before(line.at_ns, query.start_ns));
        let last = self
            .lines
            .partition_point(|line| before(line.at_ns, query.end_ns));
        let range = first.min(last)..last;
        // The floor rises with the first line that had to go; before that, all are here.
        let whole = self.floor_ns == 0 || i128::from(query.start_ns) >= i128::from(self.floor_ns);
        let found = self.lines.range(range);
        if query.descending {
            let complete = whole || {
                let sure = found
                    .clone()
                    .rev()
                    .take_while(|line| line.at_ns >= self.floor_ns);
                sure.take(query.limit).count() == query.limit
            };
            complete.then(|| found.rev().take(query.limit).cloned().collect())
        } else {
            whole.then(|| found.take(query.limit).cloned().collect())
        }
    }
}

/// Whether `at_ns` lies before `bound_ns`, which may be before the epoch.
pub(super) fn before(at_ns: u64, bound_ns: i64) -> bool {
    i128::from(at_ns) < i128::from(bound_ns)
}

/// The rings of all apps.
#[derive(Debug, Default)]
pub(super) struct Rings {
    by_app: HashMap<AppId, Ring>,
    uses: u64,
}

impl Rings {
    /// Adds a line, if its app has a ring.
    pub(super) fn add(&mut self, line: Line, limits: &Limits) {
        if let Some(ring) = self.by_app.get_mut(&line.app) {
            ring.add(Arc::new(line), limits.ring);
        }
    }

    /// The answer out of memory; none where the disk has to be asked.
    pub(super) fn answer(&mut self, app: AppId, query: &Query) -> Option<Vec<Arc<Line>>> {
        self.uses += 1;
        let ring = self.by_app.get_mut(&app)?;
        ring.used = self.uses;
        ring.answer(query)
    }

    /// Whether the app has a ring.
    pub(super) fn has(&self, app: AppId) -> bool {
        self.by_app.contains_key(&app)
    }

    /// Gives the app a ring of `lines`, which are all there are, by time. The app that was not
    /// looked at for longest loses its own where memory is short.
    pub(super) fn fill(&mut self, app: AppId, lines: &[Arc<Line>], limits: &Limits) {
        self.uses += 1;
        let mut ring = Ring {
            used: self.uses,
            ..Ring::default()
        };
        for line in lines {
            ring.add(Arc::clone(line), limits.ring);
        }
        self.by_app.insert(app, ring);
        while self.by_app.len() > 1 && self.bytes() > limits.rings {
            let stale = self.by_app.iter().min_by_key(|(_, ring)| ring.used);
            if let Some(stale) = stale.map(|(app, _)| *app) {
                self.by_app.remove(&stale);
            }
        }
    }

    fn bytes(&self) -> usize {
        self.by_app.values().map(|ring| ring.bytes).sum()
    }

    /// Drops what is kept of the app.
    pub(super) fn remove(&mut self, app: AppId) {
        self.by_app.remove(&app);
    }
}

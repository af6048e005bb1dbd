//! What is measured of instances and their requests, beside what they say.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{Query, ring::before};
use crate::model::{AppId, InstanceId, ProcessId, ProcessType};

/// Measurements of one app that are kept, of each kind: an hour and a half of one instance, and
/// the newest requests.
const MOST: usize = 360;
/// Bytes of all apps together; past it every app loses its oldest quarter. A thousand apps of
/// one instance have some ten minutes each.
const ALL: usize = 24 << 20;
/// What a measurement takes in memory beside its texts.
const OVERHEAD: usize = size_of::<Measured>() + 64;

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Whose it is.
    pub app: AppId,
    /// The process that was measured.
    pub process: (ProcessId, ProcessType),
    /// Which start of its slot.
    pub instance: InstanceId,
    /// The slot's number.
    pub index: u32,
    /// What was measured.
    pub what: Measure,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// What an instance uses.
    Container(Container),
    /// What an instance has done so far.
    Counter(Counter),
    /// How long a request took.
    Request(Box<Request>),
}

/// What an instance uses, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Container {
    /// Share of one core, in percent.
    pub cpu: f64,
    /// The same as a part of what it is entitled to while others want the processor, in percent.
    pub cpu_entitlement: f64,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub memory_quota: u64,
    /// Bytes.
    pub disk: u64,
    /// Bytes.
    pub disk_quota: u64,
    /// Bytes of log in a second.
    pub log_rate: u64,
    /// How many there may be; -1 for any number.
    pub log_rate_limit: i64,
}

impl Container {
    /// The names of what it is made of, as Cloud Foundry's cells tell them.
    pub const NAMES: [&'static str; 8] = [
        "cpu",
        "cpu_entitlement",
        "memory",
        "memory_quota",
        "disk",
        "disk_quota",
        "log_rate",
        "log_rate_limit",
    ];

    /// What it is made of, by name: the value and its unit.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the protocols' gauges are floats, which hold bytes up to 8 PiB"
    )]
    pub fn metrics(&self) -> [(&'static str, f64, &'static str); 8] {
        let values = [
            (self.cpu, "percentage"),
            (self.cpu_entitlement, "percentage"),
            (self.memory as f64, "bytes"),
            (self.memory_quota as f64, "bytes"),
            (self.disk as f64, "bytes"),
            (self.disk_quota as f64, "bytes"),
            (self.log_rate as f64, "B/s"),
            (self.log_rate_limit as f64, "B/s"),
        ];
        std::array::from_fn(|at| {
            let (value, unit) = values[at];
            let value = if value.is_finite() { value } else { 0.0 };
            (Self::NAMES[at], value, unit)
        })
    }
}

/// A number that only grows while an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// What is counted.
    pub name: &'static str,
    /// How many there were since it was last told.
    pub delta: u64,
    /// How many there were since the instance began.
    pub total: u64,
}

/// Which kinds of measurement are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// What instances use.
    pub gauges: bool,
    /// What instances have done so far.
    pub counters: bool,
    /// Requests.
    pub timers: bool,
}

/// A request and its answer, as the gateway saw them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When it came, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// When its answer was sent.
    pub stop_ns: u64,
    /// Its method.
    pub method: String,
    /// Its whole address.
    pub uri: String,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the answer.
    pub content_length: u64,
    /// Its number.
    pub request_id: String,
    /// What sent it.
    pub user_agent: String,
    /// Who sent it.
    pub remote: String,
    /// For whom proxies sent it.
    pub forwarded: String,
}

impl Measured {
    pub(super) fn weight(&self) -> usize {
        let texts = match &self.what {
            Measure::Container(_) | Measure::Counter(_) => 0,
            Measure::Request(request) => {
                let Request {
                    method,
                    uri,
                    request_id,
                    user_agent,
                    remote,
                    forwarded,
                    ..
                } = &**request;
                let texts = [method, uri, request_id, user_agent, remote, forwarded];
                size_of::<Request>() + texts.map(String::len).iter().sum::<usize>()
            }
        };
        OVERHEAD + self.process.1.len() + texts
    }

    const fn kind(&self) -> usize {
        match self.what {
            Measure::Container(_) => 0,
            Measure::Counter(_) => 1,
            Measure::Request(_) => 2,
        }
    }
}

/// The newest measurements of every app, in memory, by kind.
#[derive(Debug, Default)]
pub(super) struct Measures {
    by_app: HashMap<AppId, [VecDeque<Arc<Measured>>; 3]>,
    bytes: usize,
}

impl Measures {
    pub(super) fn add(&mut self, measured: Arc<Measured>) {
        self.bytes += measured.weight();
        let kinds = self.by_app.entry(measured.app).or_default();
        let kept = &mut kinds[measured.kind()];
        // Nearly every one belongs at the end.
        let mut at = kept.len();
        while at > 0 && kept[at - 1].at_ns > measured.at_ns {
            at -= 1;
        }
        kept.insert(at, measured);
        if kept.len() > MOST
            && let Some(oldest) = kept.pop_front()
        {
            self.bytes -= oldest.weight();
        }
        if self.bytes > ALL {
            self.shorten();
        }
    }

    /// Takes the oldest quarter of everything away.
    fn shorten(&mut self) {
        for kept in self.by_app.values_mut().flatten() {
            for oldest in kept.drain(..kept.len().div_ceil(4)) {
                self.bytes -= oldest.weight();
            }
            kept.shrink_to_fit();
        }
        self.by_app
            .retain(|_, kinds| kinds.iter().any(|kept| !kept.is_empty()));
    }

    /// What `query` selects of the kinds that are asked for, by time.
    pub(super) fn read(&self, app: AppId, kinds: Kinds, query: &Query) -> Vec<Arc<Measured>> {
        let Some(kept) = self.by_app.get(&app) else {
            return Vec::new();
        };
        let wanted = kept
            .iter()
            .zip([kinds.gauges, kinds.counters, kinds.timers]);
        let all = wanted
            .filter(|(_, wanted)| *wanted)
            .flat_map(|(kept, _)| kept);
        let mut found: Vec<_> = all
            .filter(|one| !before(one.at_ns, query.start_ns) && before(one.at_ns, query.end_ns))
            .cloned()
            .collect();
        found.sort_by_key(|one| one.at_ns);
        if query.descending {
            found.reverse();
        }
        found.truncate(query.limit);
        found
    }

    /// The apps of which there are any.
    pub(super) fn apps(&self) -> impl Iterator<Item = AppId> + '_ {
        self.by_app.keys().copied()
    }

    pub(super) fn forget(&mut self, app: AppId) {
        for old in self.by_app.remove(&app).iter().flatten().flatten() {
            self.bytes -= old.weight();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(app: AppId, at_ns: u64, request: bool) -> Arc<Measured> {
        let what = if request {
            Measure::Request(Box::new(Request {
                start_ns: at_ns - 1,
                stop_ns: at_ns,
                method: "GET".to_owned(),
                uri: "/".to_owned(),
                status: 200,
                content_length: 0,
                request_id: String::new(),
                user_agent: String::new(),
                remote: String::new(),
                forwarded: String::new(),
            }))
        } else {
            Measure::Container(Container {
                cpu: 1.0,
                cpu_entitlement: 2.0,
                memory: 3,
                memory_quota: 4,
                disk: 5,
                disk_quota: 6,
                log_rate: 7,
                log_rate_limit: -1,
            })
        };
        Arc::new(Measured {
            at_ns,
            app,
            process: (ProcessId::from(app), ProcessType::web()),
            instance: InstanceId::random(),
            index: 0,
            what,
        })
    }

    fn read(
        measures: &Measures,
        app: AppId,
        (gauges, timers): (bool, bool),
        (start_ns, descending, limit): (i64, bool, usize),
    ) -> Vec<u64> {
        let query = Query {
            start_ns,
            end_ns: 30,
            limit,
            descending,
        };
        let kinds = Kinds {
            gauges,
            timers,
            counters: false,
        };
        let found = measures.read(app, kinds, &query);
        found.iter().map(|one| one.at_ns).collect()
    }

    #[test]
    fn measurements_are_read_by_kind_and_time_and_are_bounded() {
        let (mut measures, app) = (Measures::default(), AppId::random());
        for at_ns in [30, 10, 20] {
            measures.add(measured(app, at_ns, false));
        }
        measures.add(measured(app, 15, true));
        let check = |kinds, query, expected: &[u64]| {
            assert_eq!(read(&measures, app, kinds, query), expected);
        };
        check((true, true), (0, false, 9), &[10, 15, 20]);
        check((true, false), (0, true, 9), &[20, 10]);
        check((false, true), (0, false, 9), &[15]);
        check((true, true), (11, true, 1), &[20]);
        for at_ns in 100..1000 {
            measures.add(measured(app, at_ns, false));
        }
        assert_eq!(measures.by_app[&app][0].len(), MOST);
        measures.forget(app);
        assert!(measures.bytes == 0 && measures.apps().next().is_none());
    }

    #[test]
    fn all_apps_together_stay_in_their_bytes_and_keep_the_newest() {
        let mut measures = Measures::default();
        let quiet = AppId::random();
        measures.add(measured(quiet, 1, false));
        for _ in 0..1000 {
            let app = AppId::random();
            for at_ns in 1..=100 {
                measures.add(measured(app, at_ns, true));
            }
            assert!(measures.bytes <= ALL);
            assert_eq!(measures.by_app[&app][2].back().unwrap().at_ns, 100);
        }
    }
}

//! What comes, handed to whoever listens.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

use super::{Entry, Kinds, Measure};
use crate::model::AppId;

/// Entries that may wait for one listener: a burst of a busy app.
const ENTRIES: usize = 4096;
/// Bytes that may wait for one listener.
const MOST: usize = 1 << 20;
/// Bytes that may wait for one listener, however slow the others are: two of the longest lines.
const SURE: usize = 128 << 10;
/// Bytes that may wait for all listeners together, beside those that may always.
const ALL: usize = 32 << 20;

/// What a listener wants to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Of which apps; none for all of them.
    pub apps: Option<HashSet<AppId>>,
    /// Whether lines.
    pub lines: bool,
    /// Which measurements.
    pub kinds: Kinds,
}

impl Interest {
    /// Whether an entry is of a kind that is wanted.
    fn has_kind(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Line(_) => self.lines,
            Entry::Measured(measured) => match measured.what {
                Measure::Container(_) => self.kinds.gauges,
                Measure::Counter(_) => self.kinds.counters,
                Measure::Request(_) => self.kinds.timers,
            },
        }
    }
}

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// What came.
    Entry(Entry),
    /// So many came faster than they were taken, and are gone.
    Missed(u64),
}

/// What waits for one listener.
#[derive(Debug)]
struct Queue {
    interest: Interest,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    missed: u64,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an entry wait; the oldest make room.
    fn push(&self, entry: Entry, all: &AtomicUsize) {
        let mut waiting = self.waiting();
        let weight = entry.weight();
        waiting.bytes += weight;
        all.fetch_add(weight, Relaxed);
        waiting.entries.push_back(entry);
        while waiting.entries.len() > ENTRIES
            || waiting.bytes > MOST
            || waiting.bytes > SURE && all.load(Relaxed) > ALL
        {
            let Some(oldest) = waiting.entries.pop_front() else {
                break;
            };
            waiting.bytes -= oldest.weight();
            all.fetch_sub(oldest.weight(), Relaxed);
            waiting.missed += 1;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn take(&self, all: &AtomicUsize) -> Option<Heard> {
        let mut waiting = self.waiting();
        if waiting.missed > 0 {
            return Some(Heard::Missed(std::mem::take(&mut waiting.missed)));
        }
        let entry = waiting.entries.pop_front()?;
        waiting.bytes -= entry.weight();
        all.fetch_sub(entry.weight(), Relaxed);
        if !waiting.entries.is_empty() {
            // Of several who share it another may be waiting.
            self.wake.notify_one();
        }
        Some(Heard::Entry(entry))
    }
}

/// Who listens.
#[derive(Debug, Default)]
pub(super) struct Live {
    listeners: RwLock<Listeners>,
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Listeners {
    to_all: Vec<Arc<Queue>>,
    to_app: HashMap<AppId, Vec<Arc<Queue>>>,
}

impl Live {
    /// Whether anybody listens to `app`.
    pub(super) fn is_heard(&self, app: AppId) -> bool {
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        !listeners.to_all.is_empty() || listeners.to_app.contains_key(&app)
    }

    /// Hands an entry to whoever wants it.
    pub(super) fn tell(&self, entry: &Entry) {
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let to_app = listeners.to_app.get(&entry.app()).into_iter().flatten();
        for queue in listeners.to_all.iter().chain(to_app) {
            if queue.interest.has_kind(entry) {
                queue.push(entry.clone(), &self.bytes);
            }
        }
    }

    pub(super) fn listen(self: &Arc<Self>, interest: Interest) -> Listener {
        let queue = Arc::new(Queue {
            interest,
            waiting: Mutex::default(),
            wake: Notify::new(),
        });
        let mut listeners = self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match &queue.interest.apps {
            None => listeners.to_all.push(Arc::clone(&queue)),
            Some(apps) => {
                for app in apps {
                    let of_app = listeners.to_app.entry(*app).or_default();
                    of_app.push(Arc::clone(&queue));
                }
            }
        }
        Listener {
            queue,
            live: Arc::clone(self),
        }
    }
}

/// Hears what comes from now on, until it is dropped. Several may take turns at one.
#[derive(Debug)]
pub struct Listener {
    queue: Arc<Queue>,
    live: Arc<Live>,
}

impl Listener {
    /// Waits for the next. Dropping it half-way loses nothing.
    pub async fn next(&self) -> Heard {
        loop {
            if let Some(heard) = self.ready() {
                return heard;
            }
            self.queue.wake.notified().await;
        }
    }

    /// The next, where it is here already.
    #[must_use]
    pub fn ready(&self) -> Option<Heard> {
        self.queue.take(&self.live.bytes)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self
            .live
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let others = |queue: &Arc<Queue>| !Arc::ptr_eq(queue, &self.queue);
        match &self.queue.interest.apps {
            None => listeners.to_all.retain(others),
            Some(apps) => {
                for app in apps {
                    if let Some(of_app) = listeners.to_app.get_mut(app) {
                        of_app.retain(others);
                        if of_app.is_empty() {
                            listeners.to_app.remove(app);
                        }
                    }
                }
            }
        }
        drop(listeners);
        // Nobody can add to it any more.
        let bytes = self.queue.waiting().bytes;
        self.live.bytes.fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Line, Stream};

    fn line(app: AppId, text: String) -> Entry {
        Entry::Line(Arc::new(Line {
            at_ns: 1,
            app,
            source: "APP/PROC/WEB".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream: Stream::Out,
            text: text.into(),
        }))
    }

    fn lines_of(apps: Option<AppId>) -> Interest {
        Interest {
            apps: apps.map(|app| [app].into()),
            lines: true,
            ..Interest::default()
        }
    }

    /// All that waits: texts, and how many were missed.
    fn heard(listener: &Listener) -> (Vec<String>, u64) {
        let (mut texts, mut missed) = (Vec::new(), 0);
        while let Some(heard) = listener.ready() {
            match heard {
                Heard::Entry(Entry::Line(line)) => {
                    texts.push(String::from_utf8_lossy(&line.text).into_owned());
                }
                Heard::Entry(other) => panic!("{other:?}"),
                Heard::Missed(count) => missed += count,
            }
        }
        (texts, missed)
    }

    #[test]
    fn one_hears_what_one_asked_for_until_one_leaves() {
        let (live, mine, other) = (Arc::new(Live::default()), AppId::random(), AppId::random());
        let of_mine = live.listen(lines_of(Some(mine)));
        let of_all = live.listen(lines_of(None));
        let deaf = live.listen(Interest::default());
        for app in [mine, other] {
            assert!(live.is_heard(app));
            live.tell(&line(app, app.to_string()));
        }
        assert_eq!(heard(&of_mine).0, [mine.to_string()]);
        assert_eq!(heard(&of_all).0, [mine, other].map(|app| app.to_string()));
        assert_eq!(heard(&deaf).0, [""; 0]);
        live.tell(&line(mine, "left".to_owned()));
        drop((of_all, deaf));
        assert!(live.is_heard(mine) && !live.is_heard(other));
        drop(of_mine);
        assert!(!live.is_heard(mine));
        assert_eq!(live.bytes.load(Relaxed), 0);
    }

    #[test]
    fn a_slow_listener_misses_the_oldest_and_takes_nothing_from_others() {
        let (live, app) = (Arc::new(Live::default()), AppId::random());
        let slow: Vec<_> = (0..50).map(|_| live.listen(lines_of(None))).collect();
        let long = "x".repeat(60 << 10);
        for n in 0..100 {
            live.tell(&line(app, format!("{n} {long}")));
        }
        let all = live.bytes.load(Relaxed);
        assert!(all <= ALL + 50 * SURE, "{all}");
        let quick = live.listen(lines_of(None));
        live.tell(&line(app, "short".to_owned()));
        assert_eq!(heard(&quick).0, ["short"]);
        let (texts, missed) = heard(&slow[0]);
        assert_eq!(texts.last().unwrap(), "short");
        assert_eq!(missed, 101 - u64::try_from(texts.len()).unwrap());
    }

    #[tokio::test]
    async fn those_who_share_a_listener_get_each_entry_once() {
        let (live, app) = (Arc::new(Live::default()), AppId::random());
        let shared = live.listen(lines_of(None));
        let tell = async {
            for text in ["a", "b"] {
                live.tell(&line(app, text.to_owned()));
            }
        };
        // The first two wait already when there is something to take.
        let (one, two, ()) = tokio::join!(shared.next(), shared.next(), tell);
        for one in [one, two] {
            assert!(matches!(one, Heard::Entry(_)), "{one:?}");
        }
        assert!(shared.ready().is_none());
    }
}

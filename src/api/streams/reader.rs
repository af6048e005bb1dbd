//! Who reads what comes: alone, or as one of several who share it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    envelope::{Kind, kind, names},
    pass::Pass,
};
use crate::{
    logs::{Entry, Heard, Interest, Listener, Logs},
    model::UserId,
};

/// Streams that are open at one time.
const MOST: usize = 1000;
/// Streams of one user.
const MOST_OF_USER: usize = 100;
/// Between looks whether the reader still may.
const LOOK: Duration = Duration::from_secs(10);

/// The streams that are open; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// Those that several readers share, by name.
    shared: HashMap<String, Weak<Listener>>,
    by_user: HashMap<UserId, usize>,
    all: usize,
}

/// A stream's place among those that are open.
#[derive(Debug)]
struct Place(Streams, UserId);

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.open();
        open.all -= 1;
        if let Some(count) = open.by_user.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                open.by_user.remove(&self.1);
            }
        }
    }
}

impl Streams {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader of what is wanted; of those with one name each entry goes to one. None where too
    /// many streams are open.
    pub(super) fn read(
        &self,
        logs: &Logs,
        pass: Pass,
        wanted: Wanted,
        name: Option<String>,
    ) -> Option<Reader> {
        let mut open = self.open();
        let of_user = open.by_user.get(&pass.user()).copied().unwrap_or_default();
        if open.all >= MOST || of_user >= MOST_OF_USER {
            return None;
        }
        open.all += 1;
        open.by_user.insert(pass.user(), of_user + 1);
        let place = Place(self.clone(), pass.user());
        let listen = || Arc::new(logs.listen(wanted.interest.clone()));
        let listener = match name {
            None => listen(),
            Some(name) => {
                open.shared.retain(|_, stream| stream.strong_count() > 0);
                let known = open.shared.get(&name).and_then(Weak::upgrade);
                known.unwrap_or_else(|| {
                    let listener = listen();
                    open.shared.insert(name, Arc::downgrade(&listener));
                    listener
                })
            }
        };
        Some(Reader {
            listener,
            wanted,
            pass,
            look: Instant::now() + LOOK,
            _place: place,
        })
    }
}

/// A reader of what comes from now on.
#[derive(Debug)]
pub(super) struct Reader {
    listener: Arc<Listener>,
    wanted: Wanted,
    pass: Pass,
    look: Instant,
    _place: Place,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Next {
    Entry(Entry),
    /// So many came faster than they were read.
    Missed(u64),
    /// The reader may not any more.
    End,
}

impl Reader {
    /// Waits for the next. Dropping it half-way loses nothing.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if Instant::now() >= self.look {
                if !self.pass.holds() {
                    return Next::End;
                }
                self.look = Instant::now() + LOOK;
            }
            // Neither has taken anything when it is dropped.
            let heard = tokio::select! {
                heard = self.listener.next() => heard,
                () = sleep_until(self.look) => continue,
            };
            if let Some(next) = self.wanted(heard) {
                return next;
            }
        }
    }

    /// The next, where it is here already.
    pub(super) fn ready(&self) -> Option<Next> {
        while let Some(heard) = self.listener.ready() {
            if let Some(next) = self.wanted(heard) {
                return Some(next);
            }
        }
        None
    }

    fn wanted(&self, heard: Heard) -> Option<Next> {
        match heard {
            Heard::Entry(entry) => self.wanted.passes(&entry).then_some(Next::Entry(entry)),
            Heard::Missed(count) => Some(Next::Missed(count)),
        }
    }
}

/// What a reader wants of what comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) interest: Interest,
    /// Names of gauges that are wanted; none for all of them.
    pub(super) gauges: HashSet<String>,
    /// Names of counters that are wanted; none for all of them.
    pub(super) counters: HashSet<String>,
}

impl Wanted {
    /// Whether an entry that is heard has one of the names.
    fn passes(&self, entry: &Entry) -> bool {
        let wanted = match kind(entry) {
            Kind::Gauge => &self.gauges,
            Kind::Counter => &self.counters,
            Kind::Log | Kind::Timer => return true,
        };
        wanted.is_empty() || names(entry).iter().any(|name| wanted.contains(*name))
    }
}

//! The machine's memory, as apps and builds share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::Megabytes;

/// The account of the machine's memory; clones share it. Nobody takes what somebody else has: a
/// start that finds no room is tried again when there is some, a build waits in its place.
#[derive(Debug, Clone)]
pub struct Room {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    whole: u64,
    taken: Mutex<Taken>,
    /// Counts what may let a build begin.
    for_builds: watch::Sender<u64>,
    /// Counts what may let an app start.
    for_apps: watch::Sender<u64>,
}

/// In mebibytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    apps: u64,
    builds: u64,
}

/// What a build has of the room, until it is dropped.
#[derive(Debug)]
pub struct Held {
    inner: Arc<Inner>,
    megabytes: u64,
}

impl Room {
    /// So much, of which nothing is taken.
    #[must_use]
    pub fn of(whole: Megabytes) -> Self {
        Self {
            inner: Arc::new(Inner {
                whole: u64::from(whole.0),
                taken: Mutex::default(),
                for_builds: watch::channel(0).0,
                for_apps: watch::channel(0).0,
            }),
        }
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Megabytes {
        Megabytes(u32::try_from(self.inner.whole).unwrap_or(u32::MAX))
    }

    /// Wakes when builds have taken or left some.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.for_apps.subscribe()
    }

    /// Has `plan` decide what apps take, told how many mebibytes they may have at most; it gives
    /// them beside its own result. No build takes any in between.
    pub fn plan_apps<T>(&self, plan: impl FnOnce(u64) -> (T, u64)) -> T {
        let mut taken = self.inner.taken();
        let (result, apps) = plan(self.inner.whole.saturating_sub(taken.builds));
        let fewer = apps < std::mem::replace(&mut taken.apps, apps);
        drop(taken);
        if fewer {
            self.inner.for_builds.send_modify(|count| *count += 1);
        }
        result
    }

    /// Waits until a build can have `wanted`, which is no more than the whole; `tell` is called
    /// once with words for its log where it has to wait. It can be dropped at any time.
    pub async fn take(&self, wanted: Megabytes, mut tell: impl FnMut(String)) -> Held {
        let mut changes = self.inner.for_builds.subscribe();
        let mut told = false;
        loop {
            changes.mark_unchanged();
            let taken = match self.inner.try_take(u64::from(wanted.0)) {
                Ok(held) => return held,
                Err(taken) => taken,
            };
            if !std::mem::replace(&mut told, true) {
                let Taken { apps, builds } = taken;
                tell(format!(
                    "Waiting for {wanted} of memory: of the platform's {}, apps have {} and other \
                     builds {}",
                    self.whole(),
                    display(apps),
                    display(builds),
                ));
            }
            // The sender is in `self`.
            let _ = changes.changed().await;
        }
    }
}

fn display(megabytes: u64) -> Megabytes {
    Megabytes(u32::try_from(megabytes).unwrap_or(u32::MAX))
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(self: &Arc<Self>, wanted: u64) -> Result<Held, Taken> {
        let mut taken = self.taken();
        let Taken { apps, builds } = *taken;
        if apps + builds + wanted > self.whole {
            return Err(*taken);
        }
        taken.builds += wanted;
        drop(taken);
        self.for_apps.send_modify(|count| *count += 1);
        Ok(Held {
            inner: Arc::clone(self),
            megabytes: wanted,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.taken().builds -= self.megabytes;
        self.inner.for_apps.send_modify(|count| *count += 1);
        self.inner.for_builds.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_build_waits_until_apps_and_builds_have_left_enough() {
        let room = Room::of(Megabytes(1000));
        assert_eq!(room.plan_apps(|most| (most, 300)), 1000);
        let first = room.take(Megabytes(600), |_| panic!("there is room")).await;
        assert_eq!(room.plan_apps(|most| (most, 300)), 400);
        let (tell, told) = mpsc::channel();
        let second = tokio::spawn({
            let room = room.clone();
            async move {
                room.take(Megabytes(800), |line| tell.send(line).unwrap())
                    .await
            }
        });
        let line = tokio::task::spawn_blocking(move || {
            let line = told.recv().unwrap();
            (line, told)
        });
        let (line, told) = line.await.unwrap();
        let expected = "Waiting for 800M of memory: of the platform's 1000M, apps have 300M and \
                        other builds 600M";
        assert_eq!(line, expected);
        let mut changes = room.changes();
        drop(first);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        // It is not enough yet.
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        room.plan_apps(|_| ((), 200));
        let held = tokio::time::timeout(Duration::from_secs(20), second).await;
        let held = held.unwrap().unwrap();
        assert_eq!(room.plan_apps(|most| (most, 200)), 200);
        drop(held);
        assert_eq!(room.plan_apps(|most| (most, 0)), 1000);
        assert_eq!(told.try_iter().count(), 0);
    }

    #[tokio::test]
    async fn who_waits_no_more_takes_nothing() {
        let room = Room::of(Megabytes(100));
        let all = room.take(Megabytes(100), |_| ()).await;
        let waits = room.take(Megabytes(1), |_| ());
        let given_up = tokio::time::timeout(Duration::from_millis(1), waits).await;
        assert!(given_up.is_err());
        drop(all);
        assert_eq!(room.plan_apps(|most| (most, 0)), 100);
    }
}

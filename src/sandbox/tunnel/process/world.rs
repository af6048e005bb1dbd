//! What every flow needs: the device, the host's events, the clock, the account.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{
    super::{bucket::Bucket, traffic},
    device::Device,
};
use crate::sandbox::Traffic;

/// How often what was counted is written down.
const COUNTED: Duration = Duration::from_millis(250);

/// With a limit, this part of a second's bytes may come at once.
const BURST: u64 = 4;
/// And no less than so much, that every datagram can.
const LEAST_BURST: u64 = 64 << 10;

/// Names an event's owner.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct World {
    pub(super) device: Device,
    pub(super) channel: OwnedFd,
    pub(super) now: Instant,
    pub(super) account: Account,
    epoll: Epoll,
    begun: Instant,
    alarms: BinaryHeap<Reverse<(Instant, Id)>>,
    /// Flows that wait for the account to allow more.
    waiting: Vec<Id>,
}

impl World {
    pub(super) fn new(device: Device, channel: OwnedFd, counted: File) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            device,
            channel,
            now,
            account: Account::new(counted, now),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            begun: now,
            alarms: BinaryHeap::new(),
            waiting: Vec::new(),
        })
    }

    /// The time as the TCP implementation counts it.
    pub(super) fn clock(&self) -> smoltcp::time::Instant {
        let passed = self.now.saturating_duration_since(self.begun);
        smoltcp::time::Instant::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
    }

    /// The other way round.
    pub(super) fn instant(&self, clock: smoltcp::time::Instant) -> Instant {
        let micros = u64::try_from(clock.total_micros()).unwrap_or(0);
        self.begun + Duration::from_micros(micros)
    }

    /// Wakes `id` for what happens on `socket`, until that is closed.
    pub(super) fn watch(&self, socket: &impl AsFd, id: Id, events: EpollFlags) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(events, id))?)
    }

    /// Wakes `id` at `at`, or somewhat earlier or more than once.
    pub(super) fn alarm(&mut self, at: Instant, id: Id) {
        self.alarms.push(Reverse((at, id)));
    }

    /// Wakes `id` when the account allows more.
    pub(super) fn wait_for_account(&mut self, id: Id) {
        if !self.waiting.contains(&id) {
            self.waiting.push(id);
        }
    }

    /// Waits for events, at most until `until`.
    pub(super) fn sleep<'a>(
        &mut self,
        events: &'a mut [EpollEvent],
        until: Option<Instant>,
    ) -> io::Result<&'a [EpollEvent]> {
        let alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
        let counted = self.account.unwritten.map(|since| since + COUNTED);
        let now = Instant::now();
        let allowed = (!self.waiting.is_empty()).then(|| now + self.account.wait(now));
        let first = [alarm, counted, allowed, until].into_iter().flatten().min();
        let timeout = first.map_or(-1, |at| {
            let left = at.saturating_duration_since(Instant::now());
            // Rounded up: to wake too early is to wake twice.
            i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
        });
        let timeout = nix::sys::epoll::EpollTimeout::try_from(timeout)
            .unwrap_or(nix::sys::epoll::EpollTimeout::NONE);
        let woken = match self.epoll.wait(events, timeout) {
            Ok(woken) => woken,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.now = Instant::now();
        Ok(&events[..woken])
    }

    /// Those whose time has come, and those for whom the account has more.
    pub(super) fn due(&mut self) -> Vec<Id> {
        let mut due = Vec::new();
        while let Some(Reverse((at, id))) = self.alarms.peek() {
            if *at > self.now {
                break;
            }
            due.push(*id);
            self.alarms.pop();
        }
        if !self.waiting.is_empty() && self.account.wait(self.now).is_zero() {
            due.append(&mut self.waiting);
        }
        due
    }

    /// Writes down what was counted, where that is time.
    pub(super) fn settle(&mut self, anyway: bool) {
        self.account.settle(self.now, anyway);
    }
}

/// Bytes and connections: how many were, and how many bytes may be.
#[derive(Debug)]
pub(super) struct Account {
    file: File,
    traffic: Traffic,
    unwritten: Option<Instant>,
    received: Bucket,
    sent: Bucket,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Account {
    fn new(file: File, now: Instant) -> Self {
        Self {
            traffic: traffic::load(&file),
            file,
            unwritten: None,
            received: Bucket::new(None, 0, now),
            sent: Bucket::new(None, 0, now),
        }
    }

    /// Allows so many bytes a second each way from now on.
    pub(super) fn limit(&mut self, rate: Option<u64>, now: Instant) {
        let size = rate.map_or(0, |rate| (rate / BURST).max(LEAST_BURST));
        self.received.set(rate, size, now);
        self.sent.set(rate, size, now);
    }

    /// How many bytes may go that way now.
    pub(super) fn allows(&mut self, way: Way, now: Instant) -> usize {
        match way {
            Way::In => self.received.there(now),
            Way::Out => self.sent.there(now),
        }
    }

    /// So many bytes went that way.
    pub(super) fn count(&mut self, way: Way, bytes: usize, now: Instant) {
        if bytes == 0 {
            return;
        }
        let (bucket, total) = match way {
            Way::In => (&mut self.received, &mut self.traffic.received),
            Way::Out => (&mut self.sent, &mut self.traffic.sent),
        };
        bucket.used(bytes);
        *total += bytes as u64;
        self.unwritten.get_or_insert(now);
    }

    pub(super) fn count_connection(&mut self, now: Instant) {
        self.traffic.connections += 1;
        self.unwritten.get_or_insert(now);
    }

    /// How long until both ways may be used again.
    fn wait(&mut self, now: Instant) -> Duration {
        self.received.wait(now).max(self.sent.wait(now))
    }

    fn settle(&mut self, now: Instant, anyway: bool) {
        let due = self.unwritten.is_some_and(|since| now >= since + COUNTED);
        if due || (anyway && self.unwritten.is_some()) {
            let _ = traffic::store(&self.file, self.traffic);
            self.unwritten = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn who_waits_for_the_account_is_woken_when_it_has_more_and_by_nothing_else() {
        let (device, channel) = UnixDatagram::pair().unwrap();
        let traffic = tempfile::tempfile().unwrap();
        let mut world = World::new(Device::new(device.into()), channel.into(), traffic).unwrap();
        world.account.limit(Some(1000), world.now);
        let there = world.account.allows(Way::In, world.now);
        world.account.count(Way::In, there + 500, world.now);
        world.wait_for_account(7);
        assert!(world.due().is_empty());
        world.now += Duration::from_millis(490);
        assert!(world.due().is_empty());
        world.now += Duration::from_millis(20);
        assert_eq!(world.due(), [7]);
        assert!(world.due().is_empty());
    }
}

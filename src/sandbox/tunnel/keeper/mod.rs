//! The shim's side of the way out: it holds the device, starts the process that serves it when
//! the first packet comes, starts it again where it fails, and does for it what it may not do.

mod dials;
mod names;
mod orphans;

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::write,
};

use self::dials::{Dials, Wanted};
use super::{
    HEADER, ROLE,
    bucket::Bucket,
    message::{Ask, Tell, hear, say},
    traffic, written,
};
use crate::{
    model::NetworkPolicy,
    sandbox::{cgroup::Group, sys},
};

/// How long the next start waits after a failure, doubled with each that follows at once.
const AGAIN: Duration = Duration::from_millis(50);
const LONGEST_AGAIN: Duration = Duration::from_secs(5);

/// A process that ran for so long did not fail at once.
const WELL: Duration = Duration::from_secs(30);

/// Lines that the way out may add to the app's log: so many at once, so many a second.
const LINES: u64 = 40;
const LINES_A_SECOND: u64 = 4;

/// The longest of them.
const LONGEST_LINE: usize = 512;

/// How long a process has to end by itself.
const LAST_WORDS_MS: u8 = 200;

/// Messages of the process that are read in one turn of the shim.
const TURN: usize = 64;

/// What the process is given once.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Rights {
    /// Whose rights it has, where that can be chosen.
    pub(in crate::sandbox) become_id: Option<u32>,
    /// How long it may have nothing to do, where not as long as usual.
    pub(in crate::sandbox) quiet_ms: Option<u64>,
}

/// The shim's hold on the way out.
#[derive(Debug)]
pub(in crate::sandbox) struct Keeper {
    device: OwnedFd,
    /// The sandbox's first process.
    init: i32,
    policy: NetworkPolicy,
    /// The file that says it, for the process to read.
    file: Option<File>,
    rights: Rights,
    group: Option<Group>,
    running: Option<Running>,
    failures: u32,
    again: Option<Instant>,
    dials: Dials,
    lines: Bucket,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pidfd: OwnedFd,
    channel: OwnedFd,
    since: Instant,
}

impl Keeper {
    /// Takes the device of the sandbox whose first process is `init`, and whose folder is the
    /// working directory.
    pub(in crate::sandbox) fn new(
        device: OwnedFd,
        init: i32,
        policy: NetworkPolicy,
        rights: Rights,
        group: Option<Group>,
    ) -> Self {
        let mut keeper = Self {
            device,
            init,
            policy,
            file: None,
            rights,
            group,
            running: None,
            failures: 0,
            again: None,
            dials: Dials::default(),
            lines: Bucket::new(Some(LINES_A_SECOND), LINES, Instant::now()),
        };
        // One that was written before this is newer than the spec.
        if keeper.read_policy().is_err() {
            let _ = written::write(Path::new("."), &keeper.policy);
            let _ = keeper.read_policy();
        }
        keeper
    }

    fn read_policy(&mut self) -> io::Result<()> {
        let mut file = written::open(Path::new("."))?;
        self.policy = written::read(&mut file)?;
        self.file = Some(file);
        Ok(())
    }

    /// What to wait for.
    pub(in crate::sandbox) fn watch(&self) -> Vec<PollFd<'_>> {
        let read = PollFlags::POLLIN;
        match &self.running {
            Some(running) => {
                let own = [running.pidfd.as_fd(), running.channel.as_fd()];
                let own = own.into_iter().map(|fd| PollFd::new(fd, read));
                own.chain(self.dials.watch()).collect()
            }
            None if self.again.is_none() => vec![PollFd::new(self.device.as_fd(), read)],
            None => Vec::new(),
        }
    }

    /// When to come back without anything to read.
    pub(in crate::sandbox) fn deadline(&self) -> Option<Instant> {
        self.again.into_iter().chain(self.dials.deadline()).min()
    }

    /// Goes on with what is ready, in the order of [`Keeper::watch`]. Returns lines for the app's
    /// log.
    pub(in crate::sandbox) fn serve(&mut self, ready: &[bool]) -> Vec<String> {
        let now = Instant::now();
        let mut lines = Vec::new();
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
        }
        let Some(running) = &self.running else {
            if ready.first() == Some(&true) {
                self.start(now);
            }
            return lines;
        };
        if let Some(ready) = ready.get(2..) {
            self.dials.serve(ready, &running.channel, now);
        }
        if ready.get(1) == Some(&true) {
            self.listen(now, &mut lines);
        }
        if ready.first() == Some(&true) {
            self.collect(now);
        }
        lines
    }

    /// The policy has been written down anew. One that cannot be read changes nothing.
    pub(in crate::sandbox) fn policy_changed(&mut self) {
        if self.read_policy().is_err() {
            return;
        }
        let Some(running) = &self.running else { return };
        if self.tell_policy(running).is_err() {
            // It does not listen; the next one begins with what holds now.
            self.end();
        }
    }

    /// Ends the process, if there is one: it may still write down what it has counted.
    pub(in crate::sandbox) fn end(&mut self) {
        if let Some(running) = self.running.take() {
            let Running {
                mut child,
                pidfd,
                channel,
                ..
            } = running;
            drop(channel);
            let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(LAST_WORDS_MS));
            let _ = child.kill();
            let _ = child.wait();
        }
        self.dials.clear();
    }

    fn start(&mut self, now: Instant) {
        match self.spawn(now) {
            Ok(running) => {
                let begun = self.begin(&running);
                self.running = Some(running);
                if begun.is_err() {
                    self.end();
                    self.failed(now);
                }
            }
            Err(_) => self.failed(now),
        }
    }

    fn spawn(&self, now: Instant) -> io::Result<Running> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        let mut child = Command::new("/proc/self/exe")
            .arg(ROLE)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let pid = i32::try_from(child.id()).unwrap_or(-1);
        let placed = self.group.as_ref().map_or(Ok(()), |group| group.add(pid));
        match placed.and_then(|()| sys::pidfd_open(pid)) {
            Ok(pidfd) => Ok(Running {
                child,
                pidfd,
                channel: ours,
                since: now,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn begin(&self, running: &Running) -> io::Result<()> {
        let channel = &running.channel;
        let Rights {
            become_id,
            quiet_ms,
        } = self.rights;
        let begin = Tell::Begin {
            become_id,
            quiet_ms,
        };
        say(channel, &begin, None)?;
        say(channel, &Tell::Device, Some(self.device.as_fd()))?;
        let traffic = traffic::open(Path::new("."))?;
        say(channel, &Tell::Traffic, Some(traffic.as_fd()))?;
        self.tell_policy(running)
    }

    fn tell_policy(&self, running: &Running) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let names = Tell::Names(names::read(&self.policy));
        say(&running.channel, &names, None)?;
        say(&running.channel, &Tell::Policy, Some(file.as_fd()))
    }

    fn listen(&mut self, now: Instant, lines: &mut Vec<String>) {
        for _ in 0..TURN {
            let Some(running) = &self.running else { return };
            match hear::<Ask>(&running.channel) {
                Ok((Ask::Ready, _)) => {}
                Ok((Ask::Names, _)) => {
                    let names = Tell::Names(names::read(&self.policy));
                    let _ = say(&running.channel, &names, None);
                }
                Ok((
                    Ask::Dial {
                        id,
                        app,
                        index,
                        port,
                        udp,
                    },
                    _,
                )) => {
                    let wanted = Wanted {
                        id,
                        app,
                        index,
                        port,
                        udp,
                    };
                    self.dials
                        .begin(&self.policy, wanted, &running.channel, now);
                }
                Ok((Ask::Log(line), _)) => {
                    if self.lines.take(1, now) {
                        lines.push(line.chars().take(LONGEST_LINE).collect());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(_) => return,
            }
        }
    }

    /// It has ended: of its own will, since nothing was to do, or not.
    fn collect(&mut self, now: Instant) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        self.dials.clear();
        let well = now.saturating_duration_since(running.since) >= WELL;
        match running.child.wait() {
            Ok(status) if status.success() => self.failures = 0,
            _ => {
                if well {
                    self.failures = 0;
                }
                self.failed(now);
                self.break_off();
            }
        }
    }

    /// Sees to it that nobody inside waits for what the failed process had open.
    fn break_off(&self) {
        for connection in orphans::find(self.init) {
            let packet = [&[0; HEADER], &orphans::question(connection)[..]].concat();
            let _ = write(&self.device, &packet);
        }
    }

    fn failed(&mut self, now: Instant) {
        let wait = AGAIN.saturating_mul(1 << self.failures.min(8));
        self.again = Some(now + wait.min(LONGEST_AGAIN));
        self.failures = self.failures.saturating_add(1);
    }
}

//! The shim's loop, from the start of init to the end of everything inside.

use std::{
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixListener,
    },
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        eventfd::EventFd,
        socket::{MsgFlags, send},
    },
};

use super::{
    clients::Clients,
    flood::Flood,
    output::{Output, Read1},
    start::{self, Started},
};
use crate::{
    model::NetworkPolicy,
    sandbox::{
        Kind, Network, Quota, Spec, Status,
        disk::{BOUND, WRITTEN, Watch},
        log::{Stream, Writer, encode},
        protocol::{FromInit, LONGEST, ToInit, ToShim},
        status::Kept,
        sys,
        tunnel::{Keeper, Rights},
    },
};

/// Bytes that are read from a pipe at once.
const BUFFER: usize = 64 << 10;

/// After the kernel said that the memory limit was hit, the kill is looked for so often, so long.
const OOM_TICK: Duration = Duration::from_millis(20);
const OOM_PATIENCE: Duration = Duration::from_secs(2);

/// Longer is for ever, and later than a clock can tell.
const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) struct Shim {
    pub(super) kept: Kept,
    pub(super) clients: Clients,
    pub(super) started: Option<Started>,
    pub(super) outputs: Vec<Output>,
    pub(super) log: Option<Writer>,
    pub(super) buffer: Vec<u8>,
    pub(super) flood: Flood,
    oom: Option<EventFd>,
    oom_until: Option<Instant>,
    command: Option<i32>,
    pub(super) told: Option<FromInit>,
    /// Whether init has closed its end of the channel.
    deaf: bool,
    pub(super) stop: Option<Stop>,
    /// Whether nobody else has the sandbox's disk.
    pub(super) own_disk: bool,
    /// What the way out begins with, until init hands its device over.
    egress: Option<(NetworkPolicy, Rights)>,
    pub(super) way_out: Option<Keeper>,
    /// Over what it writes, where the kernel does not keep to the quota.
    disk: Option<Watch>,
    /// The quota that it was killed for.
    pub(super) exceeded: Option<Quota>,
}

pub(super) struct Stop {
    deadline: Instant,
    pub(super) killed: bool,
}

impl Shim {
    pub(super) fn new(listener: UnixListener, kept: Kept) -> Self {
        Self {
            kept,
            clients: Clients::new(listener),
            started: None,
            outputs: Vec::new(),
            log: None,
            buffer: Vec::new(),
            flood: Flood::new(false, None),
            oom: None,
            oom_until: None,
            command: None,
            told: None,
            deaf: false,
            stop: None,
            own_disk: false,
            egress: None,
            way_out: None,
            disk: None,
            exceeded: None,
        }
    }

    /// The sandbox's whole life.
    pub(super) fn run(mut self, spec: Spec) {
        match self.start(spec) {
            Ok(()) => while !self.step() {},
            Err(reason) => self.told = Some(FromInit::Failed(reason)),
        }
        self.finish();
    }

    fn start(&mut self, spec: Spec) -> Result<(), String> {
        let told = |error: crate::sandbox::SandboxError| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        start::protect(Path::new("."))
            .map_err(|error| format!("cannot protect the folder: {error}"))?;
        self.log = Some(
            Writer::create(Path::new("."), spec.log_bytes)
                .map_err(|error| format!("cannot begin the log: {error}"))?,
        );
        // A build's output is how it is followed, and it can wait.
        self.flood = Flood::new(spec.kind == Kind::Build, spec.log_rate);
        self.kept.group = start::group(&spec, &mut self.kept.weaker).map_err(told)?;
        self.keep();
        self.own_disk = spec
            .disk
            .as_ref()
            .and_then(|disk| disk.image.as_ref())
            .is_some_and(|image| image.device.is_none());
        self.disk = Watch::over(&spec);
        if self.disk.is_some() {
            self.kept
                .weaker
                .push(format!("disk quotas hold in part: {BOUND}"));
        }
        self.oom = self
            .kept
            .group
            .as_ref()
            .and_then(crate::sandbox::cgroup::Group::oom_events);
        let rights = Rights {
            become_id: start::nobody(&spec),
            quiet_ms: spec.quiet_ms,
        };
        self.egress = (spec.network == Network::Tunnel).then(|| (spec.egress.clone(), rights));
        let (started, outputs) =
            start::init(spec, self.kept.group.as_ref(), &mut self.kept.weaker).map_err(told)?;
        self.kept.init = Some(started.init);
        self.keep();
        let go = tell(&started, ToInit::Go);
        self.buffer = vec![0; BUFFER];
        self.outputs = outputs;
        self.started = Some(started);
        go.map(drop)
            .map_err(|error| format!("cannot speak to the sandbox's first process: {error}"))
    }

    /// Writes the status file. A full disk must not end an app.
    pub(super) fn keep(&self) {
        let _ = self.kept.write(Path::new("."));
    }

    /// Waits for something and deals with it; true when init is gone.
    fn step(&mut self) -> bool {
        let Some(started) = &self.started else {
            return true;
        };
        let mut fds = vec![
            PollFd::new(started.pidfd.as_fd(), PollFlags::POLLIN),
            // A channel that is closed would wake the loop for ever.
            PollFd::new(
                if self.deaf {
                    started.pidfd.as_fd()
                } else {
                    started.channel.as_fd()
                },
                PollFlags::POLLIN,
            ),
        ];
        let none = PollFlags::empty();
        fds.extend(
            self.oom
                .iter()
                .map(|event| PollFd::new(event.as_fd(), PollFlags::POLLIN)),
        );
        let outputs = fds.len();
        let pause = self.flood.pause(Instant::now());
        if pause.is_none() {
            let all = self.outputs.iter();
            fds.extend(all.map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)));
        }
        let clients = fds.len();
        fds.extend(self.clients.watch());
        let way_out = fds.len();
        fds.extend(self.way_out.iter().flat_map(Keeper::watch));
        match poll(&mut fds, self.timeout(pause)) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Out of memory in the kernel: it passes.
            Err(_) => return false,
        }
        let ready: Vec<bool> = fds
            .iter()
            .map(|fd| !fd.revents().unwrap_or(none).is_empty())
            .collect();
        drop(fds);
        self.read_outputs(&ready[outputs..clients]);
        if ready[1] && !self.deaf {
            self.listen();
        }
        self.serve_way_out(&ready[way_out..]);
        for request in self.clients.serve(&ready[clients..way_out]) {
            match (request, &mut self.way_out) {
                (ToShim::Stop { grace_ms }, _) => self.stop(Duration::from_millis(grace_ms)),
                (ToShim::Network, Some(way_out)) => way_out.policy_changed(),
                // It is read when the device comes.
                (ToShim::Network | ToShim::Unknown, _) => {}
            }
        }
        self.watch_memory(outputs > 2 && ready[2]);
        self.watch_disk();
        self.watch_deadline();
        self.clients
            .tell(&self.kept.status, self.log.as_ref().map_or(0, Writer::end));
        ready[0]
    }

    fn timeout(&self, pause: Option<Duration>) -> PollTimeout {
        let now = Instant::now();
        let stop = self
            .stop
            .as_ref()
            .filter(|stop| !stop.killed)
            .map(|stop| stop.deadline);
        let oom = self.oom_until.map(|_| now + OOM_TICK);
        let way_out = self.way_out.as_ref().and_then(Keeper::deadline);
        let disk = self.disk.as_ref().map(Watch::next);
        stop.into_iter()
            .chain(oom)
            .chain(way_out)
            .chain(disk)
            .chain(pause.map(|pause| now + pause))
            .chain(self.flood.tells_at())
            .min()
            .map_or(PollTimeout::NONE, |at| {
                let left = at.saturating_duration_since(now) + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            })
    }

    /// Reads once from each pipe that is ready and keeps what came.
    fn read_outputs(&mut self, ready: &[bool]) {
        let Some(log) = &mut self.log else { return };
        let (mut batch, at_ns) = (Vec::new(), now_ns());
        let mut index = 0;
        self.outputs.retain_mut(|output| {
            index += 1;
            if !ready.get(index - 1).copied().unwrap_or(false) {
                return true;
            }
            let read = output.read(&mut self.buffer, at_ns, &mut self.flood, &mut batch);
            if read == Read1::End {
                output.finish(at_ns, &mut self.flood, &mut batch);
            }
            read != Read1::End
        });
        for notice in self.flood.notices(Instant::now()) {
            encode(&mut batch, at_ns, Stream::Err, notice.as_bytes());
        }
        if !batch.is_empty() {
            log.append(&batch);
        }
    }

    /// Does what the way out needs, and keeps what it has to say.
    fn serve_way_out(&mut self, ready: &[bool]) {
        let Some(way_out) = &mut self.way_out else {
            return;
        };
        let (mut batch, at_ns) = (Vec::new(), now_ns());
        for line in way_out.serve(ready) {
            encode(&mut batch, at_ns, Stream::Err, line.as_bytes());
        }
        if !batch.is_empty()
            && let Some(log) = &mut self.log
        {
            log.append(&batch);
        }
    }

    /// Takes what init has said.
    pub(super) fn listen(&mut self) {
        let mut buffer = [0; LONGEST];
        while let Some(started) = &self.started {
            let Ok(received) = sys::receive(&started.channel, &mut buffer) else {
                return;
            };
            if received.len == 0 {
                self.deaf = true;
                return;
            }
            match serde_json::from_slice(&buffer[..received.len]) {
                Ok(FromInit::Command) => self.command = received.sender,
                Ok(FromInit::Running) => {
                    self.kept.status = Status::Running {
                        pid: self.command.unwrap_or_default(),
                    };
                    self.keep();
                }
                Ok(FromInit::Weaker(reason)) => {
                    self.kept.weaker.push(reason);
                    self.keep();
                }
                Ok(FromInit::Device) => {
                    if let (Some(device), Some((policy, rights)), Some(init)) =
                        (received.passed, self.egress.take(), self.kept.init)
                    {
                        let group = self.kept.group.clone();
                        let keeper = Keeper::new(device, init.pid, policy, rights, group);
                        self.way_out = Some(keeper);
                    }
                }
                Ok(FromInit::Sidecar(number)) => {
                    let text = "The sidecar has ended, and the instance ends with it";
                    let mut batch = Vec::new();
                    let stream = Stream::SidecarErr(number);
                    encode(&mut batch, now_ns(), stream, text.as_bytes());
                    if let Some(log) = &mut self.log {
                        log.append(&batch);
                    }
                }
                Ok(last) => self.told = Some(last),
                Err(_) => {}
            }
        }
    }

    fn stop(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace.min(LONGEST_GRACE);
        match &mut self.stop {
            Some(stop) => stop.deadline = stop.deadline.min(deadline),
            None => {
                self.stop = Some(Stop {
                    deadline,
                    killed: false,
                });
                if let Some(started) = &self.started {
                    let _ = tell(started, ToInit::Terminate);
                }
            }
        }
    }

    fn watch_deadline(&mut self) {
        if let Some(stop) = &mut self.stop
            && !stop.killed
            && Instant::now() >= stop.deadline
        {
            // An end that has already been told was not by this kill.
            stop.killed = self.told.is_none();
            self.kill();
        }
    }

    /// Kills everything when the kernel has killed one for want of memory: an app with some of
    /// its processes missing is worse than one that starts again.
    fn watch_memory(&mut self, hit: bool) {
        if hit && let Some(event) = &self.oom {
            let _ = event.read();
            self.oom_until = Some(Instant::now() + OOM_PATIENCE);
        }
        let Some(until) = self.oom_until else { return };
        if self.oom_kills() > 0 {
            self.oom_until = None;
            self.kill();
        } else if Instant::now() >= until {
            self.oom_until = None;
        }
    }

    /// Kills everything when it has written more than it may.
    fn watch_disk(&mut self) {
        let (Some(watch), Some(started)) = (&mut self.disk, &self.started) else {
            return;
        };
        let before = watch.written();
        let exceeded = watch.look(started.init.pid, Instant::now());
        let written = watch.written();
        if written != before {
            let text = written.unwrap_or_default().to_string();
            // Nobody needs to know it so much that anything depends on it.
            let _ = std::fs::write(WRITTEN, text);
        }
        if exceeded.is_some() {
            self.disk = None;
            // An end that has already been told was not by this kill.
            self.exceeded = exceeded.filter(|_| self.told.is_none());
            self.kill();
        }
    }

    pub(super) fn oom_kills(&self) -> u64 {
        self.kept
            .group
            .as_ref()
            .map_or(0, crate::sandbox::cgroup::Group::oom_kills)
    }

    /// Kills init, and with it the kernel everything in its namespace.
    fn kill(&self) {
        if let Some(started) = &self.started {
            let _ = sys::pidfd_kill(started.pidfd.as_fd());
        }
    }
}

fn tell(started: &Started, message: ToInit) -> nix::Result<usize> {
    let text = serde_json::to_vec(&message).unwrap_or_default();
    send(
        started.channel.as_raw_fd(),
        &text,
        MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
    )
}

pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

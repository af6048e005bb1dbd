//! Init: the first process inside. It builds the root, starts the command, then stays as
//! process 1 to reap what is orphaned, to pass SIGTERM on, and to open connections for the
//! gateway. When it ends, the kernel kills everything inside.

mod account;
mod command;
mod dialer;
mod visits;

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        socket::{ControlMessage, MsgFlags, send, sendmsg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid},
};

use super::{
    Ids, Kind, Network, SandboxError, Spec, Turns,
    protocol::{FromInit, LONGEST, ToInit},
    rootfs, seccomp,
    status::Doing,
    sys, tunnel,
};

/// What the shim hands over.
pub(super) struct Given {
    pub(super) spec: Spec,
    /// To the shim.
    pub(super) channel: OwnedFd,
    /// `connect.sock`.
    pub(super) listener: UnixListener,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// Standard output and error of each sidecar.
    pub(super) sidecars: Vec<(OwnedFd, OwnedFd)>,
    /// What the shim has made ready.
    pub(super) parts: rootfs::Parts,
}

/// The life of init. Begins in the shim's forked child.
pub(super) fn run(given: Given) -> ! {
    // Copies of what the shim keeps: an end that stays open here would never close there.
    let keep = [
        given.channel.as_fd(),
        given.listener.as_fd(),
        given.stdout.as_fd(),
        given.stderr.as_fd(),
    ];
    let sidecars = given.sidecars.iter();
    let sidecars = sidecars.flat_map(|(stdout, stderr)| [stdout.as_fd(), stderr.as_fd()]);
    let keep = keep.into_iter().chain(sidecars);
    sys::close_all_but(keep.chain(given.parts.descriptors()));
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let channel = Channel(given.channel);
    // The end of the shim is the end of everything: also where init is busy.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = prctl::set_name(c"pastina-init");
    match channel.wait() {
        Some(ToInit::Go) => {}
        _ => sys::exit_now(1),
    }
    let Given {
        spec,
        listener,
        stdout,
        stderr,
        sidecars,
        parts,
        ..
    } = given;
    let stop_signal = stop_signal(&spec);
    let started = prepare(&spec, parts, &channel).and_then(|signals| {
        let output = (&stdout, &stderr);
        let mut pids = vec![command::start(&spec, &spec.argv, Some(&channel), output)?];
        for (argv, (stdout, stderr)) in spec.sidecars.iter().zip(&sidecars) {
            pids.push(command::start(&spec, argv, None, (stdout, stderr))?);
        }
        Ok((signals, pids))
    });
    // Process 1 needs nothing but to signal the command, which has another id, and to let
    // visitors become who the command is.
    let keep = match spec.ids {
        Ids::Range { .. } => CAP_KILL | CAP_SETGID | CAP_SETUID | spec.capabilities(),
        Ids::Own => 0,
    };
    drop((stdout, stderr, sidecars));
    let ended = started.and_then(|(signals, commands)| {
        sys::set_capabilities(keep).doing(|| "drop capabilities of init".to_owned())?;
        channel.tell(&FromInit::Running);
        serve(&channel, &signals, listener, (commands, stop_signal), spec)
            .doing(|| "wait for the command".to_owned())
    });
    channel.tell(&ended.unwrap_or_else(|error| FromInit::Failed(chain(&error))));
    sys::exit_now(0)
}

const CAP_KILL: u64 = 1 << 5;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;

fn chain(error: &SandboxError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

/// Turns of what starts: it uses all the processor that it can get, an app for a moment and a
/// build for as long as it runs. The daemon, which finds an app's processes by their group, gives
/// it short ones soon after.
const fn first_turns(kind: Kind, grouped: bool) -> Turns {
    match kind {
        Kind::Build => Turns::Long,
        Kind::Process | Kind::Wasm if grouped => Turns::Long,
        Kind::Process | Kind::Wasm => Turns::Short,
    }
}

/// What asks the command to stop. Signals of real time have no names here.
fn stop_signal(spec: &Spec) -> Signal {
    let number = spec.root.as_ref().and_then(|root| root.stop_signal);
    let signal = number.and_then(|number| Signal::try_from(number).ok());
    signal.unwrap_or(Signal::SIGTERM)
}

/// Everything up to where the command can be started.
fn prepare(spec: &Spec, parts: rootfs::Parts, channel: &Channel) -> Result<SignalFd, SandboxError> {
    let grouped = parts.group.is_some();
    // Only now: the group that init is in at this moment becomes the root of the namespace.
    unshare(CloneFlags::CLONE_NEWCGROUP).doing(|| "make a cgroup namespace".to_owned())?;
    nix::unistd::sethostname(&spec.hostname).doing(|| "set the host name".to_owned())?;
    sys::loopback_up().doing(|| "bring up the loopback interface".to_owned())?;
    if spec.network == Network::Tunnel {
        // An app that needs no way out is better off without one than not started.
        let led_out = tunnel::make(spec.user().gid).and_then(|device| channel.hand_over(&device));
        if let Err(error) = led_out {
            channel.tell(&FromInit::Weaker(format!(
                "nothing outside can be reached: {error}"
            )));
        }
    }
    if spec.root.is_some() {
        // Images listen on 80 because nothing else of theirs would be there. Where the kernel
        // does not let us, the app is told so when it tries.
        let _ = std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    }
    rootfs::private_mounts()?;
    let sources = rootfs::Sources::gather(spec, parts)?;
    rootfs::enter(spec, || become_root(spec.ids))?;
    let ceilings = account::Ceilings::open();
    for weaker in rootfs::compose(spec, &sources)? {
        channel.tell(&FromInit::Weaker(weaker));
    }
    ceilings.set();
    account::leave_keyring();
    // A change of ids has cleared it.
    prctl::set_pdeathsig(Signal::SIGKILL).doing(|| "follow the shim's end".to_owned())?;
    let signals = block_signals().doing(|| "watch for ended processes".to_owned())?;
    let capabilities = spec.capabilities();
    sys::limit_bounding_set(capabilities).doing(|| "limit the bounding set".to_owned())?;
    sys::lock_securebits(capabilities != 0).doing(|| "lock the securebits".to_owned())?;
    prctl::set_no_new_privs().doing(|| "set no_new_privs".to_owned())?;
    // Where it is refused, everything takes turns as long as the kernel likes.
    let _ = first_turns(spec.kind, grouped).take();
    seccomp::apply().doing(|| "set the system-call filter".to_owned())?;
    prctl::set_dumpable(false).doing(|| "hide init's memory".to_owned())?;
    Ok(signals)
}

/// Becomes id 0 inside. With one id alone, init is who it is.
fn become_root(ids: Ids) -> Result<(), SandboxError> {
    if let Ids::Range { .. } = ids {
        let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
        let became = setgroups(&[group])
            .and_then(|()| setresgid(group, group, group))
            .and_then(|()| setresuid(user, user, user));
        became.doing(|| "become root of the user namespace".to_owned())?;
    }
    Ok(())
}

fn block_signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// Until the command or one of its sidecars has ended, or the shim. The command comes first.
fn serve(
    channel: &Channel,
    signals: &SignalFd,
    listener: UnixListener,
    (mut commands, stop_signal): (Vec<Pid>, Signal),
    spec: Spec,
) -> io::Result<FromInit> {
    let mut dialer = dialer::Dialer::new(listener);
    let mut visits = visits::Visits::new(spec);
    loop {
        let mut fds = vec![
            PollFd::new(channel.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        visits.watch(&mut fds);
        let of_dialer = fds.len();
        dialer.watch(&mut fds);
        let wait = dialer.deadline().into_iter().chain(visits.deadline()).min();
        match poll(&mut fds, until(wait)) {
            Err(Errno::EINTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<PollFlags> = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
            .collect();
        drop(fds);
        if !ready[0].is_empty() {
            match channel.wait() {
                Some(ToInit::Terminate) => {
                    for command in &commands {
                        // To its whole process group: a shell in between does not pass it on.
                        let group = Pid::from_raw(-command.as_raw());
                        let _ = kill(group, stop_signal).or_else(|_| kill(*command, stop_signal));
                    }
                    // A sidecar that is done sooner must not take the command's time.
                    commands.truncate(1);
                }
                Some(ToInit::Go) => {}
                None => sys::exit_now(1),
            }
        }
        if !ready[1].is_empty() {
            while let Ok(Some(_)) = signals.read_signal() {}
            if let Some((which, ended)) = reap(&commands, &mut visits) {
                if let Some(sidecar) = which.checked_sub(1) {
                    let sidecar = u8::try_from(sidecar).unwrap_or(u8::MAX);
                    channel.tell(&FromInit::Sidecar(sidecar));
                }
                return Ok(ended);
            }
        }
        visits.serve(&ready[2..of_dialer]);
        for (stream, visit) in dialer.serve(&ready[of_dialer..]) {
            visits.begin(stream, &visit);
        }
    }
}

/// How long to wait for the rest, where something is to be done at `deadline`.
fn until(deadline: Option<Instant>) -> PollTimeout {
    deadline.map_or(PollTimeout::NONE, |at| {
        let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    })
}

/// Takes the status of all that have ended; which of the commands was among them, and how it
/// ended, is the result.
fn reap(commands: &[Pid], visits: &mut visits::Visits) -> Option<(usize, FromInit)> {
    let which = |pid: Pid| commands.iter().position(|command| *command == pid);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            // A real-time signal that has no name here.
            Err(Errno::EINVAL) => {
                let gone = |command: &Pid| kill(*command, None).is_err();
                if let Some(which) = commands.iter().position(gone) {
                    return Some((which, FromInit::Signalled(libc::SIGKILL)));
                }
                visits.look_for_the_lost();
            }
            Ok(WaitStatus::Exited(pid, code)) => match which(pid) {
                Some(which) => return Some((which, FromInit::Exited(code))),
                None => visits.ended(pid, Ok(code)),
            },
            Ok(WaitStatus::Signaled(pid, signal, _)) => match which(pid) {
                Some(which) => return Some((which, FromInit::Signalled(signal as i32))),
                None => visits.ended(pid, Err(signal as i32)),
            },
            _ => {}
        }
    }
}

/// The socket to the shim.
pub(super) struct Channel(OwnedFd);

impl Channel {
    fn tell(&self, message: &FromInit) {
        let text = serde_json::to_vec(message).unwrap_or_default();
        // Where the shim is gone there is nobody to tell.
        let _ = send(self.0.as_raw_fd(), &text, MsgFlags::MSG_NOSIGNAL);
    }

    /// Passes the device that leads out.
    fn hand_over(&self, device: &OwnedFd) -> io::Result<()> {
        let text = serde_json::to_vec(&FromInit::Device)?;
        let (parts, fds) = ([IoSlice::new(&text)], [device.as_raw_fd()]);
        let passed = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.0.as_raw_fd(), &parts, &passed, flags, None)?;
        Ok(())
    }

    /// The next message; none when the shim is gone.
    fn wait(&self) -> Option<ToInit> {
        let mut buffer = [0; LONGEST];
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(_) => return None,
                Ok(_) => {}
            }
            match sys::receive(&self.0, &mut buffer) {
                Ok(received) if received.len > 0 => {
                    return serde_json::from_slice(&buffer[..received.len]).ok();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return None,
            }
        }
    }
}

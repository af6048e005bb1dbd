//! Programs that are run beside the command for whoever asks on `connect.sock`. What can take its
//! time is done by their own processes; init only forks, reaps and passes signals on.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    poll::{PollFd, PollFlags},
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, pipe2, setsid},
};

use super::{
    command::{connect, enter, exec, texts},
    dialer::answer,
};
use crate::sandbox::{
    Kind, Program, SandboxError, Spec, Visit, Window,
    protocol::{Request, VISIT, encode_end},
    sftp,
    status::Doing,
    sys,
};

/// Visits at once: more than people have, few beside the processes that an app may have.
const VISITS: usize = 32;

/// From hanging up on a visit to killing what is left of it.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Visits {
    spec: Spec,
    visits: Vec<Running>,
}

struct Running {
    pid: Pid,
    /// None once whoever asked for it has gone.
    stream: Option<UnixStream>,
    /// When it is killed.
    deadline: Option<Instant>,
}

impl Visits {
    pub(super) const fn new(spec: Spec) -> Self {
        Self {
            spec,
            visits: Vec::new(),
        }
    }

    /// Adds what to wait for.
    pub(super) fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let streams = self.visits.iter().filter_map(|visit| visit.stream.as_ref());
        fds.extend(streams.map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
    }

    /// When something is to be done though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.visits.iter().filter_map(|visit| visit.deadline).min()
    }

    /// Passes signals on and ends visits, in the order of [`Visits::watch`].
    pub(super) fn serve(&mut self, ready: &[PollFlags]) {
        let mut ready = ready.iter();
        let now = Instant::now();
        for visit in &mut self.visits {
            if visit.stream.is_some()
                && ready.next().is_some_and(|flags| !flags.is_empty())
                && !visit.listen()
            {
                visit.stream = None;
                visit.deadline = Some(now + GRACE);
                visit.signal(Signal::SIGHUP);
            }
            if visit.deadline.is_some_and(|at| at <= now) {
                visit.deadline = None;
                visit.signal(Signal::SIGKILL);
            }
        }
    }

    /// Tells how a visit ended whose process was reaped.
    pub(super) fn ended(&mut self, pid: Pid, end: Result<i32, i32>) {
        let Some(index) = self.visits.iter().position(|visit| visit.pid == pid) else {
            return;
        };
        let visit = self.visits.swap_remove(index);
        if let Some(mut stream) = visit.stream {
            // Eight bytes always find room where nothing else is written.
            let _ = stream.write(&encode_end(end));
        }
    }

    /// Ends visits whose process is gone though nobody could tell how.
    pub(super) fn look_for_the_lost(&mut self) {
        let gone = |visit: &&Running| kill(visit.pid, None) == Err(Errno::ESRCH);
        let lost: Vec<Pid> = self
            .visits
            .iter()
            .filter(gone)
            .map(|visit| visit.pid)
            .collect();
        for pid in lost {
            self.ended(pid, Err(libc::SIGKILL));
        }
    }

    /// Starts a program for whoever is at the other end of `stream`.
    pub(super) fn begin(&mut self, stream: UnixStream, visit: &Visit) {
        if self.spec.kind != Kind::Process {
            answer(&stream, libc::EOPNOTSUPP, None);
            return;
        }
        if self.visits.len() >= VISITS {
            answer(&stream, libc::EAGAIN, None);
            return;
        }
        match sys::fork(0) {
            Ok(sys::Side::Child) => run(&mut self.spec, visit, stream),
            Ok(sys::Side::Parent { pid, .. }) => self.visits.push(Running {
                pid: Pid::from_raw(pid),
                stream: Some(stream),
                deadline: None,
            }),
            Err(error) => {
                answer(&stream, error.raw_os_error().unwrap_or(libc::EIO), None);
            }
        }
    }
}

impl Running {
    /// Takes what was asked for; false where nobody is there any more.
    fn listen(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut request = [0; Request::SIZE];
        loop {
            match stream.read(&mut request) {
                Ok(Request::SIZE) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => return false,
            }
            if let [VISIT, number, 0, 0] = request
                && let Ok(signal) = Signal::try_from(i32::from(number))
            {
                let _ = kill(Pid::from_raw(-self.pid.as_raw()), signal);
            }
        }
    }

    /// To its whole process group, or to itself where it has not made one yet.
    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(-self.pid.as_raw());
        let _ = kill(group, signal).or_else(|_| kill(self.pid, signal));
    }
}

/// What the child does: becomes the program.
fn run(spec: &mut Spec, visit: &Visit, stream: UnixStream) -> ! {
    let opened = setsid()
        .doing(|| "begin a session".to_owned())
        .and_then(|_| enter(spec))
        .and_then(|_| match visit.terminal {
            Some(window) => terminal(&stream, window),
            None => pipes(&stream),
        });
    if let Err(error) = opened {
        answer(&stream, errno(&error), None);
        sys::exit_now(127);
    }
    // From here on its own stderr is where it is heard. The connection is init's alone, or it
    // would not end with init's end of it.
    drop(stream);
    let code = match &visit.program {
        Program::Sftp => sftp::serve(),
        Program::Command(argv) => {
            let env = environment(spec, visit);
            let error = match texts(argv, &env) {
                Ok((argv, texts)) => exec(&env, &argv, &texts),
                Err(reason) => reason,
            };
            let _ = writeln!(io::stderr(), "{error}");
            127
        }
    };
    sys::exit_now(code)
}

/// The command's environment with the visit's over it. As in Cloud Foundry, a visitor of an app
/// that is not an image is at home beside the app, not in it.
fn environment(spec: &mut Spec, visit: &Visit) -> Vec<(String, String)> {
    let mut env = std::mem::take(&mut spec.env);
    let mut set = |name: &str, value: &str| {
        env.retain(|(known, _)| known != name);
        env.push((name.to_owned(), value.to_owned()));
    };
    if !spec.is_image() {
        set("HOME", &spec.cwd);
    }
    set("PWD", &spec.cwd);
    for (name, value) in &visit.env {
        set(name, value);
    }
    env
}

fn errno(error: &SandboxError) -> i32 {
    match error {
        SandboxError::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
        _ => libc::EIO,
    }
}

/// Pipes as standard streams; their other ends go to whoever asked.
fn pipes(stream: &UnixStream) -> Result<(), SandboxError> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).doing(|| "make a pipe".to_owned());
    let ((stdin, to_stdin), (of_stdout, stdout), (of_stderr, stderr)) = (pipe()?, pipe()?, pipe()?);
    for theirs in [&to_stdin, &of_stdout, &of_stderr] {
        pass(stream, theirs)?;
    }
    connect(stdin, stdout, stderr)
}

/// A terminal of the sandbox's own as standard streams and as that of the session; its outer
/// side goes to whoever asked.
fn terminal(stream: &UnixStream, window: Window) -> Result<(), SandboxError> {
    let open_inner = || -> io::Result<(OwnedFd, OwnedFd)> {
        let outer = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        grantpt(&outer)?;
        unlockpt(&outer)?;
        let name = ptsname_r(&outer)?;
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let inner = open(name.as_str(), flags, Mode::empty())?;
        Ok((outer.into(), inner))
    };
    let (outer, inner) = open_inner().doing(|| "open a terminal".to_owned())?;
    sys::set_window(outer.as_fd(), window.columns, window.rows)
        .and_then(|()| sys::take_terminal(inner.as_fd()))
        .doing(|| "take the terminal".to_owned())?;
    pass(stream, &outer)?;
    connect(&inner, &inner, &inner)
}

fn pass(stream: &UnixStream, fd: &OwnedFd) -> Result<(), SandboxError> {
    if answer(stream, 0, Some(fd)) {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
            .doing(|| "hand a descriptor over".to_owned())
    }
}

//! Becoming the command: the last steps before exec.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    libc,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{
        Gid, Pid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setgroups, setresgid,
        setresuid, setsid,
    },
};

use super::{Channel, FromInit, Ids, SandboxError, Spec};
use crate::sandbox::{landlock, seccomp, status::Doing, sys};

/// Open files where the spec sets no limit: Cloud Foundry's default.
const FILES: u64 = 16_384;

/// Processes and threads of one user where the spec sets no limit: a fork bomb ends here where
/// there is no cgroup to stop it.
const PROCESSES: u64 = 4096;

/// What the same user of the host would share with the platform or with another instance, and
/// what would be taken from it.
const OWN: [(Resource, u64); 5] = [
    // Memory that cannot be swapped: the kernel's own default.
    (Resource::RLIMIT_MEMLOCK, 8 << 20),
    // Bytes in message queues: the kernel's own default.
    (Resource::RLIMIT_MSGQUEUE, 819_200),
    // No better priority than the others'.
    (Resource::RLIMIT_NICE, 0),
    (Resource::RLIMIT_RTPRIO, 0),
    // Signals that wait, and timers.
    (Resource::RLIMIT_SIGPENDING, 1024),
];

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts a command and returns once it runs. The sandbox's own tells `channel` who it is; a
/// sidecar does not.
pub(super) fn start(
    spec: &Spec,
    argv: &[String],
    channel: Option<&Channel>,
    output: (&OwnedFd, &OwnedFd),
) -> Result<Pid, SandboxError> {
    let (reader, writer) =
        pipe2(nix::fcntl::OFlag::O_CLOEXEC).doing(|| "make a pipe".to_owned())?;
    match sys::fork(0).doing(|| "start a process".to_owned())? {
        sys::Side::Child => {
            drop(reader);
            let error = become_command(spec, argv, channel, output);
            let _ = File::from(writer).write_all(error.as_bytes());
            sys::exit_now(127)
        }
        sys::Side::Parent { pid, .. } => {
            drop(writer);
            // Closed by exec: until then the command has not begun.
            let mut failure = String::new();
            let read = File::from(reader).read_to_string(&mut failure);
            read.doing(|| "wait for the command to start".to_owned())?;
            if failure.is_empty() {
                return Ok(Pid::from_raw(pid));
            }
            Err(io::Error::other(failure)).doing(|| "start the command".to_owned())
        }
    }
}

/// Returns only the reason why it could not.
fn become_command(
    spec: &Spec,
    argv: &[String],
    channel: Option<&Channel>,
    output: (&OwnedFd, &OwnedFd),
) -> String {
    let (argv, env) = match texts(argv, &spec.env) {
        Ok(texts) => texts,
        Err(reason) => return reason,
    };
    match prepare(spec, output) {
        Ok(weaker) => {
            if let Some(channel) = channel {
                let weaker = weaker.into_iter();
                weaker.for_each(|reason| channel.tell(&FromInit::Weaker(reason)));
                channel.tell(&FromInit::Command);
            }
        }
        Err(error) => return super::chain(&error),
    }
    exec(&spec.env, &argv, &env)
}

/// What exec takes.
type Texts = (Vec<CString>, Vec<CString>);

/// A command and an environment as exec takes them.
pub(super) fn texts(argv: &[String], env: &[(String, String)]) -> Result<Texts, String> {
    let argv: Result<Vec<_>, _> = argv.iter().cloned().map(CString::new).collect();
    let env = env.iter().map(|(name, value)| format!("{name}={value}"));
    let env: Result<Vec<_>, _> = env.map(CString::new).collect();
    match (argv, env) {
        (Ok(argv), _) if argv.is_empty() => Err("there is no command".to_owned()),
        (Ok(argv), Ok(env)) => Ok((argv, env)),
        _ => Err("the command or its environment has a NUL character in it".to_owned()),
    }
}

/// Returns what is weaker than it should be.
fn prepare(
    spec: &Spec,
    (stdout, stderr): (&OwnedFd, &OwnedFd),
) -> Result<Option<String>, SandboxError> {
    setsid().doing(|| "begin a session".to_owned())?;
    let null = File::open("/dev/null").doing(|| "open /dev/null".to_owned())?;
    connect(&null, stdout, stderr)?;
    enter(spec)
}

/// Makes these the standard streams.
pub(super) fn connect(
    stdin: impl AsFd,
    stdout: impl AsFd,
    stderr: impl AsFd,
) -> Result<(), SandboxError> {
    dup2_stdin(stdin)
        .and_then(|()| dup2_stdout(stdout))
        .and_then(|()| dup2_stderr(stderr))
        .doing(|| "connect the standard streams".to_owned())
}

/// Gives up what the command has no right to. Returns what is weaker than it should be.
pub(super) fn enter(spec: &Spec) -> Result<Option<String>, SandboxError> {
    sys::close_on_exec_from(3).doing(|| "keep descriptors from the command".to_owned())?;
    for (resource, most) in OWN {
        limit(resource, most)?;
    }
    limit(Resource::RLIMIT_NOFILE, spec.limits.files.unwrap_or(FILES))?;
    if let Some(disk) = spec.disk.as_ref().filter(|disk| disk.image.is_none()) {
        limit(Resource::RLIMIT_FSIZE, disk.quota.bytes)?;
    }
    limit(
        Resource::RLIMIT_NPROC,
        spec.limits
            .pids
            .map_or(PROCESSES, |pids| u64::from(pids) + 1),
    )?;
    if let Ids::Range { .. } = spec.ids {
        let user = spec.user();
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups)
            .and_then(|()| setresgid(gid, gid, gid))
            .and_then(|()| setresuid(uid, uid, uid))
            .doing(|| format!("become user {}", user.uid))?;
    }
    sys::set_capabilities(spec.capabilities()).doing(|| "drop all capabilities".to_owned())?;
    std::env::set_current_dir(&spec.cwd).doing(|| format!("enter {}", spec.cwd))?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    sys::reset_signals().doing(|| "reset signals".to_owned())?;
    let weaker = landlock::apply(spec)?;
    seccomp::close(spec.kind).doing(|| "close the system-call filter".to_owned())?;
    Ok(weaker)
}

/// Sets a limit, lowered to what the host allows.
fn limit(resource: Resource, value: u64) -> Result<(), SandboxError> {
    let what = || format!("set {resource:?} to {value}");
    let (_, hard) = getrlimit(resource).doing(what)?;
    let value = value.min(hard);
    setrlimit(resource, value, value).doing(what)
}

/// Looks the command up in `PATH` of `variables` as a shell does, and runs it. Returns only the
/// reason why it could not.
pub(super) fn exec(variables: &[(String, String)], argv: &[CString], env: &[CString]) -> String {
    let name = &argv[0].to_string_lossy();
    let path = variables
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or(PATH, |(_, value)| value);
    let candidates: Vec<String> = if name.contains('/') {
        vec![name.clone().into_owned()]
    } else {
        path.split(':')
            .map(|folder| format!("{folder}/{name}"))
            .collect()
    };
    let mut refused = None;
    for candidate in candidates {
        let Ok(program) = CString::new(candidate) else {
            continue;
        };
        let error = sys::exec(&program, argv, env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            // A script without a first line that names its interpreter.
            Some(libc::ENOEXEC) => {
                let shell = [c"sh".to_owned(), program].into_iter();
                let argv: Vec<CString> = shell.chain(argv[1..].iter().cloned()).collect();
                return format!("{name}: {}", sys::exec(c"/bin/sh", &argv, env));
            }
            _ => refused = Some(error),
        }
    }
    match refused {
        Some(error) => format!("{name}: {error}"),
        None if name.contains('/') => {
            format!("{name}: no such file (or its interpreter is missing)")
        }
        None => format!("{name}: not found in PATH ({path})"),
    }
}

//! Making a sandbox: its group, its folders, its first process.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{PermissionsExt, fchown},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    sys::resource::{Resource, setrlimit},
    sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt::PassCred},
    unistd::{Uid, geteuid, pipe2, seteuid, setfsuid},
};

use super::output::Output;
use crate::sandbox::{
    BUILT, Ceiling, Disk, Ids, Limits, Mounted, Network, RANGE, SandboxError, Spec, User, VCAP,
    cgroup::{Device, Group, Host},
    init,
    log::Stream,
    owners,
    protocol::CONNECT,
    rootfs,
    status::{Doing, Process},
    sys,
};

/// The shim's hold on a sandbox that was started.
pub(super) struct Started {
    pub(super) init: Process,
    pub(super) pidfd: OwnedFd,
    pub(super) channel: OwnedFd,
    /// Its own disk.
    pub(super) disk: Option<Mounted>,
    /// Devices of its own that are held to ceilings.
    pub(super) held: Vec<Device>,
}

/// Makes the group and sets the limits. None where the host has no groups for us; what is
/// then not enforced is added to `weaker`.
pub(super) fn group(spec: &Spec, weaker: &mut Vec<String>) -> Result<Option<Group>, SandboxError> {
    let host = match Host::find(Path::new("/")) {
        Ok(host) => host,
        Err(reason) => {
            weaker.push(format!(
                "memory, processor and process limits are not enforced: {reason}"
            ));
            return Ok(None);
        }
    };
    host.settle();
    // Init is one of them, and not the app's; so is the process of its way out.
    let ours = match spec.network {
        Network::Tunnel => 2,
        Network::Isolated => 1,
    };
    let limits = Limits {
        pids: spec.limits.pids.map(|pids| pids + ours),
        ..spec.limits
    };
    let (group, missing) = host
        .create(&spec.id, &limits)
        .doing(|| format!("set the limits of {}", spec.id))?;
    weaker.extend(missing);
    Ok(Some(group))
}

/// Starts init, in its namespaces and in `group`, but does not let it go on yet. With it come
/// stdout and stderr of the command and of its sidecars.
pub(super) fn init(
    spec: Spec,
    group: Option<&Group>,
    weaker: &mut Vec<String>,
) -> Result<(Started, Vec<Output>), SandboxError> {
    forbid_cores(weaker);
    let owner = owner(&spec);
    let disk = spec.disk.as_ref().map(mounted).transpose()?.flatten();
    let volumes = spec.volumes.iter().map(|volume| mounted(&volume.disk));
    let volumes = volumes.collect::<Result<Vec<_>, _>>()?;
    let held = match group {
        Some(group) => ceilings(&spec, group, (disk.as_ref(), &volumes), weaker),
        None => Vec::new(),
    };
    folders(&spec, disk.as_ref(), &volumes)?;
    let home = home(&spec, weaker)?;
    let layers = layers(&spec)?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .doing(|| "make a socket pair".to_owned())?;
    setsockopt(&ours, PassCred, &true).doing(|| "ask for process ids".to_owned())?;
    let (stdout, their_stdout) = pipe(owner)?;
    let (stderr, their_stderr) = pipe(owner)?;
    let mut outputs = vec![
        Output::new(stdout, Stream::Out),
        Output::new(stderr, Stream::Err),
    ];
    let mut sidecars = Vec::new();
    for number in 0..u8::try_from(spec.sidecars.len()).unwrap_or(u8::MAX) {
        let (stdout, their_stdout) = pipe(owner)?;
        let (stderr, their_stderr) = pipe(owner)?;
        outputs.push(Output::new(stdout, Stream::SidecarOut(number)));
        outputs.push(Output::new(stderr, Stream::SidecarErr(number)));
        sidecars.push((their_stdout, their_stderr));
    }
    let listener = UnixListener::bind(CONNECT)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .doing(|| format!("make {CONNECT}"))?;
    let (ids, user) = (spec.ids, spec.user());
    match fork_as(ids, NAMESPACES).doing(|| {
        "make namespaces (does the host allow user namespaces? see user.max_user_namespaces, \
         kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns in sysctl)"
            .to_owned()
    })? {
        sys::Side::Child => {
            let root = Mounted::into_root;
            let given = init::Given {
                spec,
                channel: theirs,
                listener,
                stdout: their_stdout,
                stderr: their_stderr,
                sidecars,
                parts: rootfs::Parts {
                    home,
                    layers,
                    group: group.cloned(),
                    disk: disk.map(root),
                    volumes: volumes.into_iter().map(|disk| disk.map(root)).collect(),
                },
            };
            init::run(given)
        }
        sys::Side::Parent { pid, pidfd } => {
            expose(pid);
            let prepared = map_ids(pid, ids, &user)
                .and_then(|()| group.map_or(Ok(()), |group| group.add(pid)))
                .and_then(|()| Process::find(pid));
            let init = prepared.doing(|| "set up the sandbox's first process".to_owned())?;
            Ok((
                Started {
                    init,
                    pidfd,
                    channel: ours,
                    disk,
                    held,
                },
                outputs,
            ))
        }
    }
}

/// Sees to it that no crash inside makes a core, nor starts what the host pipes cores to.
///
/// core(5): a pipe knows no limit but 1, which the kernel takes for a crash of the very program
/// that is piped to; 0 would start it, as root and outside. It is set here, since the sandbox's
/// filter keeps everybody inside from changing it.
fn forbid_cores(weaker: &mut Vec<String>) {
    if setrlimit(Resource::RLIMIT_CORE, 1, 1).is_ok() {
        return;
    }
    let piped = fs::read_to_string("/proc/sys/kernel/core_pattern")
        .is_ok_and(|pattern| pattern.starts_with('|'));
    if piped {
        weaker.push(
            "a crash inside starts the host's handler of cores, since the platform's own limit of \
             cores is 0: start it with a hard limit of 1 or more (LimitCORE= of systemd)"
                .to_owned(),
        );
    }
}

/// Makes init's process. Its user namespace belongs to the app's own root where it has one: what
/// the kernel counts for the owner of a namespace (inotify instances, waiting signals, namespaces)
/// would otherwise be counted for the host's root, and one app could use up all of root's.
fn fork_as(ids: Ids, flags: i32) -> io::Result<sys::Side> {
    let Ids::Range { first } = ids else {
        return sys::fork(flags);
    };
    // Without the right to keep capabilities the namespace is root's, and holds no less.
    if sys::keep_capabilities(true).is_err() {
        return sys::fork(flags);
    }
    let (root, owner) = (geteuid(), Uid::from_raw(first));
    let side = seteuid(owner).map_err(io::Error::from).and_then(|()| {
        // Files are still asked for as who started us.
        setfsuid(root);
        sys::fork(flags)
    });
    if !matches!(side, Ok(sys::Side::Child)) {
        seteuid(root)?;
        sys::keep_capabilities(false)?;
    }
    side
}

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWNET;

/// The host's id of the app's own range that nobody in the sandbox has, where it has a range.
pub(super) fn nobody(spec: &Spec) -> Option<u32> {
    let uid = [VCAP + 1, VCAP + 2]
        .into_iter()
        .find(|uid| *uid != spec.user().uid);
    rootfs::image::root(spec.ids)
        .zip(uid)
        .map(|(first, uid)| first + uid)
}

/// The host's id of who runs the command, where it is not our own.
fn owner(spec: &Spec) -> Option<u32> {
    rootfs::image::root(spec.ids).map(|first| first + spec.user().uid)
}

/// Writes the id maps of a process's user namespace.
fn map_ids(pid: i32, ids: Ids, user: &User) -> io::Result<()> {
    let write = |file: &str, text: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, text)
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    };
    match ids {
        Ids::Range { first } => {
            let map = format!("0 {first} {RANGE}\n");
            write("uid_map", &map)?;
            write("gid_map", &map)
        }
        Ids::Own => {
            write("setgroups", "deny")?;
            let User { uid, gid, .. } = user;
            write("uid_map", &format!("{uid} {} 1\n", geteuid()))?;
            write("gid_map", &format!("{gid} {} 1\n", nix::unistd::getegid()))
        }
    }
}

/// Takes from a process what protects the daemon from the kernel's choice when the whole machine
/// is out of memory. A process may always give that up; what cannot be read is left.
fn expose(pid: i32) {
    let path = format!("/proc/{pid}/oom_score_adj");
    let protected = fs::read_to_string(&path).is_ok_and(|text| text.trim().starts_with('-'));
    if protected {
        let _ = fs::write(&path, "0");
    }
}

/// The file system of a disk that is one.
fn mounted(disk: &Disk) -> Result<Option<Mounted>, SandboxError> {
    let mounted = disk.image.as_ref().map(Mounted::join).transpose();
    mounted.doing(|| {
        "mount the sandbox's disk (does the host still have loop devices and ext4?)".to_owned()
    })
}

/// Sets the ceilings of reading and writing on all disks that the sandbox's files are on, and
/// tells which of them are its own.
fn ceilings(
    spec: &Spec,
    group: &Group,
    (disk, volumes): (Option<&Mounted>, &[Option<Mounted>]),
    weaker: &mut Vec<String>,
) -> Vec<Device> {
    let ceiling = &spec.limits.io_ceiling;
    if *ceiling == Ceiling::default() && !group.may_be_held() {
        return Vec::new();
    }
    let own = disk.into_iter().chain(volumes.iter().flatten());
    let own: Vec<_> = own.map(|mounted| Device::own(mounted.device())).collect();
    let held = own.iter().filter_map(|own| own.as_ref().ok().copied());
    let held = held.collect();
    let host = Device::of_host(&spec.dir, disk.is_none());
    let missing = group.hold_to(ceiling, own.into_iter().chain([host]));
    if *ceiling != Ceiling::default() {
        weaker.extend(missing);
    }
    held
}

fn folders(
    spec: &Spec,
    disk: Option<&Mounted>,
    volumes: &[Option<Mounted>],
) -> Result<(), SandboxError> {
    let what = || "make the instance's folders".to_owned();
    let root = rootfs::image::root(spec.ids);
    let owner = root.map(|first| (first, first + VCAP));
    fs::create_dir(rootfs::ROOT).doing(what)?;
    let private = match disk {
        Some(disk) => disk.path(),
        None => {
            fs::create_dir(rootfs::PRIVATE).doing(what)?;
            PathBuf::from(rootfs::PRIVATE)
        }
    };
    if let Some((_, vcap)) = owner {
        let home = spec.home.as_ref().filter(|_| spec.home_writable);
        let home = home.map(|home| disk.map_or(home.clone(), |_| private.join(BUILT)));
        let binds = spec.binds.iter().filter(|bind| bind.writable);
        let binds = binds.map(|bind| bind.source.clone());
        let volumes = spec.volumes.iter().zip(volumes);
        let volumes = volumes.map(|(volume, disk)| {
            disk.as_ref()
                .map_or_else(|| volume.source.clone(), Mounted::path)
        });
        for path in home.into_iter().chain(binds).chain(volumes) {
            rootfs::own(&path, vcap)
                .doing(|| format!("hand {} over to the sandbox", path.display()))?;
        }
    }
    rootfs::prepare(&private, owner)
        .and_then(|()| match spec.root {
            Some(_) => rootfs::image::prepare(&private, root),
            None => Ok(()),
        })
        .doing(what)
}

/// The home with our own id shown as the sandbox's `vcap`, where that is needed and possible.
fn home(spec: &Spec, weaker: &mut Vec<String>) -> Result<Option<OwnedFd>, SandboxError> {
    let (Some(path), Ids::Range { first }, false) = (&spec.home, spec.ids, spec.home_writable)
    else {
        return Ok(None);
    };
    let found = fs::metadata(path).doing(|| format!("find {}", path.display()))?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory)
            .doing(|| format!("use {} as home", path.display()));
    }
    let shown = owners::vcap(first + VCAP).and_then(|owners| owners::shown(path, &owners));
    match shown {
        Ok(tree) => Ok(Some(tree)),
        Err(error) => {
            weaker.push(rootfs::copy_reason(&error));
            Ok(None)
        }
    }
}

/// The layers of an image with the ids of the app's range in place of the first ones. Empty
/// where init takes them.
fn layers(spec: &Spec) -> Result<Vec<OwnedFd>, SandboxError> {
    let (Some(root), Ids::Range { first }) = (&spec.root, spec.ids) else {
        return Ok(Vec::new());
    };
    let owners =
        owners::range(first).doing(|| "make a namespace for the image's owners".to_owned())?;
    let take = |path: &std::path::PathBuf| {
        owners::shown(path, &owners)
            .map_err(|error| rootfs::image::ids_reason(&error))
            .doing(|| format!("take {} into the sandbox", path.display()))
    };
    root.layers.iter().map(take).collect()
}

/// A pipe for the command's output: our end does not block, and the command may open its end
/// again as `/dev/stdout`, for which it has to own it.
fn pipe(owner: Option<u32>) -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let what = || "make a pipe".to_owned();
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).doing(what)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).doing(what)?;
    if let Some(owner) = owner {
        fchown(&writer, Some(owner), Some(owner)).doing(what)?;
    }
    Ok((reader, writer))
}

/// Kept apart from the spec's secrets: readable by the platform's user alone.
pub(super) fn protect(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

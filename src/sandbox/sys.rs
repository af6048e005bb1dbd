//! The system calls that no crate wraps safely. The only file with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper; each block says why it holds"
)]

mod disk;

pub(super) use disk::{abandon, configure_loop, file_of_loop, free_loop, mount_nowhere, trim};

use std::{
    ffi::{CStr, CString, c_int, c_long},
    io::{self, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::{
    libc,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The descriptor that a call has made.
///
/// # Safety
/// `result` is what a call has just returned that makes a descriptor.
unsafe fn owned(result: c_long) -> io::Result<OwnedFd> {
    let fd = c_int::try_from(check(result)?).unwrap_or(-1);
    // SAFETY: the caller's promise; nothing else owns a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn raw(fd: Option<BorrowedFd<'_>>) -> RawFd {
    fd.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd())
}

/// Which side of a fork this is.
#[derive(Debug)]
pub(super) enum Side {
    /// The one that called, with the child's id and a descriptor of it.
    Parent { pid: i32, pidfd: OwnedFd },
    /// The new one.
    Child,
}

/// Makes a child with new namespaces (`flags`) that runs on from here. For processes with one
/// thread only: the child has copies of the memory and of every descriptor.
pub(super) fn fork(flags: c_int) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    let flags = c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this is fork(2): the child has its own copy
    // of memory and stack. Shim and init have one thread, so no lock can be held by another.
    // `pidfd` outlives the call, which writes one int to it.
    let pid = check(unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            0 as c_long,
            &raw mut pidfd,
            0 as c_long,
            0 as c_long,
        )
    })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent {
        pid: i32::try_from(pid).unwrap_or(-1),
        pidfd,
    })
}

/// Makes a child with new namespaces, the mount one among them, that tries to change its
/// mounts and to mount a `/proc`, and ends: with code 0 where it could, 1 where it could do
/// nothing, 2 where there was no `/proc` for it. Returns its id, to be waited for. Good in
/// processes with many threads, too.
pub(super) fn try_mounting(flags: c_int) -> io::Result<i32> {
    let flags = c_long::from(flags | libc::CLONE_NEWNS | libc::SIGCHLD);
    let propagation = libc::MS_REC | libc::MS_PRIVATE;
    let (root, proc, path) = (c"/".as_ptr(), c"proc".as_ptr(), c"/proc".as_ptr());
    let (none, zero) = (std::ptr::null::<libc::c_char>(), 0 as c_long);
    // SAFETY: as fork(2); the child makes a few system calls with constants and is gone,
    // whatever state the other threads had the memory in.
    unsafe {
        let pid = check(libc::syscall(
            libc::SYS_clone,
            flags,
            zero,
            zero,
            zero,
            zero,
        ))?;
        if pid == 0 {
            if libc::syscall(libc::SYS_mount, none, root, none, propagation, none) != 0 {
                libc::_exit(1);
            }
            if libc::syscall(libc::SYS_mount, proc, path, proc, zero, none) != 0 {
                libc::_exit(2);
            }
            libc::_exit(0);
        }
        Ok(i32::try_from(pid).unwrap_or(-1))
    }
}

/// Ends the process without running anything registered for its end: a forked child shares
/// those with its parent.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(super) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called at the start of the shim, before it owns any descriptor from `first` on.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Closes every descriptor from 3 on but `keep`. For a forked child that never returns to
/// where the others' owners are.
pub(super) fn close_all_but<'a>(keep: impl Iterator<Item = BorrowedFd<'a>>) {
    let mut keep: Vec<u32> = keep.map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > first {
            // SAFETY: the owners of these descriptors belong to the stack and the heap that
            // were copied from the parent; the caller promises that none is used or dropped.
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = fd.saturating_add(1);
    }
}

/// Marks every descriptor from `first` on to be closed by the next exec.
pub(super) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: nothing is closed now; after exec no owner is left.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
    .map(drop)
}

/// A detached copy of what is mounted at `path` (relative to `at`), submounts with it where
/// `recursive`. Not at a symbolic link's target: the link itself is refused by the kernel.
pub(super) fn open_tree(
    at: Option<BorrowedFd<'_>>,
    path: &Path,
    recursive: bool,
) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let deep = if recursive {
        libc::AT_RECURSIVE.cast_unsigned()
    } else {
        0
    };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | deep;
    // SAFETY: the path is a C string that outlives the call; the result is a new descriptor.
    unsafe {
        let fd = check(libc::syscall(
            libc::SYS_open_tree,
            raw(at),
            path.as_ptr(),
            flags,
        ))?;
        Ok(OwnedFd::from_raw_fd(c_int::try_from(fd).unwrap_or(-1)))
    }
}

/// Attaches a detached mount at `path`, relative to `at`.
pub(super) fn move_mount(
    mount: BorrowedFd<'_>,
    at: Option<BorrowedFd<'_>>,
    path: &Path,
) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: both paths are C strings that outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            raw(at),
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Sets attributes (`MOUNT_ATTR_*`) of a mount, and of those below it where `recursive`. With
/// `owners`, ids are shown as that user namespace maps them.
pub(super) fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: u64,
    owners: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: set
            | if owners.is_some() {
                libc::MOUNT_ATTR_IDMAP
            } else {
                0
            },
        attr_clr: 0,
        propagation: 0,
        userns_fd: owners.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` is a plain struct whose size is told, and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of_val(&attr),
        )
    })
    .map(drop)
}

/// Makes `keep` (bits by capability number) the permitted and effective set, and empties the
/// inheritable and ambient ones.
pub(super) fn set_capabilities(keep: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
    let data = [keep, keep >> 32].map(|bits| Data {
        effective: half(bits),
        permitted: half(bits),
        inheritable: 0,
    });
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // SAFETY: version 3 reads the header and two data structs; both outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned().into(),
    )
    .map(drop)
}

/// Takes every capability out of the bounding set but those of `keep`.
pub(super) fn limit_bounding_set(keep: u64) -> io::Result<()> {
    for capability in (0..64).filter(|capability| keep >> capability & 1 == 0) {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(_) => {}
            // One past the last that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a change of this process's ids leaves its capabilities as they are.
pub(super) fn keep_capabilities(keep: bool) -> io::Result<()> {
    // uapi/linux/securebits.h: SECBIT_NO_SETUID_FIXUP.
    const NO_SETUID_FIXUP: u64 = 1 << 2;
    prctl(
        libc::PR_SET_SECUREBITS,
        if keep { NO_SETUID_FIXUP } else { 0 },
    )
    .map(drop)
}

/// Makes id 0 an id like any other, for good: exec and id changes give no capabilities. With
/// `root`, id 0 keeps across exec what it has, and loses it by becoming somebody else.
pub(super) fn lock_securebits(root: bool) -> io::Result<()> {
    // uapi/linux/securebits.h: NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock.
    const BITS: u64 = 0b1100_1111;
    // Of these, NO_CAP_AMBIENT_RAISE alone.
    const OF_ROOT: u64 = 0b1100_0000;
    prctl(libc::PR_SET_SECUREBITS, if root { OF_ROOT } else { BITS }).map(drop)
}

fn prctl(option: c_int, value: u64) -> io::Result<c_long> {
    // SAFETY: the options used here take numbers only.
    check(unsafe { libc::prctl(option, value, 0_u64, 0_u64, 0_u64) }.into())
}

/// Gives every signal its default action and blocks none. Also those two that libc keeps for
/// itself and does not let us set: whoever started us may have had them ignored.
pub(super) fn reset_signals() -> io::Result<()> {
    // The kernel's `struct sigaction`, on every architecture no longer than this; all zeros is
    // the default action, without flags.
    let default = [0_u64; 4];
    let set_size: c_long = 8;
    for signal in 1..=64 as c_long {
        // SAFETY: `default` outlives the call and involves no handler. SIGKILL and SIGSTOP are
        // refused with an error, which is as good.
        unsafe {
            let old = std::ptr::null_mut::<u64>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                old,
                set_size,
            );
        }
    }
    nix::sys::signal::SigSet::empty()
        .thread_set_mask()
        .map_err(io::Error::from)
}

/// Brings the loopback interface of this network namespace up.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: `ifreq` is plain data for which all zeros is valid; it outlives the calls, and
    // both use its `ifru_flags`.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
            *to = from.cast_signed();
        }
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request).into())?;
        request.ifr_ifru.ifru_flags |= libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request).into())?;
    }
    Ok(())
}

/// Makes `device`, which is /dev/net/tun just opened, a TUN device of this network namespace.
/// Packets have a virtio header before them, and checksums are left to whoever reads them.
pub(super) fn make_tun(device: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let kind = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    // SAFETY: `ifreq` is plain data for which all zeros is valid; it outlives the first call,
    // which uses its name and `ifru_flags`. The second takes a number.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        // One less, so that it ends in a zero.
        let room = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(kind).unwrap_or(0);
        check(libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request).into())?;
        let offload = libc::c_ulong::from(libc::TUN_F_CSUM);
        check(libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, offload).into())?;
    }
    Ok(())
}

/// Random bytes of the kernel, with no file opened for them.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: writes at most as many bytes as there are, and `bytes` outlives the call.
    let written = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    match usize::try_from(written) {
        Ok(written) if written == N => Ok(bytes),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the allocator map what is large apart from the rest: such memory takes room only where it
/// was written to, and is the system's again as soon as it is let go.
pub(super) fn map_large_allocations() {
    const LARGE: c_int = 16 << 10;
    let options = [
        (libc::M_MMAP_THRESHOLD, LARGE),
        // No more at the heap's end than is needed, or what is large would be put there.
        (libc::M_TOP_PAD, 0),
        (libc::M_TRIM_THRESHOLD, LARGE),
    ];
    for (option, value) in options {
        // SAFETY: takes numbers; a call that is refused changes nothing.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Where a message came from, and what came with it.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Bytes; 0 is the end.
    pub(super) len: usize,
    /// The sender's process id as seen here, where the socket asks for it (`SO_PASSCRED`).
    pub(super) sender: Option<i32>,
    /// A descriptor that was passed.
    pub(super) passed: Option<OwnedFd>,
}

/// Receives one message without blocking.
pub(super) fn receive(socket: impl AsFd, into: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!([RawFd; 4], libc::ucred);
    let mut parts = [IoSliceMut::new(into)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(
        socket.as_fd().as_raw_fd(),
        &mut parts,
        Some(&mut control),
        flags,
    )?;
    let mut received = Received {
        len: message.bytes,
        ..Received::default()
    };
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::ScmRights(fds) => {
                for fd in fds {
                    // SAFETY: recvmsg has just made these descriptors; nothing else owns them.
                    // Any but the last is closed by being replaced.
                    received.passed = Some(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            ControlMessageOwned::ScmCredentials(who) => received.sender = Some(who.pid()),
            _ => {}
        }
    }
    Ok(received)
}

/// Runs another program in this process.
pub(super) fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    match nix::unistd::execve(program, argv, env) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

/// Begins a session keyring of its own, so that keys of whoever started us are not in reach.
pub(super) fn new_session_keyring() -> io::Result<()> {
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name, which the call allows, asks for a keyring without one.
    check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            anonymous,
        )
    })
    .map(drop)
}

/// A descriptor for a process, that stays with it when its id is used again.
pub(super) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers; the result is a new descriptor that nothing else owns.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(c_int::try_from(fd).unwrap_or(-1)))
    }
}

/// Sends SIGKILL to the process behind `pidfd`.
pub(super) fn pidfd_kill(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers and a null pointer, which the call allows.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })
    .map(drop)
}

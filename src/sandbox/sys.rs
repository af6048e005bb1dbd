//! The system calls that no crate wraps safely. Nothing but this and what is below it has `unsafe`.
#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper; each block says why it holds"
)]

mod disk;
mod mounts;
mod rights;

pub(super) use disk::{abandon, configure_loop, file_of_loop, free_loop, mount_nowhere, trim};
pub(super) use mounts::{mount_setattr, move_mount, open_tree};
pub(super) use rights::{
    keep_capabilities, landlock_version, limit_bounding_set, lock_securebits, set_capabilities,
};

use std::{
    ffi::{CStr, CString, c_int, c_long},
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    libc,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};
use tokio::io::unix::AsyncFd;

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

/// Makes a child with new namespaces that does nothing until it is killed, which it is when this
/// thread ends, too. Returns its id, to be waited for. Good in processes with many threads, too.
pub(super) fn parked(flags: c_int) -> io::Result<i32> {
    let (flags, zero) = (c_long::from(flags | libc::SIGCHLD), 0 as c_long);
    let (die, kill) = (libc::PR_SET_PDEATHSIG, c_long::from(libc::SIGKILL));
    // SAFETY: as fork(2); the child makes system calls with constants and nothing else, whatever
    // state the other threads had the memory in.
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
            libc::syscall(libc::SYS_prctl, die, kill, zero, zero, zero);
            loop {
                libc::syscall(libc::SYS_ppoll, zero, zero, zero, zero, zero);
            }
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

/// Gives the terminal behind `fd` another size (ioctl_tty(2)).
pub(super) fn set_window(fd: BorrowedFd<'_>, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the struct is what the request reads, and outlives the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into())
        .map(drop)
}

/// A descriptor that the runtime waits for.
pub(super) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open for as long as it lives, and what it refers to does not change.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// Makes the terminal behind `fd` the one of this session, which this process leads.
pub(super) fn take_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
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

/// Asks the scheduler for slices of `slice_ns` for one thread (0: this one) and its later
/// children, and leaves its policy and nice value alone: a thread whose slice is shorter than
/// that of the one that runs need not wait for its turn to end (sched_setattr(2); kernels
/// before 6.12 take the call and keep their own slices).
pub(super) fn set_time_slice(tid: i32, slice_ns: u64) -> io::Result<()> {
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    // SCHED_ATTR_SIZE_VER0.
    const SIZE: u32 = 48;
    let mut attributes = Attributes::default();
    let asked = &raw mut attributes;
    // SAFETY: the kernel writes at most `SIZE` bytes, which the struct has.
    check(unsafe { libc::syscall(libc::SYS_sched_getattr, tid, asked, SIZE, 0) })?;
    attributes.runtime = slice_ns;
    // SAFETY: the struct has the size that it says, and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, tid, &raw const attributes, 0) })
        .map(drop)
}

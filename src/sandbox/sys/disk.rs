//! Loop devices, and file systems that are mounted nowhere.

use std::{
    ffi::{CStr, c_long},
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use nix::libc;

use super::{check, owned};

/// The number of a loop device that is free now (uapi/linux/loop.h).
pub(in crate::sandbox) fn free_loop(control: BorrowedFd<'_>) -> io::Result<c_long> {
    const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
    // SAFETY: takes no argument.
    check(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) }.into())
}

/// The kernel's `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    numbers: [u64; 3],
    number: u32,
    crypt: [u32; 2],
    flags: u32,
    names: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

impl LoopInfo {
    const EMPTY: Self = Self {
        device: 0,
        inode: 0,
        numbers: [0; 3],
        number: 0,
        crypt: [0; 2],
        flags: 0,
        names: [0; 160],
        init: [0; 2],
    };
}

/// Puts `file` behind a loop device that is free, for as long as somebody has the device open
/// or mounted. By way of the page cache: a new file would have to be on the disk first, else.
pub(in crate::sandbox) fn configure_loop(
    device: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
) -> io::Result<()> {
    const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    #[repr(C)]
    struct Config {
        fd: u32,
        block_size: u32,
        info: LoopInfo,
        reserved: [u64; 8],
    }
    let config = Config {
        fd: file.as_raw_fd().cast_unsigned(),
        block_size: 0,
        info: LoopInfo {
            flags: LO_FLAGS_AUTOCLEAR,
            ..LoopInfo::EMPTY
        },
        reserved: [0; 8],
    };
    let device = device.as_raw_fd();
    // SAFETY: the kernel reads one `struct loop_config`, which `Config` is and which outlives
    // the call.
    check(unsafe { libc::ioctl(device, LOOP_CONFIGURE, &raw const config) }.into()).map(drop)
}

/// Device and inode number of the file behind a loop device.
pub(in crate::sandbox) fn file_of_loop(device: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    const LOOP_GET_STATUS64: libc::Ioctl = 0x4C05;
    let mut info = LoopInfo::EMPTY;
    // SAFETY: the kernel writes one `struct loop_info64`, which `LoopInfo` is.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) }.into())?;
    Ok((info.device, info.inode))
}

/// Makes a mount that is attached nowhere: its descriptor is what leads into it, and it goes
/// with the last one. Options without a value are flags; `attributes` are `MOUNT_ATTR_*`.
pub(in crate::sandbox) fn mount_nowhere(
    kind: &CStr,
    options: &[(&CStr, Option<&CStr>)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    // uapi/linux/mount.h; both calls know the same flag.
    const CLOEXEC: c_long = 1;
    const FSCONFIG_SET_FLAG: c_long = 0;
    const FSCONFIG_SET_STRING: c_long = 1;
    const FSCONFIG_CMD_CREATE: c_long = 6;
    // SAFETY: the name is a C string that outlives the call; the result is a new descriptor.
    let context = unsafe { owned(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC)) }?;
    let context = &context.as_raw_fd();
    let configure = |command: c_long, key: Option<&CStr>, value: Option<&CStr>| {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        let (key, value) = (pointer(key), pointer(value));
        // SAFETY: key and value are null or C strings that outlive the call, each as its
        // command wants them.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                *context,
                command,
                key,
                value,
                0 as c_long,
            )
        })
    };
    for (key, value) in options {
        let command = value.map_or(FSCONFIG_SET_FLAG, |_| FSCONFIG_SET_STRING);
        configure(command, Some(key), *value)?;
    }
    configure(FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: takes numbers; the result is a new descriptor.
    unsafe {
        owned(libc::syscall(
            libc::SYS_fsmount,
            *context,
            CLOEXEC,
            attributes,
        ))
    }
}

/// Has an ext4 drop what it has not written yet, and write no more: for one that goes with all
/// that is in it (fs/ext4/ext4.h, `EXT4_IOC_SHUTDOWN`).
pub(in crate::sandbox) fn abandon(root: BorrowedFd<'_>) -> io::Result<()> {
    const EXT4_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587D;
    const NO_LOG_FLUSH: u32 = 2;
    let how = NO_LOG_FLUSH;
    let root = root.as_raw_fd();
    // SAFETY: the kernel reads one u32, which outlives the call.
    check(unsafe { libc::ioctl(root, EXT4_IOC_SHUTDOWN, &raw const how) }.into()).map(drop)
}

/// Gives the free space of a file system back to what it lies on (uapi/linux/fs.h, `FITRIM`).
pub(in crate::sandbox) fn trim(root: BorrowedFd<'_>) -> io::Result<()> {
    const FITRIM: libc::Ioctl = 0xC018_5879_u32 as libc::Ioctl;
    // Start, length, shortest piece.
    let mut range = [0_u64, u64::MAX, 64 << 10];
    let root = root.as_raw_fd();
    // SAFETY: the kernel reads and writes one `struct fstrim_range`, which is three u64.
    check(unsafe { libc::ioctl(root, FITRIM, range.as_mut_ptr()) }.into()).map(drop)
}

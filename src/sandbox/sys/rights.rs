//! Rights: capabilities and what guards them.

use std::{
    ffi::{c_int, c_long},
    io,
};

use nix::libc;

use super::check;

/// Makes `keep` (bits by capability number) the permitted and effective set, and empties the
/// inheritable and ambient ones.
pub(in crate::sandbox) fn set_capabilities(keep: u64) -> io::Result<()> {
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
pub(in crate::sandbox) fn limit_bounding_set(keep: u64) -> io::Result<()> {
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
pub(in crate::sandbox) fn keep_capabilities(keep: bool) -> io::Result<()> {
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
pub(in crate::sandbox) fn lock_securebits(root: bool) -> io::Result<()> {
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

/// The newest version of Landlock that the kernel has (landlock_create_ruleset(2)). `ENOSYS` where
/// it is not built in, `EOPNOTSUPP` where it is not in use.
pub(in crate::sandbox) fn landlock_version() -> io::Result<u32> {
    const VERSION: c_long = 1;
    // SAFETY: with this flag it takes no attributes, and makes nothing.
    let version = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0 as c_long,
            VERSION,
        )
    })?;
    Ok(u32::try_from(version).unwrap_or(0))
}

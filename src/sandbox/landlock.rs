//! Landlock: what the command may do with files and to other processes, said once more by
//! another part of the kernel than the one that keeps mounts and users apart.
//!
//! It adds to those: a mount that is writable by mistake is still not written; no device that was
//! overlooked answers an `ioctl`; no signal and no abstract Unix socket reaches anything that the
//! command has not started itself, init least of all. Rules for TCP ports would add nothing: a
//! sandbox's network is its own.

use landlock::{
    ABI, Access, AccessFs, BitFlags, Errno, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{SandboxError, Spec, rootfs, status::Doing};

/// The newest that this was tried on. Older kernels enforce what they know.
const KNOWN: ABI = ABI::V7;

/// Devices and what else of the system is written to.
const WRITTEN: [&str; 8] = [
    "/dev/full",
    "/dev/null",
    "/dev/pts",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
    "/proc",
];

/// Devices whose ioctls are of use: terminals, and the one that answers none.
const ASKED: [&str; 3] = ["/dev/null", "/dev/pts", "/dev/tty"];

/// Walls this process in for good, with all that it starts. Tells where the kernel could not do
/// all of it.
pub(super) fn apply(spec: &Spec) -> Result<Option<String>, SandboxError> {
    let status = restrict(spec)
        .map_err(|error| std::io::Error::other(chain(&error)))
        .doing(|| "set the Landlock rules".to_owned())?;
    Ok(match status {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some(
            "Landlock is enforced in part, since the kernel's is older than Linux 6.12; a newer \
             kernel enforces all of it"
                .to_owned(),
        ),
        RulesetStatus::NotEnforced => Some(
            "Landlock is not enforced: this kernel has it not, or not in use; boot it with \
             landlock among the modules of lsm="
                .to_owned(),
        ),
    })
}

fn chain(error: &RulesetError) -> String {
    let cause = Errno::from(error);
    format!("{error} ({})", std::io::Error::from_raw_os_error(*cause))
}

fn restrict(spec: &Spec) -> Result<RulesetStatus, RulesetError> {
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let everything = AccessFs::from_all(KNOWN);
    let mut rules = Ruleset::default()
        .handle_access(everything)?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let mut allow = |path: &std::path::Path, access: BitFlags<AccessFs>| {
        // What is not there cannot be written.
        match PathFd::new(path) {
            Ok(found) => (&mut rules)
                .add_rule(PathBeneath::new(found, access))
                .map(drop),
            Err(_) => Ok(()),
        }
    };
    allow("/".as_ref(), AccessFs::from_read(KNOWN))?;
    for path in rootfs::written(spec) {
        allow(&path, everything & !devices)?;
    }
    for path in WRITTEN {
        allow(path.as_ref(), AccessFs::WriteFile | AccessFs::Truncate)?;
    }
    for path in ASKED {
        allow(path.as_ref(), AccessFs::IoctlDev.into())?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

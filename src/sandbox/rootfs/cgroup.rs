//! `/sys/fs/cgroup`: the sandbox's own control group, to be read. Runtimes find there how much
//! memory and how many processors they have; without it they take the host's for theirs.

use std::path::{Path, PathBuf};

use nix::libc;

use super::{Piece, READ_ONLY, SandboxError};
use crate::sandbox::cgroup::Group;

const PLACE: &str = "/sys/fs/cgroup";

pub(super) fn gather(group: Option<&Group>) -> Vec<(PathBuf, Piece)> {
    let views = group.map(Group::views).unwrap_or_default();
    // A runtime that cannot see its limits keeps to them all the same.
    let found = views.into_iter().filter_map(|(name, folder)| {
        let piece = Piece::take(folder, false).ok().flatten()?;
        Some((Path::new(PLACE).join(name), piece))
    });
    found.collect()
}

pub(super) fn compose(groups: &[(PathBuf, Piece)]) -> Result<(), SandboxError> {
    let attributes = READ_ONLY | libc::MOUNT_ATTR_NOEXEC;
    groups
        .iter()
        .try_for_each(|(target, piece)| piece.attach(target, attributes))
}

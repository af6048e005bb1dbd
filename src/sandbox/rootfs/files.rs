//! Small files that only this sandbox has.

use std::{fs, os::unix::fs::PermissionsExt as _};

use nix::mount::{MsFlags, mount};

use super::{make_folder, mount_at};
use crate::sandbox::{Files, SandboxError, status::Doing};

/// Puts them in their folder, which nothing inside can change afterwards. Whatever an image has
/// there is covered.
pub(super) fn compose(files: &Files) -> Result<(), SandboxError> {
    let Files { folder, files } = files;
    make_folder(folder)?;
    let target = folder.to_string_lossy();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("tmpfs", &target, flags, "mode=755")?;
    for (path, text) in files {
        let path = folder.join(path);
        make_folder(path.parent().unwrap_or(folder))?;
        let mode = fs::Permissions::from_mode(0o444);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, mode))
            .doing(|| format!("write {} in the sandbox", path.display()))?;
    }
    let fixed = flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, folder, None::<&str>, fixed, Some("mode=755"))
        .doing(|| format!("make {} in the sandbox read-only", folder.display()))
}

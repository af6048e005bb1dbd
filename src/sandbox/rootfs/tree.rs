//! Whole trees of files: copied, handed over. Symbolic links are never followed.

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::{MetadataExt, lchown, symlink},
    path::Path,
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    sys::stat::Mode,
    unistd::{Gid, Uid, fchownat},
};

/// Copies what is in `from` into `to`, which exists. Files, folders and symbolic links, with
/// their modes; with `owner`, they belong to that user and group.
pub(super) fn copy(from: &Path, to: &Path, owner: Option<u32>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            match fs::create_dir(&target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            copy(&source, &target, owner)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        } else {
            continue;
        }
        if owner.is_some() {
            lchown(&target, owner, owner)?;
        }
    }
    Ok(())
}

/// Gives the folder `path` and all in it to `owner`, unless the folder itself is so already.
///
/// Goes from open folder to open folder: whoever moves things about meanwhile cannot lead it
/// out of the tree.
pub(in crate::sandbox) fn own(path: &Path, owner: u32) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.uid() == owner && found.gid() == owner {
        return Ok(());
    }
    if found.is_dir() {
        own_contents(Dir::open(path, FOLDER, Mode::empty())?, owner)?;
    }
    // Folders last: one that is done has everything in it done.
    lchown(path, Some(owner), Some(owner))
}

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

fn own_contents(mut folder: Dir, owner: u32) -> io::Result<()> {
    let entries: Vec<(CString, Option<Type>)> = folder
        .iter()
        .map(|entry| entry.map(|entry| (entry.file_name().to_owned(), entry.file_type())))
        .collect::<Result<_, _>>()?;
    for (name, kind) in entries {
        if name.as_c_str() == c"." || name.as_c_str() == c".." {
            continue;
        }
        if matches!(kind, Some(Type::Directory) | None) {
            match Dir::openat(&folder, name.as_c_str(), FOLDER, Mode::empty()) {
                Ok(inner) => own_contents(inner, owner)?,
                // Not a folder after all.
                Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (user, group) = (Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)));
        match fchownat(
            &folder,
            name.as_c_str(),
            user,
            group,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder with a file, a folder that may not be entered, and links out of it.
    fn filled(root: &Path) {
        fs::create_dir_all(root.join("deep/shut")).unwrap();
        fs::write(root.join("deep/file"), "text").unwrap();
        fs::write(root.join("deep/shut/inner"), "").unwrap();
        symlink("/etc", root.join("out")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        fs::set_permissions(root.join("deep/file"), fs::Permissions::from_mode(0o741)).unwrap();
    }

    #[test]
    fn a_copy_has_the_links_and_the_modes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        filled(&from);
        fs::create_dir(&to).unwrap();
        copy(&from, &to, None).unwrap();
        assert_eq!(fs::read_link(to.join("out")).unwrap(), Path::new("/etc"));
        assert_eq!(
            fs::read_link(to.join("dangling")).unwrap(),
            Path::new("nowhere")
        );
        assert_eq!(
            fs::metadata(to.join("deep/file")).unwrap().mode() & 0o7777,
            0o741
        );
        assert!(to.join("deep/shut/inner").exists());
    }

    #[test]
    fn owning_stays_in_the_tree() {
        // Ordinary users own what they make already, and cannot give it away.
        let owner = if nix::unistd::geteuid().is_root() {
            1234
        } else {
            nix::unistd::geteuid().as_raw()
        };
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        filled(&root);
        let before = fs::metadata("/etc").unwrap().uid();
        own(&root, owner).unwrap();
        for name in [
            "",
            "out",
            "dangling",
            "deep",
            "deep/file",
            "deep/shut",
            "deep/shut/inner",
        ] {
            assert_eq!(
                root.join(name).symlink_metadata().unwrap().uid(),
                owner,
                "{name}"
            );
        }
        assert_eq!(fs::metadata("/etc").unwrap().uid(), before);
    }
}

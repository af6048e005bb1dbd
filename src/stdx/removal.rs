//! Removing trees of files that somebody hostile has made.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirEntry, Permissions},
};

/// Removes whatever is at `path` with all that is in it, also where the modes are in the way of
/// an ordinary user. Links are not followed; that nothing is there is no error.
///
/// However deep the tree is, it takes neither stack nor descriptors: what lies deeper is moved up
/// first. `std::fs::remove_dir_all` calls itself for each level, and so would end the whole
/// process where a tenant has made some thousands.
///
/// # Errors
/// Where something could not be removed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return gone(fs::remove_file(path)),
        Err(error) => return gone(Err(error)),
    }
    let emptied = match empty(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, fs::Permissions::from_mode(OWN))?;
            empty(path)
        }
        other => other,
    };
    gone(emptied.and_then(|()| fs::remove_dir(path)))
}

/// The mode of a folder whose owner wants to empty it.
const OWN: u32 = 0o700;

/// Empties the folder. All goes through its descriptor, so that nobody who changes things
/// meanwhile can lead it elsewhere.
fn empty(path: &Path) -> io::Result<()> {
    let root = Dir::open_ambient_dir(path, ambient_authority())?;
    let mut tree = Tree {
        root,
        // Nobody can have guessed these, and put something in their place.
        prefix: uuid::Uuid::new_v4().simple().to_string(),
        moved: 0,
        waiting: Vec::new(),
    };
    for entry in tree.root.entries()? {
        let entry = entry?;
        if is_folder(&tree.root, &entry)? {
            tree.waiting.push(entry.file_name());
        } else {
            tree.root.remove_file(entry.file_name())?;
        }
    }
    while let Some(name) = tree.waiting.pop() {
        match tree.clear(&name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let_owner_in(&tree.root, &name)?;
                tree.clear(&name)?;
            }
            other => other?,
        }
        tree.root.remove_dir(&name)?;
    }
    Ok(())
}

struct Tree {
    root: Dir,
    prefix: String,
    moved: u64,
    /// Folders in the root that are still to be removed.
    waiting: Vec<OsString>,
}

impl Tree {
    /// Empties the folder `name` of the root: what is a folder in it is moved into the root.
    fn clear(&mut self, name: &OsStr) -> io::Result<()> {
        let folder = self.root.open_dir(name)?;
        for entry in folder.entries()? {
            let entry = entry?;
            let inner = entry.file_name();
            if !is_folder(&folder, &entry)? {
                folder.remove_file(&inner)?;
                continue;
            }
            self.moved += 1;
            let place = OsString::from(format!("{}-{}", self.prefix, self.moved));
            match folder.rename(&inner, &self.root, &place) {
                // To have another parent changes the folder itself.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let_owner_in(&folder, &inner)?;
                    folder.rename(&inner, &self.root, &place)?;
                }
                other => other?,
            }
            self.waiting.push(place);
        }
        Ok(())
    }
}

fn let_owner_in(dir: &Dir, name: &OsStr) -> io::Result<()> {
    dir.set_permissions(name, Permissions::from_std(fs::Permissions::from_mode(OWN)))
}

/// Whether it is a folder; not every file system says so in its listing.
fn is_folder(dir: &Dir, entry: &DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    if kind.is_dir() || kind.is_file() || kind.is_symlink() {
        return Ok(kind.is_dir());
    }
    Ok(dir.symlink_metadata(entry.file_name())?.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_is_removed_without_following_links_or_minding_modes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        let outside = dir.path().join("outside");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir_all(root.join("shut/in")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        for link in ["out", "a/out", "a/b/c/out"] {
            symlink(&outside, root.join(link)).unwrap();
        }
        for shut in ["shut/in", "shut", ""] {
            fs::set_permissions(root.join(shut), fs::Permissions::from_mode(0o500)).unwrap();
        }
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        assert!(outside.join("file").exists());
        remove_tree(&root).unwrap();
        symlink(&outside, &root).unwrap();
        remove_tree(&root).unwrap();
        assert!(root.symlink_metadata().is_err());
        assert!(outside.join("file").exists());
    }

    #[test]
    fn a_tree_deeper_than_any_stack_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        fs::create_dir(&root).unwrap();
        let top = Dir::open_ambient_dir(&root, ambient_authority()).unwrap();
        let mut folder = top.try_clone().unwrap();
        for _ in 0..20_000 {
            folder.create_dir("a").unwrap();
            folder = folder.open_dir("a").unwrap();
        }
        drop(folder);
        // As much as the threads have that clean up after builds and instances.
        let small = std::thread::Builder::new().stack_size(2 << 20);
        let path = root.clone();
        let removed = small.spawn(move || remove_tree(&path)).unwrap().join();
        removed.unwrap().unwrap();
        assert!(!root.exists());
    }
}

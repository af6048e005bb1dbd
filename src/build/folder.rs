//! The folder of one build: `home`, which becomes the droplet, and `sandbox`.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{ambient_authority, fs::Dir};

use super::disk::Disk;
use crate::{
    model::Megabytes,
    runtimes::PlacedFile,
    sandbox::{BUILT, Disks},
    stdx::removal::remove_tree,
};

/// What `/home/vcap` of a droplet has; anything else there was the build's own.
const KEPT: [&str; 8] = [
    "app",
    "deps",
    "layers",
    "logs",
    "profile.d",
    "staging_info.yml",
    "tmp",
    "workspace",
];

/// The folders of `/home/vcap` while it is built.
const FOLDERS: [&str; 6] = ["app", "cache", "deps", "logs", "profile.d", "tmp"];

/// The folder of one build. What is in it belongs to the platform's own user but while the
/// sandbox runs, to which it is handed over.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    dir: PathBuf,
    disk: Arc<Disk>,
}

impl Folder {
    /// Makes it, fresh, for `size`. Blocks on the disk, as everything here.
    pub(super) fn create(dir: PathBuf, disks: &Disks, size: Megabytes) -> io::Result<Self> {
        remove_tree(&dir)?;
        fs::create_dir_all(&dir)?;
        private(&dir)?;
        let disk = Arc::new(Disk::create(disks, &dir.join("disk.img"), size)?);
        let folder = Self { dir, disk };
        fs::create_dir(folder.sandbox())?;
        create(&folder.home())?;
        for name in FOLDERS {
            create(&folder.home().join(name))?;
        }
        Ok(folder)
    }

    /// The folder on the host.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the build writes to.
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What is seen as `/home/vcap`.
    pub(super) fn home(&self) -> PathBuf {
        self.disk.home().unwrap_or_else(|| self.dir.join("home"))
    }

    /// The app.
    pub(super) fn app(&self) -> PathBuf {
        self.home().join("app")
    }

    /// The sandbox's own folder.
    pub(super) fn sandbox(&self) -> PathBuf {
        self.dir.join("sandbox")
    }

    /// Puts a file into the home, whatever is there, and reaches nothing outside of it.
    pub(super) fn place(&self, file: &PlacedFile) -> io::Result<()> {
        let home = Dir::open_ambient_dir(self.home(), ambient_authority())?;
        let (parent, name) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
        let mut below = String::new();
        for part in parent.split('/').filter(|part| *part != ".") {
            below.push_str(part);
            match home.create_dir(&below) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            below.push('/');
        }
        let folder = home.open_dir(parent)?;
        // A link is replaced, not followed.
        match folder.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        folder.write(name, file.text.trim_start())?;
        let written = folder.open(name)?.into_std();
        let mode = if file.executable { 0o755 } else { 0o644 };
        written.set_permissions(fs::Permissions::from_mode(mode))
    }

    /// Makes the sandbox's folder anew, after one sandbox and before the next.
    pub(super) fn renew_sandbox(&self) -> io::Result<()> {
        remove_tree(&self.sandbox())?;
        if let Some(root) = self.disk.root() {
            // What was the sandbox's alone lies beside the home there.
            for entry in fs::read_dir(root)? {
                let entry = entry?;
                if entry.file_name() != BUILT {
                    remove_tree(&entry.path())?;
                }
            }
        }
        fs::create_dir(self.sandbox())
    }

    /// Takes back what the sandbox's user has made.
    pub(super) fn reclaim(&self) -> io::Result<()> {
        let mine = fs::metadata(&self.dir)?;
        take_back(&self.home(), mine.uid(), mine.gid())
    }

    /// Leaves in the home what belongs to a droplet, with nothing in `tmp`.
    pub(super) fn tidy(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.home())? {
            let entry = entry?;
            let name = entry.file_name();
            let kept = name.to_str().is_some_and(|name| KEPT.contains(&name));
            if !kept || name == "tmp" {
                remove_tree(&entry.path())?;
            }
        }
        for name in FOLDERS.iter().filter(|name| KEPT.contains(name)) {
            let path = self.home().join(name);
            // A build may have put a link or a file in the place of a folder.
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => continue,
                Ok(_) => fs::remove_file(&path)?,
                Err(_) => {}
            }
            create(&path)?;
        }
        Ok(())
    }
}

/// Makes `path` the platform's own.
fn private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn create(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn take_back(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() != user || found.gid() != group {
        lchown(path, Some(user), Some(group))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            take_back(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

/// Makes a folder for nobody else's eyes, unless it is there.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    private(path)
}

/// Makes the folder of an app's caches, unless it is there.
pub(super) fn create_caches(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Bytes in `path` and below. What cannot be read counts nothing.
pub(super) fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(dir: &Path) -> Folder {
        let disks = Disks::of_folders("a test of folders");
        Folder::create(dir.join("build"), &disks, Megabytes(64)).unwrap()
    }

    fn file(path: &str) -> PlacedFile {
        PlacedFile {
            path: path.to_owned(),
            text: "\n#!/bin/sh\n".to_owned(),
            executable: true,
        }
    }

    #[test]
    fn files_are_placed_inside_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        folder.place(&file("deps/bin/python")).unwrap();
        let placed = folder.home().join("deps/bin/python");
        assert_eq!(fs::read_to_string(&placed).unwrap(), "#!/bin/sh\n");
        assert_eq!(
            placed.metadata().unwrap().permissions().mode() & 0o777,
            0o755
        );

        let victim = dir.path().join("victim");
        fs::write(&victim, "as it was").unwrap();
        symlink(&victim, folder.home().join("staging_info.yml")).unwrap();
        folder.place(&file("staging_info.yml")).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
        fs::remove_dir(folder.home().join("profile.d")).unwrap();
        symlink(dir.path(), folder.home().join("profile.d")).unwrap();
        folder.place(&file("profile.d/x.sh")).unwrap_err();
        assert!(!dir.path().join("x.sh").exists());
    }

    #[test]
    fn what_a_build_leaves_is_tidied() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let home = folder.home();
        fs::create_dir(home.join(".m2")).unwrap();
        fs::write(home.join("tmp/x"), "x").unwrap();
        fs::write(home.join("app/x"), "x").unwrap();
        fs::remove_dir(home.join("logs")).unwrap();
        symlink("/etc", home.join("logs")).unwrap();
        let locked = home.join("cache/locked");
        fs::create_dir_all(locked.join("in")).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        folder.tidy().unwrap();
        let mut left: Vec<_> = fs::read_dir(&home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["app", "deps", "logs", "profile.d", "tmp"]);
        assert_eq!(fs::read_dir(home.join("tmp")).unwrap().count(), 0);
        assert!(fs::symlink_metadata(home.join("logs")).unwrap().is_dir());
        assert!(home.join("app/x").exists());
    }
}

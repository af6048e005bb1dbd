//! How much is in folders that belong to somebody hostile.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirEntry, MetadataExt, Permissions, ReadDir},
};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::sandbox::Quota;

/// Folders in folders; what lies deeper takes too many descriptors to be counted, and counts as
/// too much.
const DEEPEST: usize = 128;

/// What there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
}

/// What is in `folders`, and in files without a name that the process `init` and those below it
/// have open. Counts no further than where it is more than `most`.
pub(super) fn count(folders: &[PathBuf], init: Option<i32>, most: Quota) -> Amount {
    let mut counting = Counting {
        found: Amount::default(),
        seen: HashSet::new(),
        most,
    };
    for folder in folders {
        // One that is not there has nothing in it.
        let _ = counting.tree(folder);
    }
    if let Some(init) = init {
        counting.nameless(init);
    }
    counting.found
}

struct Counting {
    found: Amount,
    /// Files that may be met again, by device and inode.
    seen: HashSet<(u64, u64)>,
    most: Quota,
}

impl Counting {
    const fn is_over(&self) -> bool {
        self.found.bytes > self.most.bytes || self.found.inodes > self.most.inodes
    }

    fn add(&mut self, file: (u64, u64), names: u64, blocks: u64) {
        if names == 1 || self.seen.insert(file) {
            // stat(2): blocks of 512 bytes, whatever the file system's are.
            let bytes = blocks.saturating_mul(512);
            self.found.bytes = self.found.bytes.saturating_add(bytes);
            self.found.inodes += 1;
        }
    }

    /// Counts what is in `root`. Whoever moves things about meanwhile cannot lead it out.
    fn tree(&mut self, root: &Path) -> io::Result<()> {
        let root = Dir::open_ambient_dir(root, ambient_authority())?;
        let entries = root.entries()?;
        let mut open = vec![(root, entries)];
        while let Some((folder, entries)) = open.last_mut() {
            if self.is_over() {
                return Ok(());
            }
            let Some(entry) = entries.next() else {
                open.pop();
                continue;
            };
            // What cannot be looked at is gone by now.
            let Ok(entry) = entry else { continue };
            let Ok(found) = entry.metadata() else {
                continue;
            };
            let names = if found.is_dir() { 1 } else { found.nlink() };
            self.add((found.dev(), found.ino()), names, found.blocks());
            if !found.is_dir() {
                continue;
            }
            let inner = enter(folder, &entry);
            if open.len() >= DEEPEST {
                self.found.inodes = u64::MAX;
                return Ok(());
            }
            open.extend(inner);
        }
        Ok(())
    }

    /// Counts files that have no name any more, but are open.
    fn nameless(&mut self, init: i32) {
        for process in descendants(init) {
            let open = fs::read_dir(format!("/proc/{process}/fd"));
            for path in open
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
            {
                use std::os::unix::fs::MetadataExt;
                let Ok(found) = fs::metadata(&path) else {
                    continue;
                };
                if found.is_file() && found.nlink() == 0 && !is_memory(&path) {
                    self.add((found.dev(), found.ino()), 0, found.blocks());
                }
            }
        }
    }
}

/// Opens a folder, also where its mode is in the way.
fn enter(folder: &Dir, entry: &DirEntry) -> io::Result<(Dir, ReadDir)> {
    let open = || -> io::Result<(Dir, ReadDir)> {
        let inner = entry.open_dir()?;
        let entries = inner.entries()?;
        Ok((inner, entries))
    };
    match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let own = Permissions::from_std(fs::Permissions::from_mode(0o700));
            folder.set_permissions(entry.file_name(), own)?;
            open()
        }
        other => other,
    }
}

/// Files in memory have their own limit.
fn is_memory(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

/// A process and all below it (proc_pid_task_tid_children(5)).
fn descendants(init: i32) -> Vec<i32> {
    let mut found = vec![init];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let threads = fs::read_dir(format!("/proc/{process}/task"));
        let threads = threads.into_iter().flatten().flatten();
        let lists =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let children: Vec<i32> = lists
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|child| child.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: Quota = Quota {
        bytes: 1 << 40,
        inodes: 1 << 40,
    };

    fn counted(root: &Path) -> Amount {
        count(&[root.to_owned()], None, MUCH)
    }

    #[test]
    fn every_file_counts_once_and_with_what_it_takes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(counted(root), Amount::default());
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), vec![1; 100_000]).unwrap();
        fs::hard_link(root.join("a/b/file"), root.join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", root.join("out")).unwrap();
        fs::File::create(root.join("hole"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        // The mode is in the way of an ordinary user.
        let mode = |bits| fs::set_permissions(root.join("a"), fs::Permissions::from_mode(bits));
        mode(0).unwrap();
        let found = counted(root);
        mode(0o755).unwrap();
        assert_eq!(found.inodes, 5);
        assert!((100_000..200_000).contains(&found.bytes), "{found:?}");
    }

    #[test]
    fn what_is_too_deep_to_count_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let deep = "d/".repeat(DEEPEST + 1);
        fs::create_dir_all(dir.path().join(deep)).unwrap();
        assert_eq!(counted(dir.path()).inodes, u64::MAX);
    }

    #[test]
    fn counting_ends_where_it_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..50 {
            fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        let few = Quota {
            bytes: 1 << 30,
            inodes: 10,
        };
        assert_eq!(count(&[dir.path().to_owned()], None, few).inodes, 11);
    }

    #[test]
    fn a_file_without_a_name_counts_while_it_is_open() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let counted = || count(&[dir.path().to_owned()], Some(own), MUCH).bytes;
        let before = counted();
        let file = tempfile::tempfile_in(dir.path()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![1; 50 << 20], 0).unwrap();
        let with = counted();
        drop(file);
        // Other tests have such files, too, but not as large.
        assert!(with >= before + (40 << 20), "{before} {with}");
    }
}

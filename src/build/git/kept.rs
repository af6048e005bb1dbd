//! What is kept of an app's repository, so that its next push brings what is new alone: packs of
//! objects, and which commit was deployed.
//!
//! Nothing of it is needed for more than that. What is broken, or has become too much, is thrown
//! away, and the next push brings everything.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};
use serde::{Deserialize, Serialize};

use super::Oid;
use crate::{
    model::{AppId, Megabytes},
    stdx::{private_file, removal::remove_tree},
};

/// Past this a repository is not kept: apps' own have some megabytes, and what somebody fills it
/// with is on the host's disk.
const MOST: Megabytes = Megabytes(256);

/// Packs that are kept before they become one.
const PACKS: usize = 12;

/// What was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The branch's name without `refs/heads/`.
    pub branch: String,
    /// Its commit.
    pub commit: Oid,
    /// The packs that have the commit with all that it stands on.
    packs: Vec<String>,
}

/// What is kept of one app. Everything here blocks on the disk.
#[derive(Debug, Clone)]
pub(in crate::build) struct Kept {
    dir: PathBuf,
}

impl Kept {
    /// What is kept of `app` in the folder of caches.
    pub(in crate::build) fn of(caches: &Path, app: AppId) -> Self {
        Self {
            dir: caches.join(format!("{app}.git")),
        }
    }

    /// The folder that a sandbox sees: a folder of objects, as git has it.
    pub(super) fn objects(&self) -> &Path {
        &self.dir
    }

    fn packs(&self) -> PathBuf {
        self.dir.join("pack")
    }

    fn head_file(&self) -> PathBuf {
        self.dir.join("head.json")
    }

    /// What was deployed, where all of it is still here.
    pub(super) fn head(&self) -> Option<Head> {
        let text = fs::read(self.head_file()).ok()?;
        let head: Head = serde_json::from_slice(&text).ok()?;
        let whole = head.packs.iter().all(|pack| {
            let there = |kind: &str| self.packs().join(format!("{pack}.{kind}")).is_file();
            is_pack(pack) && there("pack") && there("idx")
        });
        whole.then_some(head)
    }

    /// The same, after what belongs to no deployed commit is removed.
    pub(super) fn open(&self) -> io::Result<Option<Head>> {
        let head = self.head();
        if head.is_none() {
            remove_tree(&self.dir)?;
        }
        for dir in [&self.dir, &self.packs()] {
            fs::create_dir_all(dir)?;
            // Seen by the app's user, who can walk no path to it.
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        }
        let known = head.as_ref().map_or(&[][..], |head| &head.packs);
        self.retain(known)?;
        Ok(head)
    }

    /// Whether the next push had better leave one pack.
    pub(super) fn has_many(head: Option<&Head>) -> bool {
        head.is_some_and(|head| head.packs.len() >= PACKS)
    }

    /// Copies the packs in `from` here, and gives their names.
    pub(super) fn add(&self, from: &Path) -> io::Result<Vec<String>> {
        let from = Dir::open_ambient_dir(from, ambient_authority())?;
        let mut added = Vec::new();
        for entry in from.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".idx")) else {
                continue;
            };
            if is_pack(name) {
                for kind in ["pack", "idx"] {
                    self.copy(&from, &format!("{name}.{kind}"))?;
                }
                added.push(name.to_owned());
            }
        }
        File::open(self.packs())?.sync_all()?;
        Ok(added)
    }

    fn copy(&self, from: &Dir, name: &str) -> io::Result<()> {
        // A link that leads out of its folder is not followed.
        let source = from.open(name)?;
        if !source.metadata()?.is_file() {
            return Err(io::Error::other(format!("{name} is not a file")));
        }
        let path = self.packs().join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&path)?;
        // Whatever the process's umask.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        io::copy(&mut source.into_std(), &mut file)?;
        file.sync_all()
    }

    /// Makes `commit` what was deployed; `packs` are new, and where `alone` all that it needs.
    /// False where it became too much and nothing is kept.
    pub(super) fn deployed(
        &self,
        branch: &str,
        commit: Oid,
        packs: Vec<String>,
        alone: bool,
    ) -> io::Result<bool> {
        let mut all = match self.head() {
            Some(head) if !alone => head.packs,
            _ => Vec::new(),
        };
        all.extend(packs);
        all.sort_unstable();
        all.dedup();
        let head = Head {
            branch: branch.to_owned(),
            commit,
            packs: all,
        };
        let text = serde_json::to_vec(&head).map_err(io::Error::other)?;
        private_file::write(&self.head_file(), &text)?;
        self.retain(&head.packs)?;
        let kept = crate::build::folder::size(&self.dir) <= MOST.bytes();
        if !kept {
            remove_tree(&self.dir)?;
        }
        Ok(kept)
    }

    fn retain(&self, known: &[String]) -> io::Result<()> {
        for entry in fs::read_dir(self.packs())? {
            let entry = entry?;
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.split('.').next());
            if !stem.is_some_and(|stem| known.iter().any(|pack| pack == stem)) {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes it.
    pub(in crate::build) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.dir)
    }
}

/// Whether it is what git names a pack.
fn is_pack(name: &str) -> bool {
    name.strip_prefix("pack-").and_then(Oid::parse).is_some()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn oid(digit: char) -> Oid {
        Oid::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn pack(dir: &Path, digit: char) -> String {
        let name = format!("pack-{}", oid(digit));
        fs::write(dir.join(format!("{name}.pack")), "objects").unwrap();
        fs::write(dir.join(format!("{name}.idx")), "where they are").unwrap();
        name
    }

    #[test]
    fn what_was_deployed_is_there_again_and_the_rest_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let from = tempfile::tempdir().unwrap();
        let kept = Kept::of(dir.path(), AppId::random());
        assert_eq!(kept.open().unwrap(), None);
        pack(from.path(), 'a');
        let packs = kept.add(from.path()).unwrap();
        assert!(kept.deployed("main", oid('1'), packs, false).unwrap());

        // One that was refused.
        let from = tempfile::tempdir().unwrap();
        let refused = pack(from.path(), 'b');
        kept.add(from.path()).unwrap();
        let head = kept.open().unwrap().unwrap();
        assert_eq!(head.commit, oid('1'));
        assert_eq!(head.packs, [format!("pack-{}", oid('a'))]);
        assert!(!kept.packs().join(format!("{refused}.pack")).exists());

        // One pack in place of several.
        let from = tempfile::tempdir().unwrap();
        pack(from.path(), 'c');
        let packs = kept.add(from.path()).unwrap();
        assert!(kept.deployed("main", oid('2'), packs, true).unwrap());
        assert_eq!(kept.head().unwrap().packs, [format!("pack-{}", oid('c'))]);
        assert_eq!(fs::read_dir(kept.packs()).unwrap().count(), 2);
    }

    #[test]
    fn links_lead_nowhere_and_a_damaged_one_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let from = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        fs::write(&secret, "a secret").unwrap();
        let name = format!("pack-{}", oid('d'));
        symlink(&secret, from.path().join(format!("{name}.idx"))).unwrap();
        symlink(&secret, from.path().join(format!("{name}.pack"))).unwrap();
        let kept = Kept::of(dir.path(), AppId::random());
        kept.open().unwrap();
        kept.add(from.path()).unwrap_err();

        fs::remove_file(from.path().join(format!("{name}.idx"))).unwrap();
        fs::remove_file(from.path().join(format!("{name}.pack"))).unwrap();
        let name = pack(from.path(), 'e');
        let packs = kept.add(from.path()).unwrap();
        kept.deployed("main", oid('1'), packs, false).unwrap();
        fs::remove_file(kept.packs().join(format!("{name}.idx"))).unwrap();
        assert_eq!(kept.open().unwrap(), None);
        assert_eq!(fs::read_dir(kept.packs()).unwrap().count(), 0);
    }
}

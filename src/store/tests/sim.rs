//! A disk that forgets, tears and fails, as a power cut and a full disk make it.
//!
//! What was not synced survives a cut by chance: names one by one, content sector by sector.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
};

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use crate::store::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

/// The disk; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    rng: SmallRng,
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Operations until the power goes.
    fuse: Option<u64>,
    /// Bytes that still fit.
    space: Option<usize>,
    /// Which of the next syncs fail.
    bad_syncs: Range<u32>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: what was written before it is no longer tried.
    lost: bool,
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: SmallRng::seed_from_u64(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            fuse: None,
            space: None,
            bad_syncs: 0..0,
        })))
    }

    /// Cuts the power after this many operations.
    pub(super) fn cut_after(&self, operations: u64) {
        self.0.lock().unwrap().fuse = Some(operations);
    }

    /// Leaves room for this many bytes; none for as many as one likes.
    pub(super) fn set_space(&self, space: Option<usize>) {
        self.0.lock().unwrap().space = space;
    }

    /// Lets some of the next syncs fail.
    pub(super) fn fail_syncs(&self, which: Range<u32>) {
        self.0.lock().unwrap().bad_syncs = which;
    }

    /// Whether the power is gone.
    pub(super) fn is_cut(&self) -> bool {
        self.0.lock().unwrap().fuse == Some(0)
    }

    /// The disk after the power came back.
    pub(super) fn after_the_cut(&self) -> Self {
        let mut inner = self.0.lock().unwrap();
        let Inner {
            rng,
            files,
            names,
            durable_names,
            ..
        } = &mut *inner;
        let mut survived = durable_names.clone();
        let all: Vec<String> = names.keys().chain(durable_names.keys()).cloned().collect();
        for name in all {
            if rng.random_bool(0.5) {
                match names.get(&name) {
                    Some(file) => survived.insert(name, *file),
                    None => survived.remove(&name),
                };
            }
        }
        let files = files.iter().map(|file| file.torn(rng)).collect();
        let rng = SmallRng::seed_from_u64(rng.next_u64());
        Self(Arc::new(Mutex::new(Inner {
            rng,
            files,
            durable_names: survived.clone(),
            names: survived,
            fuse: None,
            space: None,
            bad_syncs: 0..0,
        })))
    }

    /// Turns some bytes of a file over.
    pub(super) fn flip(&self, name: &str, at: usize) {
        let mut inner = self.0.lock().unwrap();
        let file = inner.names[name];
        inner.files[file].seen[at] ^= 0x10;
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.0.lock().unwrap();
        match inner.fuse {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(left) => inner.fuse = Some(left - 1),
            None => {}
        }
        work(&mut inner)
    }
}

impl Content {
    /// What is left of it: between what is durable and what was seen, sector by sector.
    fn torn(&self, rng: &mut SmallRng) -> Self {
        let mut kept = self.durable.clone();
        if self.seen != self.durable {
            let ends = [self.durable.len(), self.seen.len()];
            let (shortest, longest) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            kept.resize(rng.random_range(shortest..=longest), 0);
            let len = kept.len();
            for start in (0..len).step_by(SECTOR) {
                let end = (start + SECTOR).min(len).min(self.seen.len());
                if start < end && rng.random_bool(0.5) {
                    // The last sector of a torn write may itself be half there.
                    let end = if rng.random_bool(0.2) {
                        rng.random_range(start..=end)
                    } else {
                        end
                    };
                    kept[start..end].copy_from_slice(&self.seen[start..end]);
                }
            }
        }
        Self {
            seen: kept.clone(),
            durable: kept,
            lost: false,
        }
    }
}

impl Inner {
    fn file(&self, name: &str) -> io::Result<usize> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_fails(&mut self) -> bool {
        let Range { start, end } = self.bad_syncs;
        self.bad_syncs = start.saturating_sub(1)..end.saturating_sub(1);
        start == 0 && end > 0
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        if self.sync_fails() {
            self.files[file].lost = true;
            return Err(io::Error::other("input/output error"));
        }
        let content = &mut self.files[file];
        // As on Linux: after one that failed, the next one succeeds and means nothing.
        if !content.lost {
            content.durable.clone_from(&content.seen);
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn dir(&self) -> &Path {
        Path::new("/sim")
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.with(|inner| Ok(inner.names.keys().cloned().collect()))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.with(|inner| Ok(inner.files[inner.file(name)?].seen.clone()))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.with(|inner| {
            inner.files.push(Content::default());
            let file = inner.files.len() - 1;
            inner.names.insert(name.to_owned(), file);
            Ok(file)
        })?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.with(|inner| inner.sync(inner.file(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|inner| {
            let file = inner.file(from)?;
            inner.names.remove(from);
            inner.names.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|inner| {
            inner.file(name)?;
            inner.names.remove(name);
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.with(|inner| {
            if inner.sync_fails() {
                return Err(io::Error::other("input/output error"));
            }
            inner.durable_names.clone_from(&inner.names);
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.with(|inner| {
            // The power may go in the midst of a write.
            let fits = match (inner.space, inner.fuse) {
                (Some(space), _) => space.min(bytes.len()),
                (None, Some(0)) => inner.rng.random_range(0..=bytes.len()),
                _ => bytes.len(),
            };
            inner.files[self.file].seen.extend(&bytes[..fits]);
            inner.space = inner.space.map(|space| space - fits);
            if fits < bytes.len() {
                Err(ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|inner| inner.sync(self.file))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.with(|inner| {
            let content = &mut inner.files[self.file];
            let freed = content
                .seen
                .len()
                .saturating_sub(usize::try_from(len).unwrap());
            content.seen.truncate(usize::try_from(len).unwrap());
            inner.space = inner.space.map(|space| space + freed);
            Ok(())
        })
    }
}

//! The journal: every commit, in order, in segment files that are only ever appended to.
//!
//! A segment is named for the revision that it follows. A new one is begun whenever the
//! store opens, at each checkpoint, and after a failure; what an older segment holds beyond
//! the revision that its successor follows was never acknowledged, and does not count.

use std::{path::PathBuf, sync::Arc};

use super::{
    Change, StoreError,
    codec::{self, Commit, CommitRef},
    disk::{Disk, DiskFile},
    frame::{self, Header, JOURNAL, Reader},
    now_ms,
};

/// The ending of a segment's name.
const SEGMENT: &str = ".journal";
/// The name of a file that is being written; what bears it at start-up is litter.
pub(super) const HALF_DONE: &str = ".half";
/// A buffer that a large commit made larger than this is not kept.
const BUFFER: usize = 256 * 1024;

/// One commit on its way to the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) revision: u64,
    pub(super) changes: &'a [Change],
}

/// The end of the journal, where commits are appended.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    /// None after a failure: the next append begins a new segment.
    segment: Option<Segment>,
    /// The last durable revision.
    revision: u64,
    buffer: Vec<u8>,
    /// Bytes appended since the counter was last reset.
    pub(super) written: u64,
}

#[derive(Debug)]
struct Segment {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    seed: u32,
    /// Bytes that are durable.
    len: u64,
}

impl Journal {
    /// A journal that goes on after `revision`.
    pub(super) fn after(disk: Arc<dyn Disk>, revision: u64) -> Self {
        Self {
            disk,
            segment: None,
            revision,
            buffer: Vec::new(),
            written: 0,
        }
    }

    /// Begins a new segment.
    ///
    /// # Errors
    /// The old one must not be used any more: the name of the new one may be there, and then
    /// what follows in the old one does not count. The next append tries again.
    pub(super) fn rotate(&mut self) -> Result<(), StoreError> {
        self.segment = None;
        self.segment = Some(Segment::begin(self.disk.as_ref(), self.revision)?);
        Ok(())
    }

    /// Makes commits durable: one write, one sync.
    ///
    /// # Errors
    /// None of them is durable then, and no trace of them counts.
    pub(super) fn append(&mut self, entries: &[Entry<'_>]) -> Result<(), StoreError> {
        if self.segment.is_none() {
            self.rotate()?;
        }
        let Some(segment) = self.segment.as_mut() else {
            return Err(StoreError::Closed);
        };
        self.buffer.clear();
        let at_ms = now_ms();
        for Entry { revision, changes } in entries {
            let commit = CommitRef {
                revision: *revision,
                at_ms,
                changes,
            };
            let json = serde_json::to_vec(&commit).map_err(|error| {
                StoreError::damaged(&segment.path, segment.len, error.to_string())
            })?;
            if !frame::put(&mut self.buffer, segment.seed, segment.len, &json) {
                return Err(StoreError::damaged(
                    &segment.path,
                    segment.len,
                    "4 GiB in one commit",
                ));
            }
        }
        let written = segment
            .file
            .write(&self.buffer)
            .map_err(StoreError::io("append to", &segment.path))
            .and_then(|()| {
                segment
                    .file
                    .sync()
                    .map_err(StoreError::io("sync", &segment.path))
            });
        if let Err(error) = written {
            if matches!(error, StoreError::Io { what: "sync", .. }) {
                // A disk that fails is a reason to write the state down once more, soon.
                self.written = u64::MAX / 2;
            }
            self.give_up_segment();
            return Err(error);
        }
        segment.len += self.buffer.len() as u64;
        self.written += self.buffer.len() as u64;
        self.revision = entries.last().map_or(self.revision, |entry| entry.revision);
        if self.buffer.capacity() > BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Cuts what was written in vain off the segment, and writes to it no more: after a sync
    /// that failed nobody can say what of it is on the disk, and a later sync that succeeds
    /// proves nothing about it. Whatever remains of it loses its meaning when the next segment
    /// begins.
    fn give_up_segment(&mut self) {
        let Some(mut segment) = self.segment.take() else {
            return;
        };
        let cut = segment
            .file
            .truncate(segment.len)
            .and_then(|()| segment.file.sync());
        if let Err(error) = cut {
            tracing::warn!(file = %segment.path.display(), %error, "cannot cut off a failed write");
        }
    }
}

impl Segment {
    fn begin(disk: &dyn Disk, revision: u64) -> Result<Self, StoreError> {
        let name = name(revision);
        let (head, seed) = frame::begin(JOURNAL, &Header::new(revision, now_ms()));
        let path = disk.dir().join(&name);
        let file = publish(disk, &name, |file| file.write(&head))?;
        Ok(Self {
            file,
            path,
            seed,
            len: head.len() as u64,
        })
    }
}

/// Writes a file in such a way that it is there whole or not at all.
pub(super) fn publish(
    disk: &dyn Disk,
    name: &str,
    write: impl FnOnce(&mut dyn DiskFile) -> std::io::Result<()>,
) -> Result<Box<dyn DiskFile>, StoreError> {
    let half = format!("{name}{HALF_DONE}");
    let path = disk.dir().join(name);
    let begun = disk.create(&half).and_then(|mut file| {
        write(file.as_mut())?;
        file.sync()?;
        disk.rename(&half, name)?;
        disk.sync_dir()?;
        Ok(file)
    });
    begun.map_err(|error| {
        // What cannot be removed either is removed at the next start.
        drop(disk.remove(&half));
        StoreError::io("write", path)(error)
    })
}

fn name(revision: u64) -> String {
    format!("{revision:020}{SEGMENT}")
}

/// The revisions that segments follow, in order.
pub(super) fn segments(names: &[String]) -> Vec<u64> {
    revisions(names, SEGMENT)
}

/// The numbers in the names with this ending, in order.
pub(super) fn revisions(names: &[String], ending: &str) -> Vec<u64> {
    let mut revisions: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(ending)?.parse().ok())
        .collect();
    revisions.sort_unstable();
    revisions
}

/// Makes durable what a process that was killed may have left in the page cache: it counts
/// from now on, so it must not vanish later.
pub(super) fn sync_last(disk: &dyn Disk, names: &[String]) -> Result<(), StoreError> {
    let Some(last) = segments(names).pop() else {
        return Ok(());
    };
    let name = name(last);
    disk.sync(&name)
        .map_err(StoreError::io("sync", disk.dir().join(&name)))
}

/// Removes the segments that hold nothing after `floor`.
pub(super) fn prune(disk: &dyn Disk, names: &[String], floor: u64) -> std::io::Result<()> {
    let segments = segments(names);
    for pair in segments.windows(2) {
        if pair[1] <= floor {
            disk.remove(&name(pair[0]))?;
        }
    }
    Ok(())
}

/// A tail that a crash tore, and that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// A place where the journal cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
}

/// Where the journal ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) revision: u64,
    /// Bytes that were read.
    pub(super) bytes: u64,
    pub(super) torn: Option<Torn>,
    /// Places that cannot be read and did not have to be: `from` already holds what was there.
    pub(super) damage: Vec<Damage>,
    /// The last revision of the journal, where it lies before the one that was asked for.
    pub(super) behind: Option<u64>,
}

/// Hands every commit after `from` to `apply`, in order.
///
/// # Errors
/// [`StoreError::Incomplete`] where the journal does not reach back that far or has a gap,
/// [`StoreError::Damaged`] where a commit after `from` is damaged, anywhere but at the torn end.
pub(super) fn replay(
    disk: &dyn Disk,
    names: &[String],
    from: u64,
    mut apply: impl FnMut(Commit),
) -> Result<End, StoreError> {
    let segments = segments(names);
    let first = segments.partition_point(|base| *base <= from);
    let incomplete = |after| StoreError::Incomplete {
        dir: disk.dir().into(),
        after,
    };
    let mut end = End {
        revision: from,
        bytes: 0,
        torn: None,
        damage: Vec::new(),
        behind: None,
    };
    let Some(first) = first.checked_sub(1) else {
        if !segments.is_empty() {
            return Err(incomplete(from));
        }
        end.behind = (from > 0).then_some(0);
        return Ok(end);
    };
    for (at, base) in segments.iter().enumerate().skip(first) {
        let until = segments.get(at + 1).copied();
        let path = disk.dir().join(name(*base));
        let bytes = disk
            .read(&name(*base))
            .map_err(StoreError::io("read", &path))?;
        end.bytes += bytes.len() as u64;
        let mut reader = match Reader::new(JOURNAL, &bytes, &path) {
            Err(StoreError::Damaged { .. }) => {
                let path = path.clone();
                end.damage.push(Damage { path, offset: 0 });
                Reader::past_header(&bytes, Header::new(*base, 0))
            }
            reader => reader?,
        };
        let headless = end.damage.last().is_some_and(|damage| damage.path == path);
        let mut last = *base;
        while until.is_none_or(|until| last < until) {
            let at = reader.offset() as u64;
            let mut frame = reader.next();
            // What the state has already need not be read.
            let skipped = frame.is_none() && last < from && reader.skip_damage();
            if skipped {
                frame = reader.next();
            }
            let Some(frame) = frame else { break };
            let commit = codec::decode_commit(frame.payload, &path, frame.offset as u64)?;
            let next = last + 1;
            if commit.revision != next {
                if !(next..=from.saturating_add(1)).contains(&commit.revision) {
                    let what = format!("revision {} comes after {last}", commit.revision);
                    return Err(StoreError::damaged(path, at, what));
                }
                let path = path.clone();
                end.damage.push(Damage { path, offset: at });
            }
            last = commit.revision;
            if last > end.revision {
                end.revision = last;
                apply(commit);
            }
        }
        let offset = reader.offset() as u64;
        match until {
            // What follows was never acknowledged.
            Some(until) if last == until => {}
            Some(_) if reader.at_end() && !headless => return Err(incomplete(last)),
            Some(_) => return Err(StoreError::damaged(path, offset, DAMAGE)),
            None if reader.at_end() => {}
            None if reader.was_synced_here() => {
                return Err(StoreError::damaged(path, offset, DAMAGE));
            }
            None if last < from => end.damage.push(Damage { path, offset }),
            None => {
                let bytes = bytes.len() as u64 - offset;
                end.torn = Some(Torn {
                    path,
                    offset,
                    bytes,
                });
            }
        }
        end.behind = (last < from).then_some(last);
    }
    Ok(end)
}

const DAMAGE: &str = "a commit fails its checksum, and later ones stand behind it";

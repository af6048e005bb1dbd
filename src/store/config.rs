//! Where the store lives, and what it tells about its opening.

use std::{fmt, path::PathBuf, time::Duration};

/// Bytes of journal between checkpoints. Start-up after a kill reads at most about this
/// much on top of the keyed state (some 50 ms), and a checkpoint writes the whole state
/// (about 6 MB with 1,000 apps), so it should not come more often than changes of that size.
const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// Where the store lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The store's own folder; made where it is missing.
    pub dir: PathBuf,
    /// Bytes of journal between checkpoints.
    pub checkpoint_bytes: u64,
}

impl Config {
    /// The defaults, in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            checkpoint_bytes: CHECKPOINT_BYTES,
        }
    }
}

/// How the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The revision of the state.
    pub revision: u64,
    /// How many records it has.
    pub records: usize,
    /// What it was read from.
    pub source: Source,
    /// Commits of the journal that came on top.
    pub replayed: u64,
    /// What was not as it should be, and was put right.
    pub repairs: Vec<Repair>,
    /// How long it took.
    pub took: Duration,
}

/// What the state was read from, before the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// There was no store yet.
    Nothing,
    /// The keyed state.
    Keyed,
    /// The snapshot of this revision.
    Snapshot(u64),
    /// The journal alone, from its beginning.
    Journal,
}

/// Something that was not as it should be, and was put right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repair {
    /// The end of the journal was torn by a crash. It was never acknowledged.
    TornTail {
        /// The segment.
        path: PathBuf,
        /// Where the torn part starts.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// The keyed state was of no use; it was made anew.
    KeyedRebuilt {
        /// What was wrong with it.
        why: String,
        /// Where the old one lies now.
        moved_to: PathBuf,
    },
    /// The keyed state was of no use and cannot be made anew now; the store works without.
    KeyedMissing {
        /// Why it cannot be made.
        why: String,
    },
    /// The newest snapshot was of no use; an older one and more of the journal were read.
    SnapshotSkipped {
        /// Its revision.
        revision: u64,
        /// What was wrong with it.
        why: String,
    },
    /// The journal ends before the keyed state or the snapshot does, which never happens
    /// by itself: part of it was lost. Up to there nothing is missing from the state.
    JournalBehind {
        /// The journal's last revision.
        journal: u64,
        /// The state's.
        state: u64,
    },
    /// The journal is damaged at a place that did not have to be read, since the keyed state or
    /// the snapshot holds what was there. Nothing is missing from the state.
    JournalDamaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
    },
    /// No change can be saved until this is put right; reading works.
    ReadOnly {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail {
                path,
                offset,
                bytes,
            } => write!(
                f,
                "a crash tore the end of {} (byte {offset}); {bytes} bytes that were never \
                 acknowledged were left out",
                path.display()
            ),
            Self::KeyedRebuilt { why, moved_to } => write!(
                f,
                "the keyed state was broken ({why}) and was rebuilt; the old one is in {}",
                moved_to.display()
            ),
            Self::KeyedMissing { why } => {
                write!(
                    f,
                    "the keyed state cannot be written ({why}); starts take longer"
                )
            }
            Self::SnapshotSkipped { revision, why } => write!(
                f,
                "the snapshot of revision {revision} was of no use ({why}); an older one and \
                 the journal after it were read"
            ),
            Self::JournalBehind { journal, state } => write!(
                f,
                "the journal ends at revision {journal} and the state is at {state}: part of \
                 the journal was lost; the state up to {state} is whole, and whether there was \
                 more cannot be told"
            ),
            Self::JournalDamaged { path, offset } => write!(
                f,
                "{} is damaged at byte {offset}; what was there is whole in the keyed state or \
                 the snapshot, so nothing is missing. Have a look at the disk",
                path.display()
            ),
            Self::ReadOnly { why } => {
                write!(f, "no change can be saved until this is put right: {why}")
            }
        }
    }
}

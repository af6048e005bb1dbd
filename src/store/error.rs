//! What can go wrong with the store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Kind;

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// `open`, `append to`, `sync`, ...
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
    /// A change could not be made durable; nothing of it remains.
    #[error("the change was not saved, and nothing was changed{}", advice(source))]
    NotSaved {
        /// Why.
        source: Arc<StoreError>,
    },
    /// Another process has the store open.
    #[error(
        "{} is in use by {}: stop it first, or choose another folder",
        dir.display(), holder(*pid)
    )]
    Locked {
        /// The store's folder.
        dir: PathBuf,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// A file holds something other than what was once written to it.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Changes are missing between those that are there.
    #[error("{} lacks the changes after revision {after}", dir.display())]
    Incomplete {
        /// The journal's folder.
        dir: PathBuf,
        /// The last revision before the gap.
        after: u64,
    },
    /// Changes that were once acknowledged are nowhere to be read.
    #[error("changes that were saved cannot be read any more: {}", way_on(dir, *revision))]
    Lost {
        /// The journal's folder.
        dir: PathBuf,
        /// The newest revision of which there is a whole state apart from the journal; 0 where
        /// there is none.
        revision: u64,
        /// What stands in the way.
        source: Arc<StoreError>,
    },
    /// A later version of Pastina wrote this.
    #[error(
        "{} was written by pastina {written_by} (schema {schema}), and this is pastina {}, \
         which knows schemas up to {}: start pastina {written_by} or later",
        path.display(), super::schema::WRITTEN_BY, super::schema::SCHEMA
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that wrote it.
        written_by: String,
        /// The schema that it is in.
        schema: u32,
    },
    /// A record could not be read or written as JSON.
    #[error("a record of kind {} is not what it should be: {why}", kind.as_str())]
    Record {
        /// Its kind.
        kind: Kind,
        /// What is wrong with it.
        why: String,
    },
    /// What should be imported is not an export.
    #[error("this is not an export of a store, or not a whole one: {why}")]
    NotAnExport {
        /// What is wrong with it.
        why: String,
    },
    /// An import would replace what is there.
    #[error(
        "the store holds {records} records, which an import would replace: \
         say so explicitly, or import into an empty store"
    )]
    NotEmpty {
        /// How many records there are.
        records: usize,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            what,
            path,
            source: Arc::new(source),
        }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.into(),
            offset,
            what: what.into(),
        }
    }

    /// Whether something that was written is not there any more, or not to be read.
    pub(super) fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Incomplete { .. }
                | Self::Record { .. }
                | Self::Io { what: "read", .. }
        )
    }

    /// Whether a full disk (or a quota on it) is what is behind this.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::NotSaved { source } => source.is_disk_full(),
            _ => false,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

fn way_on(dir: &Path, revision: u64) -> String {
    let store = dir.parent().unwrap_or(dir).display();
    let restore = format!("put a backup in the place of {store}");
    if revision == 0 {
        return restore;
    }
    format!(
        "{restore}, or, to go on as of revision {revision} without what came after it, move \
         {}/*.journal to another place; then start again",
        dir.display()
    )
}

fn advice(source: &StoreError) -> &'static str {
    if source.is_disk_full() {
        ": the disk is full; free some space and try again"
    } else {
        ""
    }
}

//! From what is on disk to a state.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Repair, Source, State, StoreError,
    codec::Commit,
    disk::Disk,
    journal::{self, Journal},
    keyed::{Keyed, Unusable},
    schema::SCHEMA,
    snapshot,
};

/// What start-up found, ready to go on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) journal: Journal,
    pub(super) keyed: Option<Keyed>,
    pub(super) source: Source,
    pub(super) replayed: u64,
    pub(super) repairs: Vec<Repair>,
    /// The revision of the newest snapshot, 0 where there is none.
    pub(super) snapshot: u64,
}

/// What became of the keyed state.
enum Found {
    /// It is not wanted.
    Unwanted,
    /// It is whole, but for these commits.
    Whole(Keyed, Vec<Commit>),
    /// It is of no use, for this reason.
    Broken(String),
    /// There is none.
    Missing,
}

/// A state that was read.
struct Read {
    state: State,
    source: Source,
    commits: Vec<Commit>,
    bytes: u64,
    behind: Option<u64>,
    damaged: bool,
}

/// Reads the state and makes everything ready to go on; `keyed` is the folder of the keyed
/// state, if there shall be one.
pub(super) fn recover(disk: &Arc<dyn Disk>, keyed: Option<&Path>) -> Result<Recovered, StoreError> {
    let names = tidy(disk.as_ref())?;
    let mut repairs = Vec::new();
    let (mut read, found) = read(disk.as_ref(), &names, keyed, &mut repairs)?;
    journal::sync_last(disk.as_ref(), &names)?;
    let revision = read.state.revision;
    let mut newest = snapshot::newest_first(&names).first().copied().unwrap_or(0);
    if let Some(journal) = read.behind {
        repairs.push(Repair::JournalBehind {
            journal,
            state: revision,
        });
    }
    let replayed = read.commits.len() as u64;
    let found = match found {
        Found::Whole(keyed, _) => Found::Whole(keyed, std::mem::take(&mut read.commits)),
        other => other,
    };
    let keyed = keyed.and_then(|path| ready(path, found, &read, &mut repairs));
    let mut journal = Journal::after(Arc::clone(disk), revision);
    journal.written = read.bytes;
    // On a full disk the state can still be read, and what runs can go on running.
    if let Err(error) = journal.rotate() {
        repairs.push(Repair::ReadOnly {
            why: describe(&error),
        });
    }
    if read.behind.is_some() || read.damaged {
        // The journal's gap or damage must not matter to the next start.
        snapshot::checkpoint(disk.as_ref(), &read.state)?;
        newest = revision;
    }
    let Read { state, source, .. } = read;
    Ok(Recovered {
        state,
        journal,
        keyed,
        source,
        replayed,
        repairs,
        snapshot: newest,
    })
}

/// The names in the folder, after the removal of what an interrupted predecessor left.
fn tidy(disk: &dyn Disk) -> Result<Vec<String>, StoreError> {
    let mut names = disk.list().map_err(StoreError::io("list", disk.dir()))?;
    for name in names
        .iter()
        .filter(|name| name.ends_with(journal::HALF_DONE))
    {
        disk.remove(name)
            .map_err(StoreError::io("remove", disk.dir().join(name)))?;
    }
    names.retain(|name| !name.ends_with(journal::HALF_DONE));
    Ok(names)
}

fn read(
    disk: &dyn Disk,
    names: &[String],
    keyed: Option<&Path>,
    repairs: &mut Vec<Repair>,
) -> Result<(Read, Found), StoreError> {
    let found = match keyed.map(Keyed::open) {
        None => Found::Unwanted,
        Some(Ok((keyed, state))) if keyed.schema().is_some() => {
            let revision = state.revision;
            let error = match replay(disk, names, state, Source::Keyed, repairs) {
                Ok(read) => return Ok((read, Found::Whole(keyed, Vec::new()))),
                Err(error) if error.is_loss() => error,
                Err(error) => return Err(error),
            };
            drop(keyed);
            // It is too old for what can be read of the journal; a snapshot may not be.
            let mut tried = Vec::new();
            let Ok(read) = from_snapshot(disk, names, &mut tried) else {
                return Err(lost(disk, error, revision));
            };
            repairs.append(&mut tried);
            let why = format!(
                "it ends at revision {revision}, and then {}",
                describe(&error)
            );
            return Ok((read, Found::Broken(why)));
        }
        Some(Ok(_)) if names.is_empty() => {
            let read = replay(disk, names, State::default(), Source::Nothing, repairs)?;
            return Ok((read, Found::Missing));
        }
        Some(Ok(_)) => Found::Broken("it is empty".to_owned()),
        Some(Err(Unusable::Newer(error))) => return Err(error),
        Some(Err(Unusable::Broken(why))) => Found::Broken(why),
    };
    Ok((from_snapshot(disk, names, repairs)?, found))
}

/// What `error` means where nothing but a state of `revision` is whole.
fn lost(disk: &dyn Disk, error: StoreError, revision: u64) -> StoreError {
    if !error.is_loss() {
        return error;
    }
    StoreError::Lost {
        dir: disk.dir().into(),
        revision,
        source: Arc::new(error),
    }
}

/// Reads the newest snapshot that can be read, and the journal after it.
fn from_snapshot(
    disk: &dyn Disk,
    names: &[String],
    repairs: &mut Vec<Repair>,
) -> Result<Read, StoreError> {
    for revision in snapshot::newest_first(names) {
        match snapshot::read(disk, revision) {
            Ok(state) => {
                return replay(disk, names, state, Source::Snapshot(revision), repairs)
                    .map_err(|error| lost(disk, error, revision));
            }
            Err(error @ StoreError::Newer { .. }) => return Err(error),
            Err(error) => {
                repairs.push(Repair::SnapshotSkipped {
                    revision,
                    why: describe(&error),
                });
            }
        }
    }
    let source = if names.is_empty() {
        Source::Nothing
    } else {
        Source::Journal
    };
    replay(disk, names, State::default(), source, repairs).map_err(|error| lost(disk, error, 0))
}

fn replay(
    disk: &dyn Disk,
    names: &[String],
    mut state: State,
    source: Source,
    repairs: &mut Vec<Repair>,
) -> Result<Read, StoreError> {
    let mut commits = Vec::new();
    let end = journal::replay(disk, names, state.revision, |commit| {
        for change in &commit.changes {
            state.apply(change);
        }
        state.revision = commit.revision;
        commits.push(commit);
    })?;
    let damaged = !end.damage.is_empty();
    repairs.extend(end.damage.into_iter().map(|damage| Repair::JournalDamaged {
        path: damage.path,
        offset: damage.offset,
    }));
    repairs.extend(end.torn.map(|torn| Repair::TornTail {
        path: torn.path,
        offset: torn.offset,
        bytes: torn.bytes,
    }));
    Ok(Read {
        state,
        source,
        commits,
        bytes: end.bytes,
        behind: end.behind,
        damaged,
    })
}

/// The keyed state, brought up to date or made anew.
fn ready(path: &Path, found: Found, read: &Read, repairs: &mut Vec<Repair>) -> Option<Keyed> {
    let why = match found {
        Found::Unwanted => return None,
        Found::Whole(mut keyed, commits) => {
            let current = keyed.schema() == Some(SCHEMA);
            let applied = commits
                .iter()
                .try_for_each(|commit| keyed.apply(commit.revision, &commit.changes));
            drop(commits);
            match applied {
                Ok(()) if current => return Some(keyed),
                // Written in the new shape below; nothing is wrong with it.
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            }
        }
        Found::Missing => None,
        Found::Broken(why) => Some(why),
    };
    let made = match &why {
        Some(_) => move_aside(path).map_err(|error| error.to_string()),
        None => Ok(path.to_owned()),
    };
    let made = made.and_then(|moved_to| {
        let keyed = Keyed::create(path, &read.state).map_err(|error| error.to_string())?;
        Ok((keyed, moved_to))
    });
    match made {
        Ok((keyed, moved_to)) => {
            repairs.extend(why.map(|why| Repair::KeyedRebuilt { why, moved_to }));
            Some(keyed)
        }
        Err(error) => {
            let why = why.map_or_else(|| error.clone(), |why| format!("{why}; then {error}"));
            repairs.push(Repair::KeyedMissing { why });
            None
        }
    }
}

/// Moves a broken folder out of the way, where somebody can look at it. One is kept.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("broken");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::rename(path, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(aside),
    }
}

/// An error with everything that is behind it, in one line.
pub(super) fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

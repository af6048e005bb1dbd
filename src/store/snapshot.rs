//! The whole state in one file.
//!
//! A snapshot is what the keyed state is rebuilt from, and what an export is: a header, a
//! frame for each record, and a last frame with their number.

use std::{io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Change, State, StoreError, codec,
    disk::Disk,
    frame::{self, Header, Reader, SNAPSHOT},
    journal, now_ms,
};

/// The ending of a snapshot's name.
const ENDING: &str = ".snapshot";
/// How many are kept: the newest, and one for the case that it cannot be read.
const KEPT: usize = 2;
/// Bytes that are written at once.
const PIECE: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Footer {
    records: u64,
}

/// Writes `state` to `out`, piece by piece.
pub(super) fn write_to(
    state: &State,
    mut out: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (mut buffer, seed) = frame::begin(SNAPSHOT, &Header::new(state.revision, now_ms()));
    let too_long = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut at = 0;
    let mut records = 0;
    for record in state.records() {
        let json = serde_json::to_vec(&record)?;
        records += 1;
        if !frame::put(&mut buffer, seed, at, &json) {
            return Err(too_long());
        }
        if buffer.len() >= PIECE {
            at += buffer.len() as u64;
            out(&buffer)?;
            buffer.clear();
        }
    }
    let footer = serde_json::to_vec(&Footer { records })?;
    if !frame::put(&mut buffer, seed, at, &footer) {
        return Err(too_long());
    }
    out(&buffer)
}

/// The state in a snapshot whose content is `bytes`; `path` is for messages.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<State, StoreError> {
    let mut reader = Reader::new(SNAPSHOT, bytes, path)?;
    let mut state = State {
        revision: reader.header.revision,
        ..State::default()
    };
    let mut records = 0;
    while let Some(frame) = reader.next() {
        let offset = frame.offset as u64;
        if reader.at_end() {
            let footer: Footer = serde_json::from_slice(frame.payload)
                .map_err(|_| StoreError::damaged(path, offset, "its end is missing"))?;
            if footer.records != records {
                let what = format!("{} records of {} are there", records, footer.records);
                return Err(StoreError::damaged(path, offset, what));
            }
            return Ok(state);
        }
        let record = codec::decode_record(frame.payload, path, offset)?;
        state.apply(&Change::Put(record));
        records += 1;
    }
    let offset = reader.offset() as u64;
    Err(StoreError::damaged(
        path,
        offset,
        "a record fails its checksum",
    ))
}

/// Writes the snapshot of `state`, and removes what older files it makes superfluous.
pub(super) fn checkpoint(disk: &dyn Disk, state: &State) -> Result<(), StoreError> {
    journal::publish(disk, &name(state.revision), |file| {
        write_to(state, |bytes| file.write(bytes))
    })?;
    let prune = || {
        let names = disk.list()?;
        let snapshots = journal::revisions(&names, ENDING);
        let older = snapshots.len().saturating_sub(KEPT);
        // Where there is but one, the journal is kept from its beginning, so that even
        // without it nothing is lost.
        let floor = if snapshots.len() < KEPT {
            0
        } else {
            snapshots[older]
        };
        for revision in &snapshots[..older] {
            disk.remove(&name(*revision))?;
        }
        journal::prune(disk, &names, floor)
    };
    prune().map_err(StoreError::io("remove old files from", disk.dir()))
}

/// The revisions of the snapshots that are there, newest first.
pub(super) fn newest_first(names: &[String]) -> Vec<u64> {
    let mut revisions = journal::revisions(names, ENDING);
    revisions.reverse();
    revisions
}

/// The state in the snapshot of `revision`.
pub(super) fn read(disk: &dyn Disk, revision: u64) -> Result<State, StoreError> {
    let path = disk.dir().join(name(revision));
    let bytes = disk
        .read(&name(revision))
        .map_err(StoreError::io("read", &path))?;
    parse(&bytes, &path)
}

fn name(revision: u64) -> String {
    format!("{revision:020}{ENDING}")
}

/// Writes an export to `writer`.
pub(super) fn export(state: &State, writer: &mut impl Write) -> std::io::Result<()> {
    write_to(state, |bytes| writer.write_all(bytes))?;
    writer.flush()
}

//! Records and commits as JSON, each record with the version of its shape.

use std::path::Path;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::value::RawValue;

use super::{
    Change, Key, Kind, Record, StoreError,
    schema::{self, SCHEMA},
};

/// What a journal's record holds.
#[derive(Debug, Serialize)]
pub(super) struct CommitRef<'a> {
    pub(super) revision: u64,
    pub(super) at_ms: u64,
    pub(super) changes: &'a [Change],
}

/// A commit as it comes out of the journal.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) revision: u64,
    pub(super) changes: Vec<Change>,
}

#[derive(Deserialize)]
struct RawCommit<'a> {
    revision: u64,
    #[serde(borrow)]
    changes: Vec<RawChange<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawChange<'a> {
    #[serde(borrow)]
    Put(RawRecord<'a>),
    Delete(Key),
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    kind: Kind,
    v: u32,
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Record", 3)?;
        record.serialize_field("kind", &self.key().kind())?;
        record.serialize_field("v", &SCHEMA)?;
        record.serialize_field("value", &Value(self))?;
        record.end()
    }
}

struct Value<'a>(&'a Record);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_value(serializer)
    }
}

fn bad(kind: Kind) -> impl Fn(serde_json::Error) -> StoreError {
    move |error| StoreError::Record {
        kind,
        why: error.to_string(),
    }
}

/// A record without its kind and version, which the keyed state has elsewhere.
pub(super) fn encode_value(record: &Record) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Value(record)).map_err(bad(record.key().kind()))
}

/// The record of `kind` whose shape has version `v`.
pub(super) fn decode_value(kind: Kind, v: u32, json: &[u8]) -> Result<Record, StoreError> {
    use std::cmp::Ordering;
    match v.cmp(&SCHEMA) {
        Ordering::Equal => Record::from_json(kind, json).map_err(bad(kind)),
        Ordering::Less => {
            let value = serde_json::from_slice(json).map_err(bad(kind))?;
            let value = schema::migrate(schema::STEPS, kind, v, value);
            Record::from_value(kind, value).map_err(bad(kind))
        }
        // Each file says in its header which version it may hold at most, so this is damage.
        Ordering::Greater => Err(StoreError::Record {
            kind,
            why: format!("its shape has version {v}, and {SCHEMA} is the newest in this file"),
        }),
    }
}

/// The record in a snapshot's frame.
pub(super) fn decode_record(json: &[u8], path: &Path, offset: u64) -> Result<Record, StoreError> {
    let raw: RawRecord<'_> = serde_json::from_slice(json)
        .map_err(|error| StoreError::damaged(path, offset, error.to_string()))?;
    decode_value(raw.kind, raw.v, raw.value.get().as_bytes())
}

/// The commit in a journal's frame.
pub(super) fn decode_commit(json: &[u8], path: &Path, offset: u64) -> Result<Commit, StoreError> {
    let raw: RawCommit<'_> = serde_json::from_slice(json)
        .map_err(|error| StoreError::damaged(path, offset, error.to_string()))?;
    let changes = raw
        .changes
        .into_iter()
        .map(|change| match change {
            RawChange::Put(raw) => {
                decode_value(raw.kind, raw.v, raw.value.get().as_bytes()).map(Change::Put)
            }
            RawChange::Delete(key) => Ok(Change::Delete(key)),
        })
        .collect::<Result<_, _>>()?;
    Ok(Commit {
        revision: raw.revision,
        changes,
    })
}

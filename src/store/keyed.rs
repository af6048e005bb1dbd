//! The keyed state that start-up reads, in sled.
//!
//! It is a convenience: all of it can be had again from the newest snapshot and the journal
//! after it. So it is trusted only as far as it can prove itself, by the number of its
//! records and the sum of their checksums, which each batch changes along with the records.
//!
//! A record's key is `kind/id`. Its value begins with a head (checksum of key and JSON,
//! version of the shape, number of further pieces); the JSON follows. What is longer than a
//! piece goes on under `kind/id/00001` and so on, since sled handles long values badly.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sled::{Batch, Db, IVec};
use uuid::Uuid;

use super::{
    Change, Key, Kind, Record, State, StoreError, codec,
    schema::{SCHEMA, WRITTEN_BY},
};

/// Memory for pages. The state is read once and then never again but for the heads of
/// records that change, so almost none is needed.
const CACHE: u64 = 1024 * 1024;
/// Bytes of a value; sled wants them well under 16 KiB.
const PIECE: usize = 8 * 1024;
/// Records in a batch. sled keeps a whole batch in memory and in one piece of its log.
const BATCH: usize = 256;
/// Sorts before every kind.
const META: &[u8] = b"!meta";
const HEAD: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    schema: u32,
    written_by: String,
    revision: u64,
    records: u64,
    digest: u64,
}

/// The open keyed state.
#[derive(Debug)]
pub(super) struct Keyed {
    db: Db,
    path: PathBuf,
    meta: Option<Meta>,
}

/// Why the keyed state is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It was written by a later version, and so was everything else.
    #[error(transparent)]
    Newer(StoreError),
    /// It is broken, in these words.
    #[error("{0}")]
    Broken(String),
}

type Result<T> = std::result::Result<T, Unusable>;

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where errors are mapped"
)]
fn broken(why: impl ToString) -> Unusable {
    Unusable::Broken(why.to_string())
}

/// Runs `work`, and takes its panic for an error: sled answers some damage with one.
fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(broken(format!("sled panicked: {text}")))
    })
}

impl Keyed {
    /// Opens the folder, made where it is missing, and reads the state in it.
    pub(super) fn open(path: &Path) -> Result<(Self, State)> {
        contained(|| {
            let db = sled::Config::new()
                .path(path)
                .cache_capacity(CACHE)
                .flush_every_ms(None)
                .open()
                .map_err(broken)?;
            let mut keyed = Self {
                db,
                path: path.into(),
                meta: None,
            };
            let state = keyed.load()?;
            Ok((keyed, state))
        })
    }

    /// Makes the folder anew, with `state` in it.
    pub(super) fn create(path: &Path, state: &State) -> Result<Self> {
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(broken)?;
        }
        let (mut keyed, _) = Self::open(path)?;
        contained(|| {
            let changes = state.records().map(Change::Put).collect::<Vec<_>>();
            keyed.apply_inner(state.revision, &changes)?;
            keyed.db.flush().map_err(broken)?;
            Ok(keyed)
        })
    }

    /// Applies the changes up to `revision`.
    pub(super) fn apply(&mut self, revision: u64, changes: &[Change]) -> Result<()> {
        contained(|| self.apply_inner(revision, changes))
    }

    /// Asks sled to write everything out.
    pub(super) fn flush(db: &Db) -> Result<()> {
        contained(|| db.flush().map(drop).map_err(broken))
    }

    /// A handle for [`Keyed::flush`], which may run beside [`Keyed::apply`].
    pub(super) fn db(&self) -> Db {
        self.db.clone()
    }

    /// The schema version of what was there when it was opened; none where nothing was.
    pub(super) fn schema(&self) -> Option<u32> {
        self.meta.as_ref().map(|meta| meta.schema)
    }

    fn load(&mut self) -> Result<State> {
        let mut entries = self.db.iter();
        let Some(first) = entries.next() else {
            return Ok(State::default());
        };
        let (key, value) = first.map_err(broken)?;
        if key != META {
            return Err(broken("its meta record is missing"));
        }
        let meta: Meta = serde_json::from_slice(&value).map_err(broken)?;
        if meta.schema > SCHEMA {
            return Err(Unusable::Newer(StoreError::Newer {
                path: self.path.clone(),
                written_by: meta.written_by,
                schema: meta.schema,
            }));
        }
        let mut state = State {
            revision: meta.revision,
            ..State::default()
        };
        let (mut records, mut digest) = (0, 0_u64);
        while let Some(entry) = entries.next() {
            let (key, value) = entry.map_err(broken)?;
            let head = Head::read(&value).ok_or_else(|| broken("a value has no head"))?;
            let mut json = value[HEAD..].to_vec();
            for number in 1..=head.more {
                let (next, value) = entries
                    .next()
                    .ok_or_else(|| broken("a piece of a value is missing"))?
                    .map_err(broken)?;
                if next != piece_key(&key, number) {
                    return Err(broken("a piece of a value is missing"));
                }
                json.extend_from_slice(&value);
            }
            if checksum(&key, &json) != head.checksum {
                return Err(broken("a value fails its checksum"));
            }
            let (kind, uuid) = parse_key(&key).ok_or_else(|| broken("a key is not one"))?;
            let record = codec::decode_value(kind, head.version.into(), &json).map_err(broken)?;
            if record.key() != Key::of(kind, uuid) {
                return Err(broken("a record stands under another one's key"));
            }
            digest = digest.wrapping_add(head.checksum.into());
            records += 1;
            state.apply(&Change::Put(record));
        }
        if (records, digest) != (meta.records, meta.digest) {
            return Err(broken(format!(
                "{records} records of {} are there",
                meta.records
            )));
        }
        self.meta = Some(meta);
        Ok(state)
    }

    fn apply_inner(&mut self, revision: u64, changes: &[Change]) -> Result<()> {
        let mut last = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(record) => last.insert(change.key(), Some(record)),
                Change::Delete(key) => last.insert(*key, None),
            };
        }
        let mut meta = self.meta.clone().unwrap_or(Meta {
            schema: SCHEMA,
            written_by: String::new(),
            revision: 0,
            records: 0,
            digest: 0,
        });
        meta.revision = revision;
        WRITTEN_BY.clone_into(&mut meta.written_by);
        let pieces: Vec<_> = last.into_iter().collect();
        let many = pieces.len() > BATCH;
        if many {
            // Without a meta record it does not pass for whole until the last batch is in.
            self.db.remove(META).map_err(broken)?;
        }
        let mut batch = Batch::default();
        for (done, (key, record)) in pieces.into_iter().enumerate() {
            if done % BATCH == 0 && done > 0 {
                self.db
                    .apply_batch(std::mem::take(&mut batch))
                    .map_err(broken)?;
            }
            self.change(&mut batch, &mut meta, key, record)?;
        }
        batch.insert(META, serde_json::to_vec(&meta).map_err(broken)?);
        self.db.apply_batch(batch).map_err(broken)?;
        self.meta = Some(meta);
        Ok(())
    }

    fn change(
        &self,
        batch: &mut Batch,
        meta: &mut Meta,
        key: Key,
        record: Option<&Record>,
    ) -> Result<()> {
        let name = format!("{}/{}", key.kind().as_str(), key.uuid()).into_bytes();
        let old = self.db.get(&name).map_err(broken)?;
        let old = old.as_deref().and_then(Head::read);
        if let Some(old) = old {
            meta.digest = meta.digest.wrapping_sub(old.checksum.into());
            meta.records = meta.records.wrapping_sub(1);
        }
        let mut more = 0;
        if let Some(record) = record {
            let json = codec::encode_value(record).map_err(broken)?;
            let pieces = json.chunks(PIECE);
            more = u16::try_from(pieces.len().saturating_sub(1)).map_err(broken)?;
            let head = Head {
                checksum: checksum(&name, &json),
                version: u16::try_from(SCHEMA).map_err(broken)?,
                more,
            };
            meta.digest = meta.digest.wrapping_add(head.checksum.into());
            meta.records = meta.records.wrapping_add(1);
            for (number, piece) in (0..).zip(pieces) {
                if number == 0 {
                    batch.insert(name.clone(), head.value(piece));
                } else {
                    batch.insert(piece_key(&name, number), piece);
                }
            }
        } else {
            batch.remove(name.clone());
        }
        for number in more + 1..=old.map_or(0, |old| old.more) {
            batch.remove(piece_key(&name, number));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    checksum: u32,
    version: u16,
    more: u16,
}

impl Head {
    fn read(value: &[u8]) -> Option<Self> {
        Some(Self {
            checksum: u32::from_le_bytes(value.get(..4)?.try_into().ok()?),
            version: u16::from_le_bytes(value.get(4..6)?.try_into().ok()?),
            more: u16::from_le_bytes(value.get(6..8)?.try_into().ok()?),
        })
    }

    fn value(self, json: &[u8]) -> IVec {
        let mut value = Vec::with_capacity(HEAD + json.len());
        value.extend(self.checksum.to_le_bytes());
        value.extend(self.version.to_le_bytes());
        value.extend(self.more.to_le_bytes());
        value.extend(json);
        value.into()
    }
}

fn checksum(key: &[u8], json: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), json)
}

fn piece_key(key: &[u8], number: u16) -> Vec<u8> {
    [key, format!("/{number:05}").as_bytes()].concat()
}

fn parse_key(key: &[u8]) -> Option<(Kind, Uuid)> {
    let (kind, id) = std::str::from_utf8(key).ok()?.split_once('/')?;
    Some((Kind::parse(kind)?, Uuid::try_parse(id).ok()?))
}

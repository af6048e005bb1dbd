//! The outer shape of journal segments, snapshots and exports: a header, then frames, all
//! of it checksummed.
//!
//! ```text
//! file   = magic (8) | length (4) | CRC-32C (4) | header as JSON | frame ...
//! frame  = "PREC" | length (4) | batch (8) | CRC-32C (4) | payload
//! ```
//!
//! Numbers are little-endian. A frame's checksum starts from its header's, so a frame of
//! another file does not pass. `batch` is the offset in the file before which everything
//! was already synced when the frame was written. It tells damage from a torn tail: a
//! power cut can take any part of what was not synced, so a bad frame that a later batch
//! stands behind was once whole.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    schema::{SCHEMA, WRITTEN_BY},
};

/// Which kind of file this is; the last byte is the version of the format.
pub(super) type Magic = [u8; 8];

/// Segments of the journal.
pub(super) const JOURNAL: Magic = *b"PASTJNL1";
/// Snapshots and exports.
pub(super) const SNAPSHOT: Magic = *b"PASTSNP1";

const FRAME: [u8; 4] = *b"PREC";
const FILE_HEAD: usize = 16;
const FRAME_HEAD: usize = 20;
/// A header is a line of JSON; a longer one is not a header.
const MAX_HEADER: usize = 4096;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Version of the records' shape, at most.
    pub(super) schema: u32,
    /// Version of Pastina.
    pub(super) written_by: String,
    /// The revision that the journal's segment follows, or that the snapshot shows.
    pub(super) revision: u64,
    /// When it was written.
    pub(super) at_ms: u64,
}

impl Header {
    /// The header of a file that is written now.
    pub(super) fn new(revision: u64, at_ms: u64) -> Self {
        Self {
            schema: SCHEMA,
            written_by: WRITTEN_BY.to_owned(),
            revision,
            at_ms,
        }
    }
}

/// Begins a file: its first bytes, and the seed of its frames' checksums.
pub(super) fn begin(magic: Magic, header: &Header) -> (Vec<u8>, u32) {
    let json = serde_json::to_vec(header).unwrap_or_default();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&magic), &json);
    let mut out = Vec::with_capacity(FILE_HEAD + json.len());
    out.extend(magic);
    out.extend(u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(crc.to_le_bytes());
    out.extend(json);
    (out, crc)
}

fn checksum(seed: u32, len: [u8; 4], batch: [u8; 8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(seed, &len);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &batch), payload)
}

/// Appends a frame to `out`; false, and nothing appended, where the payload is too long.
#[must_use]
pub(super) fn put(out: &mut Vec<u8>, seed: u32, batch: u64, payload: &[u8]) -> bool {
    let Ok(len) = u32::try_from(payload.len()) else {
        return false;
    };
    let (len, batch) = (len.to_le_bytes(), batch.to_le_bytes());
    out.extend(FRAME);
    out.extend(len);
    out.extend(batch);
    out.extend(checksum(seed, len, batch, payload).to_le_bytes());
    out.extend(payload);
    true
}

/// One frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) offset: usize,
    pub(super) batch: u64,
    pub(super) payload: &'a [u8],
}

/// A file that is read frame by frame.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    seed: u32,
    at: usize,
    pub(super) header: Header,
}

impl<'a> Reader<'a> {
    /// Reads the header of the file `path`, whose content is `bytes`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not one, [`StoreError::Newer`] where a later
    /// version wrote it.
    pub(super) fn new(magic: Magic, bytes: &'a [u8], path: &Path) -> Result<Self, StoreError> {
        let damaged = |what: &str| StoreError::damaged(path, 0, what);
        let found = array::<8>(bytes, 0).ok_or_else(|| damaged("it has no header"))?;
        if found[..7] != magic[..7] {
            return Err(damaged("it does not start like a file of its kind"));
        }
        let len = array(bytes, 8).map_or(usize::MAX, |len| size(u32::from_le_bytes(len)));
        let crc = array(bytes, 12).map(u32::from_le_bytes);
        let json = (len <= MAX_HEADER)
            .then(|| bytes.get(FILE_HEAD..FILE_HEAD + len))
            .flatten();
        let (Some(json), Some(crc)) = (json, crc) else {
            return Err(damaged("its header is cut off"));
        };
        if crc32c::crc32c_append(crc32c::crc32c(&found), json) != crc {
            return Err(damaged("its header fails its checksum"));
        }
        let header: Header =
            serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
        if found != magic || header.schema > SCHEMA {
            let (written_by, schema) = (header.written_by, header.schema);
            return Err(StoreError::Newer {
                path: path.into(),
                written_by,
                schema,
            });
        }
        Ok(Self {
            bytes,
            seed: crc,
            at: FILE_HEAD + len,
            header,
        })
    }

    /// Reads a segment whose header is damaged. Its frames still pass by the checksum that its
    /// header bears, or by that which it should bear; where neither holds, no frame passes.
    pub(super) fn past_header(bytes: &'a [u8], header: Header) -> Self {
        let stored = array(bytes, 12).map(u32::from_le_bytes);
        let json = bytes.get(FILE_HEAD..).unwrap_or_default();
        let end = json.windows(FRAME.len()).position(|window| window == FRAME);
        let meant = crc32c::crc32c_append(crc32c::crc32c(&JOURNAL), &json[..end.unwrap_or(0)]);
        let mut reader = Self {
            bytes,
            seed: meant,
            at: 0,
            header,
        };
        for seed in [meant].into_iter().chain(stored) {
            reader.seed = seed;
            if reader.skip_damage() {
                return reader;
            }
        }
        reader.at = bytes.len();
        reader
    }

    /// Moves on to the next whole frame; false, and nowhere, where there is none.
    pub(super) fn skip_damage(&mut self) -> bool {
        match self.whole_from(self.at, |_| true) {
            Some(at) => {
                self.at = at;
                true
            }
            None => false,
        }
    }

    /// Where the first whole frame of this kind at or behind `from` starts.
    fn whole_from(&self, mut from: usize, is: impl Fn(&Frame<'_>) -> bool) -> Option<usize> {
        loop {
            let rest = self.bytes.get(from..)?;
            let at = from
                + rest
                    .windows(FRAME.len())
                    .position(|window| window == FRAME)?;
            if self.frame_at(at).is_some_and(|frame| is(&frame)) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    /// Where the next frame starts.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Whether everything was read.
    pub(super) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next frame; none at the end, and none where the next is not whole.
    pub(super) fn next(&mut self) -> Option<Frame<'a>> {
        let frame = self.frame_at(self.at)?;
        self.at += FRAME_HEAD + frame.payload.len();
        Some(frame)
    }

    fn frame_at(&self, at: usize) -> Option<Frame<'a>> {
        if array(self.bytes, at)? != FRAME {
            return None;
        }
        let len: [u8; 4] = array(self.bytes, at + 4)?;
        let batch: [u8; 8] = array(self.bytes, at + 8)?;
        let crc = u32::from_le_bytes(array(self.bytes, at + 16)?);
        let start = at + FRAME_HEAD;
        let payload = self
            .bytes
            .get(start..start.checked_add(size(u32::from_le_bytes(len)))?)?;
        (checksum(self.seed, len, batch, payload) == crc).then_some(Frame {
            offset: at,
            batch: u64::from_le_bytes(batch),
            payload,
        })
    }

    /// Whether a whole frame stands behind the bad one here, written after what is here was
    /// synced.
    pub(super) fn was_synced_here(&self) -> bool {
        let here = self.at as u64;
        self.whole_from(self.at + 1, |frame| frame.batch > here)
            .is_some()
    }
}

fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

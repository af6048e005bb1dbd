//! How entries lie on disk.
//!
//! A frame is `length: u32, CRC-32C: u32` (little-endian) and the payload. What follows a frame
//! that does not check is not read: it was torn by a crash.

use bytes::Bytes;

use super::{Line, Stream};
use crate::model::{AppId, InstanceId, ProcessId, ProcessType};

/// What a segment begins with.
pub(super) const MAGIC: &[u8; 8] = b"PSTLINE1";

const ERR: u8 = 1;
const PROCESS: u8 = 2;
const ORIGIN: u8 = 4;
/// The entry tells an origin alone, no line.
const BARE: u8 = 8;

/// How far an instance's own log is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The instance.
    pub instance: InstanceId,
    /// Where in its log the next line begins.
    pub position: u64,
}

/// One entry of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: Option<Line>,
    pub(super) origin: Option<Origin>,
}

/// Appends the frame of `entry` to `out`.
pub(super) fn encode(line: Option<&Line>, origin: Option<Origin>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut flags = 0;
    if origin.is_some() {
        flags |= ORIGIN;
    }
    match line {
        None => flags |= BARE,
        Some(line) => {
            if line.stream == Stream::Err {
                flags |= ERR;
            }
            if line.process.is_some() {
                flags |= PROCESS;
            }
        }
    }
    out.push(flags);
    if let Some(origin) = origin {
        out.extend_from_slice(origin.instance.uuid().as_bytes());
        out.extend_from_slice(&origin.position.to_le_bytes());
    }
    if let Some(line) = line {
        out.extend_from_slice(&line.at_ns.to_le_bytes());
        short(&line.source, out);
        short(&line.instance, out);
        if let Some((process, process_type)) = &line.process {
            out.extend_from_slice(process.uuid().as_bytes());
            short(process_type, out);
        }
        out.extend_from_slice(&line.text);
    }
    let payload = &out[start + 8..];
    let crc = crc32c::crc32c(payload).to_le_bytes();
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + 8].copy_from_slice(&crc);
}

fn short(text: &str, out: &mut Vec<u8>) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&u16::try_from(end).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..end]);
}

/// The entry at the front of `bytes` and how long its frame is; none at the end, or where what
/// follows is torn.
pub(super) fn decode(app: AppId, bytes: &[u8]) -> Option<(Entry, usize)> {
    let mut header = Cut(bytes);
    let length = usize::try_from(u32::from_le_bytes(header.array()?)).ok()?;
    let crc = u32::from_le_bytes(header.array()?);
    let payload = header.0.get(..length)?;
    if crc32c::crc32c(payload) != crc {
        return None;
    }
    Some((entry(app, Cut(payload))?, 8 + length))
}

fn entry(app: AppId, mut cut: Cut<'_>) -> Option<Entry> {
    let [flags] = cut.array()?;
    let origin = if flags & ORIGIN == 0 {
        None
    } else {
        let instance = InstanceId::from_uuid(uuid::Uuid::from_bytes(cut.array()?));
        let position = u64::from_le_bytes(cut.array()?);
        Some(Origin { instance, position })
    };
    if flags & BARE != 0 {
        return Some(Entry { line: None, origin });
    }
    let at_ns = u64::from_le_bytes(cut.array()?);
    let source = cut.short()?;
    let instance = cut.short()?;
    let process = if flags & PROCESS == 0 {
        None
    } else {
        let id = ProcessId::from_uuid(uuid::Uuid::from_bytes(cut.array()?));
        Some((id, ProcessType::parse(cut.short()?).ok()?))
    };
    let stream = if flags & ERR == 0 {
        Stream::Out
    } else {
        Stream::Err
    };
    let text = Bytes::copy_from_slice(cut.0);
    let line = Line {
        at_ns,
        app,
        source,
        instance,
        process,
        stream,
        text,
    };
    Some(Entry {
        line: Some(line),
        origin,
    })
}

struct Cut<'a>(&'a [u8]);

impl Cut<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn short(&mut self) -> Option<String> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(front).ok().map(ToOwned::to_owned)
    }
}

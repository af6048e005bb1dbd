//! Files of a site: finding, opening, reading.

use std::{
    fs::File,
    future::Future,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cap_std::{ambient_authority, fs::Dir};
use tokio::task::JoinHandle;

use super::{
    encoding::Encoding,
    path::{Wanted, resolve},
};
use crate::model::Site;

/// What is read at once: all that a slow client holds in memory.
const CHUNK: usize = 64 * 1024;

/// What is shown for a folder: the first of these that it has.
const INDEXES: [&str; 3] = ["index.html", "index.htm", "Default.htm"];

/// Most entries of a folder that are shown.
const MOST_ITEMS: usize = 10_000;

/// What a request has found.
#[derive(Debug)]
pub(super) enum Found {
    File(Opened),
    /// A folder, asked for without a slash at the end.
    Folder,
    /// What is in a folder.
    List(Vec<Item>),
    Missing,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) is_file: bool,
    pub(super) name: String,
    pub(super) length: u64,
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) length: u64,
    pub(super) etag: String,
    /// When it came to be here. Its own date may be of an archive, which is the same for every
    /// version, and would make a new one look like the old.
    pub(super) changed: SystemTime,
    pub(super) encoding: Option<Encoding>,
    pub(super) content_type: String,
    content: Content,
}

/// Where bytes come from.
#[derive(Debug)]
enum Content {
    /// A small file, read when it was opened.
    Read(Bytes),
    File(File),
}

/// Finds what `wanted` names beneath `root`. Blocks on the disk.
///
/// Every name is resolved beneath the root's descriptor, so neither a link nor a race leads
/// out of it.
pub(super) fn find(
    root: &Path,
    site: &Site,
    wanted: &Wanted,
    accepted: &[Encoding],
) -> io::Result<Found> {
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    let name = wanted.name.as_str();
    if !name.is_empty() && !wanted.folder {
        if let Some(opened) = open_best(&dir, name, accepted)? {
            return Ok(Found::File(opened));
        }
        let has_index = || {
            INDEXES
                .iter()
                .any(|index| is_file(&dir, &format!("{name}/{index}")))
        };
        let is_folder = dir.metadata(name).is_ok_and(|found| found.is_dir());
        return Ok(match is_folder && (site.listing || has_index()) {
            true => Found::Folder,
            false => Found::Missing,
        });
    }
    for index in INDEXES {
        let index = match name {
            "" => index.to_owned(),
            name => format!("{name}/{index}"),
        };
        if let Some(opened) = open_best(&dir, &index, accepted)? {
            return Ok(Found::File(opened));
        }
    }
    let at = if name.is_empty() { "." } else { name };
    if site.listing && dir.metadata(at).is_ok_and(|found| found.is_dir()) {
        return Ok(Found::List(items(&dir.open_dir(at)?, wanted, site)?));
    }
    Ok(Found::Missing)
}

/// What of a folder is served, folders first.
fn items(dir: &Dir, wanted: &Wanted, site: &Site) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Links to what is outside, and what is neither file nor folder, are not there.
        let Ok(metadata) = dir.metadata(&name) else {
            continue;
        };
        let is_shown = resolve(&format!("{}/{name}", wanted.name), site).is_some();
        if is_shown && (metadata.is_file() || metadata.is_dir()) && items.len() < MOST_ITEMS {
            items.push(Item {
                is_file: metadata.is_file(),
                name,
                length: metadata.len(),
            });
        }
    }
    items.sort();
    Ok(items)
}

/// Opens the file, or the precompressed neighbour that the client likes best.
fn open_best(dir: &Dir, name: &str, accepted: &[Encoding]) -> io::Result<Option<Opened>> {
    if !accepted.is_empty() && is_file(dir, name) {
        for &encoding in accepted {
            let neighbour = format!("{name}{}", encoding.ending());
            if let Some(opened) = open(dir, &neighbour, name, Some(encoding))? {
                return Ok(Some(opened));
            }
        }
    }
    open(dir, name, name, None)
}

fn is_file(dir: &Dir, name: &str) -> bool {
    dir.metadata(name).is_ok_and(|found| found.is_file())
}

fn open(
    dir: &Dir,
    name: &str,
    plain_name: &str,
    encoding: Option<Encoding>,
) -> io::Result<Option<Opened>> {
    // What is not a plain file is not opened at all: a pipe would block.
    if !is_file(dir, name) {
        return Ok(None);
    }
    let file = match dir.open(name) {
        Ok(file) => file.into_std(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let length = metadata.len();
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let kind = encoding.map_or("", Encoding::ending);
    let content = match usize::try_from(length) {
        Ok(size) if size <= CHUNK => Content::Read(read(&file, 0, size)?),
        _ => Content::File(file),
    };
    Ok(Some(Opened {
        length: match &content {
            Content::Read(bytes) => bytes.len() as u64,
            Content::File(_) => length,
        },
        etag: format!("\"{seconds:x}.{nanos:x}-{length:x}{kind}\""),
        changed: UNIX_EPOCH + Duration::new(seconds, nanos),
        encoding,
        content_type: content_type(plain_name),
        content,
    }))
}

/// The type by the name's ending, with the encoding of letters for what is text.
fn content_type(name: &str) -> String {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let kind = mime.essence_str();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+xml")
        || kind.ends_with("json")
        || matches!(kind, "application/javascript" | "application/xml");
    if is_text {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

/// Reads up to `length` bytes from `at`; fewer where the file has become shorter.
fn read(file: &File, at: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(Bytes::from(buffer))
}

impl Opened {
    /// The body of `length` bytes from `first`, both within the file.
    pub(super) fn into_body(self, first: u64, length: u64) -> FileBody {
        let state = match self.content {
            Content::Read(bytes) => {
                let first = usize::try_from(first)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let end = usize::try_from(length)
                    .unwrap_or(usize::MAX)
                    .saturating_add(first);
                State::Ready(bytes.slice(first..end.min(bytes.len())))
            }
            Content::File(file) => State::Idle(file),
        };
        FileBody {
            state,
            at: first,
            remaining: length,
        }
    }
}

/// A part of a file on its way to a client.
#[derive(Debug)]
pub(in crate::gateway) struct FileBody {
    state: State,
    at: u64,
    remaining: u64,
}

#[derive(Debug)]
enum State {
    Ready(Bytes),
    Idle(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
    Ended,
}

impl FileBody {
    /// Bytes that are still to come.
    pub(in crate::gateway) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next bytes; `None` at the end. An error where the file has become shorter.
    pub(in crate::gateway) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if self.remaining == 0 {
                return Poll::Ready(None);
            }
            let (next, chunk) = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Ready(bytes) => (State::Ended, bytes),
                State::Idle(file) => {
                    let size =
                        usize::try_from(self.remaining).map_or(CHUNK, |left| left.min(CHUNK));
                    let at = self.at;
                    self.state = State::Reading(tokio::task::spawn_blocking(move || {
                        read(&file, at, size).map(|bytes| (file, bytes))
                    }));
                    continue;
                }
                State::Reading(mut task) => {
                    let Poll::Ready(outcome) = Pin::new(&mut task).poll(cx) else {
                        self.state = State::Reading(task);
                        return Poll::Pending;
                    };
                    match outcome.map_err(io::Error::other).flatten() {
                        Ok((file, bytes)) => (State::Idle(file), bytes),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
            };
            if chunk.is_empty() {
                return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            self.state = next;
            self.at += chunk.len() as u64;
            self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_how_text_is_written() {
        let check = |name, expected| assert_eq!(content_type(name), expected);
        check("a/index.html", "text/html; charset=utf-8");
        check("a.css", "text/css; charset=utf-8");
        check("a.js", "text/javascript; charset=utf-8");
        check("a.json", "application/json; charset=utf-8");
        check("a.svg", "image/svg+xml; charset=utf-8");
        check("a.png", "image/png");
        check("a.woff2", "font/woff2");
        check("a.wasm", "application/wasm");
        check("a", "application/octet-stream");
    }
}

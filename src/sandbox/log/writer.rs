//! The shim's side of the log.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{FILE_HEADER, FILES, MAGIC, MAX_LINE, RECORD_HEADER, Stream};

/// One file holds at least this, so that a batch of long lines fits.
const SMALLEST_FILE: u64 = 2 * MAX_LINE as u64;

/// Appends records, bounded.
#[derive(Debug)]
pub(in crate::sandbox) struct Writer {
    dir: PathBuf,
    file: File,
    index: usize,
    base: u64,
    len: u64,
    limit: u64,
    /// Bytes of output that could not be written since something last was.
    lost: u64,
}

/// Puts one record at the end of `batch`. `line` is at most [`MAX_LINE`] long.
pub(in crate::sandbox) fn encode(batch: &mut Vec<u8>, at_ns: u64, stream: Stream, line: &[u8]) {
    let line = &line[..line.len().min(MAX_LINE)];
    let len = u32::try_from(line.len()).unwrap_or(0);
    batch.reserve(RECORD_HEADER + line.len());
    batch.extend_from_slice(&len.to_le_bytes());
    batch.extend_from_slice(&at_ns.to_le_bytes());
    batch.push(stream.number());
    batch.extend_from_slice(line);
}

impl Writer {
    /// Begins an empty log in `dir` whose files take `bytes` together.
    pub(in crate::sandbox) fn create(dir: &Path, bytes: u64) -> io::Result<Self> {
        let file = begin(dir, 0, 0)?;
        let limit = (bytes / 2).max(SMALLEST_FILE);
        Ok(Self {
            dir: dir.to_owned(),
            file,
            index: 0,
            base: 0,
            len: 0,
            limit,
            lost: 0,
        })
    }

    /// The offset after the last record.
    pub(in crate::sandbox) fn end(&self) -> u64 {
        self.base + self.len
    }

    /// Appends whole records. What cannot be written (a full disk) is dropped: an app must not
    /// stand still because its log cannot be kept. A line says so as soon as one can be written.
    pub(in crate::sandbox) fn append(&mut self, batch: &[u8]) {
        let size = batch.len() as u64;
        if self.lost == 0 {
            if !self.write(batch) {
                self.lost = size;
            }
            return;
        }
        let at_ns = batch.get(4..12).and_then(|bytes| bytes.try_into().ok());
        let told = format!(
            "Here the platform lost {} bytes of output: the disk was full",
            self.lost
        );
        let mut all = Vec::new();
        encode(
            &mut all,
            at_ns.map_or(0, u64::from_le_bytes),
            Stream::Err,
            told.as_bytes(),
        );
        all.extend_from_slice(batch);
        self.lost = if self.write(&all) {
            0
        } else {
            self.lost.saturating_add(size)
        };
    }

    /// Writes whole records; false where that was not possible, and then none is there.
    fn write(&mut self, batch: &[u8]) -> bool {
        let size = batch.len() as u64;
        if self.len > 0 && self.len + size > self.limit {
            let next = 1 - self.index;
            if let Ok(file) = begin(&self.dir, next, self.end()) {
                (self.file, self.index) = (file, next);
                (self.base, self.len) = (self.end(), 0);
            } else {
                return false;
            }
        }
        let at = self.len + FILE_HEADER as u64;
        let written = self.file.write_all_at(batch, at).is_ok();
        if written {
            self.len += size;
        } else {
            // Half a record would hide all that follow.
            let _ = self.file.set_len(at);
        }
        written
    }

    /// A disk on which nothing finds room, until what this gives is given back.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) -> File {
        let full = File::options().write(true).open("/dev/full").unwrap();
        std::mem::replace(&mut self.file, full)
    }

    /// Makes room again.
    #[cfg(test)]
    pub(super) fn make_room(&mut self, file: File) {
        self.file = file;
    }
}

/// Replaces file `index` by an empty one. A reader that has the old one open keeps it.
fn begin(dir: &Path, index: usize, base: u64) -> io::Result<File> {
    let path = dir.join(FILES[index]);
    let fresh = path.with_extension("new");
    let file = File::create(&fresh)?;
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&base.to_le_bytes());
    file.write_all_at(&header, 0)?;
    fs::rename(&fresh, &path)?;
    Ok(file)
}

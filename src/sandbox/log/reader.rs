//! The daemon's side of the log.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{FILE_HEADER, FILES, MAGIC, MAX_LINE, RECORD_HEADER, Record, Stream};

const READ_AT_ONCE: usize = 32 << 10;

/// Reads a sandbox's log from an offset on, also after its end. Blocks on the disk only.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    open: Option<(File, u64)>,
    /// Read but not yet parsed; begins at `offset`.
    buffer: Vec<u8>,
    parsed: usize,
    offset: u64,
    skipped: u64,
}

impl Reader {
    /// A reader of the log in the instance's folder `dir`, beginning at `from`: 0, or what
    /// [`Reader::offset`] said before.
    ///
    /// # Errors
    /// Where a file is there but cannot be read.
    pub fn open(dir: &Path, from: u64) -> io::Result<Self> {
        let mut reader = Self {
            dir: dir.to_owned(),
            open: None,
            buffer: Vec::new(),
            parsed: 0,
            offset: from,
            skipped: 0,
        };
        let mut files = reader.files()?;
        files.sort_by_key(|(_, base)| *base);
        let at = files
            .iter()
            .rposition(|(_, base)| *base <= from)
            .unwrap_or(0);
        if at < files.len() {
            reader.enter(files.swap_remove(at));
        }
        Ok(reader)
    }

    /// Where the next record begins: what to open with after a restart.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of records were gone before they could be read.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next record; none where no more is written yet (see
    /// [`Sandbox::logged`](crate::sandbox::Sandbox::logged) to wait for more).
    ///
    /// # Errors
    /// Where the file cannot be read or is not a log.
    #[expect(
        clippy::should_implement_trait,
        reason = "none is not the end, and it can fail"
    )]
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.parse()? {
                return Ok(Some(record));
            }
            if self.fill()? {
                continue;
            }
            let Some(next) = self.successor()? else {
                return Ok(None);
            };
            // The writer is done with a file once its successor is there, so one more look
            // at this one finds what came between the two looks.
            if !self.fill()? {
                self.enter(next);
            }
        }
    }

    fn parse(&mut self) -> io::Result<Option<Record>> {
        let rest = &self.buffer[self.parsed..];
        let Some((header, body)) = rest.split_at_checked(RECORD_HEADER) else {
            return Ok(None);
        };
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        let len = usize::try_from(number(&header[..4])).unwrap_or(usize::MAX);
        let Some(stream) = Stream::of(header[12]).filter(|_| len <= MAX_LINE) else {
            let what = format!("{} has no record at {}", self.dir.display(), self.offset);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let Some(line) = body.get(..len) else {
            return Ok(None);
        };
        let record = Record {
            offset: self.offset,
            at_ns: number(&header[4..12]),
            stream,
            line: Bytes::copy_from_slice(line),
        };
        self.parsed += RECORD_HEADER + len;
        self.offset += (RECORD_HEADER + len) as u64;
        Ok(Some(record))
    }

    /// Reads on in the open file; whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        let Some((file, base)) = &self.open else {
            return Ok(false);
        };
        self.buffer.drain(..self.parsed);
        self.parsed = 0;
        let have = self.buffer.len();
        let at = self.offset.saturating_sub(*base) + (FILE_HEADER + have) as u64;
        self.buffer.resize(have + READ_AT_ONCE, 0);
        let read = file.read_at(&mut self.buffer[have..], at);
        self.buffer
            .truncate(have + read.as_ref().copied().unwrap_or(0));
        Ok(read? > 0)
    }

    fn enter(&mut self, (file, base): (File, u64)) {
        self.skipped += base.saturating_sub(self.offset);
        self.offset = self.offset.max(base);
        self.buffer.clear();
        self.parsed = 0;
        self.open = Some((file, base));
    }

    /// The file that was begun next after the open one.
    fn successor(&self) -> io::Result<Option<(File, u64)>> {
        let newer = |base: u64| self.open.as_ref().is_none_or(|(_, mine)| base > *mine);
        let files = self.files()?.into_iter().filter(|(_, base)| newer(*base));
        Ok(files.min_by_key(|(_, base)| *base))
    }

    fn files(&self) -> io::Result<Vec<(File, u64)>> {
        let mut found = Vec::new();
        for name in FILES {
            let file = match File::open(self.dir.join(name)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut header = [0; FILE_HEADER];
            file.read_exact_at(&mut header, 0)?;
            let (magic, base) = header.split_at(8);
            if magic != MAGIC {
                let what = format!("{name} in {} is no log of a sandbox", self.dir.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            found.push((
                file,
                base.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
            ));
        }
        Ok(found)
    }
}

//! One app's segments on disk.
//!
//! `<dir>/<number>.log`, numbered in the order of their making. Lines lie in the order in which
//! they arrived; when the last segment is full the next begins, and the oldest goes. Each begins
//! with how far the logs of the app's instances were read, so that the last segment alone tells
//! where to go on.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    Line,
    codec::{self, Entry, MAGIC, Origin},
};
use crate::model::{AppId, InstanceId};

/// Into how many segments an app's bytes are divided.
const SEGMENTS: u64 = 4;
/// Instances whose position is kept at most; the app has had that many at one time.
const ORIGINS: usize = 512;

/// The end of an app's log, where lines are added.
#[derive(Debug)]
pub(super) struct Appender {
    dir: PathBuf,
    /// Bytes of one segment.
    most: u64,
    numbers: Vec<u64>,
    file: File,
    size: u64,
    positions: BTreeMap<InstanceId, u64>,
    waiting: Vec<u8>,
    /// Lines in `waiting`.
    lines: u64,
    /// Lines that could not be written since they were last asked for.
    lost: u64,
}

impl Appender {
    /// The end of the log in `dir`, which is made where there is none. What a crash tore is cut
    /// off.
    pub(super) fn open(app: AppId, dir: &Path, bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let numbers = numbers(dir)?;
        let most = (bytes / SEGMENTS).max(1);
        let positions = BTreeMap::new();
        let waiting = Vec::new();
        let dir = dir.to_owned();
        let Some(last) = numbers.last() else {
            let file = create(&dir, 0)?;
            let size = MAGIC.len() as u64;
            let numbers = vec![0];
            return Ok(Self {
                dir,
                most,
                numbers,
                file,
                size,
                positions,
                waiting,
                lines: 0,
                lost: 0,
            });
        };
        let path = path(&dir, *last);
        let mut appender = Self {
            most,
            file: OpenOptions::new().append(true).open(&path)?,
            size: 0,
            dir,
            numbers,
            positions,
            waiting,
            lines: 0,
            lost: 0,
        };
        appender.size = read_segment(app, &path, |entry| appender.note(entry.origin))?;
        if appender.size == 0 {
            // Not even the magic is whole.
            appender.file.set_len(0)?;
            appender.file.write_all(MAGIC)?;
            appender.size = MAGIC.len() as u64;
        }
        appender.file.set_len(appender.size)?;
        Ok(appender)
    }

    fn note(&mut self, origin: Option<Origin>) {
        if let Some(Origin { instance, position }) = origin {
            if self.positions.len() >= ORIGINS && !self.positions.contains_key(&instance) {
                self.positions.pop_first();
            }
            self.positions.insert(instance, position);
        }
    }

    /// Where in the log of `instance` the next line begins.
    pub(super) fn position(&self, instance: InstanceId) -> u64 {
        self.positions.get(&instance).copied().unwrap_or(0)
    }

    /// Forgets the position of an instance that is gone.
    pub(super) fn release(&mut self, instance: InstanceId) {
        self.positions.remove(&instance);
    }

    /// Adds a line; it is on disk after [`Appender::flush`].
    pub(super) fn add(&mut self, line: Option<&Line>, origin: Option<Origin>) -> io::Result<()> {
        self.note(origin);
        codec::encode(line, origin, &mut self.waiting);
        self.lines += u64::from(line.is_some());
        if self.size + self.waiting.len() as u64 >= self.most {
            self.flush()?;
            self.roll()?;
        }
        Ok(())
    }

    /// Writes what was added.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.waiting);
        let (bytes, lines) = (self.waiting.len() as u64, std::mem::take(&mut self.lines));
        self.waiting.clear();
        if let Err(error) = written {
            self.lost += lines;
            // Half a frame would hide everything after it.
            if let Err(error) = self.file.set_len(self.size) {
                tracing::warn!(dir = %self.dir.display(), %error, "cannot cut off a failed write");
            }
            return Err(error);
        }
        self.size += bytes;
        Ok(())
    }

    /// How many lines could not be written since this was last asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// A disk on which nothing finds room, until what this gives is given back.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) -> File {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        std::mem::replace(&mut self.file, full)
    }

    /// Makes room again.
    #[cfg(test)]
    pub(super) fn make_room(&mut self, file: File) {
        self.file = file;
    }

    fn roll(&mut self) -> io::Result<()> {
        let next = self.numbers.last().map_or(0, |last| last + 1);
        self.file = create(&self.dir, next)?;
        self.size = MAGIC.len() as u64;
        self.numbers.push(next);
        for (instance, position) in &self.positions {
            let origin = Origin {
                instance: *instance,
                position: *position,
            };
            codec::encode(None, Some(origin), &mut self.waiting);
        }
        self.flush()?;
        while self.numbers.len() as u64 > SEGMENTS {
            let oldest = self.numbers.remove(0);
            remove_if_there(&path(&self.dir, oldest))?;
        }
        Ok(())
    }
}

/// Hands every line in `dir` to `each`, oldest segment first.
pub(super) fn read(app: AppId, dir: &Path, mut each: impl FnMut(Line)) -> io::Result<()> {
    for number in numbers(dir)? {
        let read = read_segment(app, &path(dir, number), |entry| {
            if let Some(line) = entry.line {
                each(line);
            }
        });
        match read {
            // The writer may remove the oldest at any moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Hands every whole entry to `each`; where the last one ends.
fn read_segment(app: AppId, path: &Path, mut each: impl FnMut(Entry)) -> io::Result<u64> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let Some(mut rest) = bytes.strip_prefix(MAGIC.as_slice()) else {
        return Ok(0);
    };
    while let Some((entry, length)) = codec::decode(app, rest) {
        each(entry);
        rest = &rest[length..];
    }
    Ok((bytes.len() - rest.len()) as u64)
}

fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".log")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.log"))
}

fn create(dir: &Path, number: u64) -> io::Result<File> {
    let path = path(dir, number);
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(path)?;
    file.write_all(MAGIC)?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

//! Files and folders that a client has open.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, ReadDir},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, OpenOptionsExt},
    },
    path::Path,
};

use super::{
    LONGEST,
    files::{Name, Outcome, set_open},
    packet::Attributes,
};

/// How a file is opened.
const READ: u32 = 1;
const WRITE: u32 = 1 << 1;
const APPEND: u32 = 1 << 2;
const CREATE: u32 = 1 << 3;
const TRUNCATE: u32 = 1 << 4;
const EXCLUSIVE: u32 = 1 << 5;

/// Open at once.
const MOST: usize = 256;
/// Names in one answer.
const NAMES: usize = 100;
/// Bytes of a packet that are not a file's.
const AROUND: usize = 1024;

#[derive(Default)]
pub(super) struct Handles {
    open: BTreeMap<u32, Open>,
    last: u32,
}

enum Open {
    File { file: File, append: bool },
    Folder(ReadDir),
}

fn unknown() -> io::Error {
    io::Error::other("no such handle")
}

impl Handles {
    fn add(&mut self, open: Open) -> io::Result<Outcome> {
        if self.open.len() >= MOST {
            return Err(io::Error::other("too many files are open"));
        }
        self.last = self.last.wrapping_add(1);
        self.open.insert(self.last, open);
        Ok(Outcome::Handle(self.last))
    }

    fn file(&self, handle: u32) -> io::Result<(&File, bool)> {
        match self.open.get(&handle) {
            Some(Open::File { file, append }) => Ok((file, *append)),
            _ => Err(unknown()),
        }
    }

    pub(super) fn open(
        &mut self,
        path: &Path,
        flags: u32,
        permissions: Option<u32>,
    ) -> io::Result<Outcome> {
        let has = |flag: u32| flags & flag != 0;
        let mut options = OpenOptions::new();
        let creates = has(CREATE) && has(WRITE | APPEND);
        options
            .read(has(READ))
            .write(has(WRITE) && !has(APPEND))
            .append(has(APPEND))
            .create(creates)
            .truncate(has(TRUNCATE) && has(WRITE) && !has(APPEND))
            .mode(permissions.unwrap_or(0o666) & 0o777);
        if creates && has(EXCLUSIVE) {
            options.create_new(true);
        }
        let file = options.open(path)?;
        self.add(Open::File {
            file,
            append: has(APPEND),
        })
    }

    pub(super) fn open_folder(&mut self, path: &Path) -> io::Result<Outcome> {
        let folder = fs::read_dir(path)?;
        self.add(Open::Folder(folder))
    }

    pub(super) fn close(&mut self, handle: u32) -> io::Result<Outcome> {
        let closed = self.open.remove(&handle);
        closed.map(|_| Outcome::Done).ok_or_else(unknown)
    }

    pub(super) fn read(&self, handle: u32, offset: u64, length: u32) -> io::Result<Outcome> {
        let (file, _) = self.file(handle)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut data = vec![0; length.min(LONGEST - AROUND)];
        let read = file.read_at(&mut data, offset)?;
        if read == 0 {
            return Ok(Outcome::End);
        }
        data.truncate(read);
        Ok(Outcome::Data(data))
    }

    pub(super) fn write(&self, handle: u32, offset: u64, data: &[u8]) -> io::Result<Outcome> {
        let (mut file, append) = self.file(handle)?;
        if append {
            io::Write::write_all(&mut file, data)?;
        } else {
            file.write_all_at(data, offset)?;
        }
        Ok(Outcome::Done)
    }

    pub(super) fn stat(&self, handle: u32) -> io::Result<Outcome> {
        self.file(handle)?.0.metadata().map(Outcome::Attributes)
    }

    pub(super) fn set(&self, handle: u32, wanted: &Attributes) -> io::Result<Outcome> {
        set_open(self.file(handle)?.0, wanted).map(|()| Outcome::Done)
    }

    pub(super) fn sync(&self, handle: u32) -> io::Result<Outcome> {
        self.file(handle)?.0.sync_all().map(|()| Outcome::Done)
    }

    pub(super) fn read_folder(&mut self, handle: u32) -> io::Result<Outcome> {
        let Some(Open::Folder(folder)) = self.open.get_mut(&handle) else {
            return Err(unknown());
        };
        let mut names = Vec::new();
        for entry in folder.take(NAMES) {
            let entry = entry?;
            let found = entry.metadata().ok();
            names.push(Name::entry(entry.file_name().as_bytes(), found));
        }
        Ok(if names.is_empty() {
            Outcome::End
        } else {
            Outcome::Names(names)
        })
    }
}

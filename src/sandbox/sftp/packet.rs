//! What packets are made of.

use std::{
    ffi::OsStr,
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::PathBuf,
};

/// Which attributes follow.
const SIZE: u32 = 1;
const OWNER: u32 = 1 << 1;
const PERMISSIONS: u32 = 1 << 2;
const TIMES: u32 = 1 << 3;
const EXTENDED: u32 = 1 << 31;

/// Attributes that a client wants a file to have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) permissions: Option<u32>,
    /// Of access and change, in seconds.
    pub(super) times: Option<(u32, u32)>,
}

/// Takes a packet apart.
pub(super) struct Reader<'a>(&'a [u8]);

fn bad() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<'a> Reader<'a> {
    pub(super) const fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(bad)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?.try_into().map_err(|_| bad())?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub(super) fn long(&mut self) -> io::Result<u64> {
        let bytes = self.take(8)?.try_into().map_err(|_| bad())?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(super) fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| bad())?;
        self.take(length)
    }

    /// A path; an empty one is where the process stands.
    pub(super) fn path(&mut self) -> io::Result<PathBuf> {
        let bytes = self.bytes()?;
        let bytes = if bytes.is_empty() { b"." } else { bytes };
        Ok(PathBuf::from(OsStr::from_bytes(bytes)))
    }

    pub(super) fn handle(&mut self) -> io::Result<u32> {
        let bytes = self.bytes()?.try_into().map_err(|_| bad())?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub(super) fn attributes(&mut self) -> io::Result<Attributes> {
        let mut found = Attributes::default();
        // Some leave out what they have nothing to say in.
        let Ok(flags) = self.number() else {
            return Ok(found);
        };
        if flags & SIZE != 0 {
            found.size = Some(self.long()?);
        }
        if flags & OWNER != 0 {
            found.owner = Some((self.number()?, self.number()?));
        }
        if flags & PERMISSIONS != 0 {
            found.permissions = Some(self.number()?);
        }
        if flags & TIMES != 0 {
            found.times = Some((self.number()?, self.number()?));
        }
        if flags & EXTENDED != 0 {
            for _ in 0..self.number()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Ok(found)
    }
}

/// Puts a packet together.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn number(&mut self, number: u32) {
        self.0.extend(number.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend(bytes);
    }

    pub(super) fn attributes(&mut self, found: &Metadata) {
        let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
        self.number(SIZE | OWNER | PERMISSIONS | TIMES);
        self.0.extend(found.size().to_be_bytes());
        self.number(found.uid());
        self.number(found.gid());
        self.number(found.mode());
        self.number(seconds(found.atime()));
        self.number(seconds(found.mtime()));
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

//! The entries of a tar, one after the other, with what stands before each of them: long names
//! and attributes. Read here and not by the crate, which takes those into memory whatever
//! length they claim.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
};

use tar::{EntryType, PaxExtensions};

use super::super::ImageError;

/// Bytes of all that stands before one entry: names of some thousand bytes and some attributes.
const MOST_EXTRA: u64 = 1024 * 1024;
/// Where user attributes stand among the extended headers.
const XATTR: &str = "SCHILY.xattr.";

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// With where it leads.
    Link(OsString),
    /// Another name for this one.
    HardLink(OsString),
    Fifo,
    /// A device, or what nobody knows.
    Other(EntryType),
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: u64,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
}

/// Why the entries came to an end.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is no tar, or a damaged one.
    Archive(io::Error),
    /// Whoever took the entries did not want one.
    Refused(ImageError),
}

/// What stands before an entry.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

/// Calls `take` with each entry of `archive` and its content.
pub(super) fn each<R: Read>(
    archive: R,
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ImageError>,
) -> Result<(), Failed> {
    let mut archive = tar::Archive::new(archive);
    let mut before = Before::default();
    for entry in archive.entries().map_err(Failed::Archive)?.raw(true) {
        let mut entry = entry.map_err(Failed::Archive)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => before.name = Some(c_string(extra(&mut entry)?)),
            EntryType::GNULongLink => before.link = Some(c_string(extra(&mut entry)?)),
            EntryType::XHeader => before.pax = Some(extra(&mut entry)?),
            EntryType::XGlobalHeader => {}
            _ => {
                let read = read(&entry, std::mem::take(&mut before)).map_err(Failed::Archive)?;
                take(&read, &mut entry).map_err(Failed::Refused)?;
            }
        }
    }
    Ok(())
}

/// What stands before an entry, as a whole.
fn extra<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, Failed> {
    let size = entry.size();
    if size > MOST_EXTRA {
        let what = format!("a name or attribute of {size} bytes is too long");
        return Err(Failed::Archive(io::Error::other(what)));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(Failed::Archive)?;
    Ok(text)
}

/// Up to the first NUL, as the format has it.
fn c_string(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    text
}

fn read<R: Read>(entry: &tar::Entry<'_, R>, before: Before) -> io::Result<Entry> {
    let header = entry.header();
    let mut found = Entry {
        name: os(&before
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned())),
        kind: Kind::File,
        mode: header.mode()?,
        uid: header.uid()?,
        gid: header.gid()?,
        mtime: header.mtime().unwrap_or(0),
        xattrs: Vec::new(),
    };
    let mut link = before.link.or_else(|| {
        let link = header.link_name_bytes();
        link.map(std::borrow::Cow::into_owned)
    });
    if let Some(pax) = &before.pax {
        for record in PaxExtensions::new(pax) {
            let record = record?;
            let key = record
                .key()
                .map_err(|_| io::Error::other("the name of an attribute is not text"))?;
            let value = record.value_bytes();
            let number = || {
                let text = std::str::from_utf8(value).ok();
                // Times may have a fraction.
                let whole = text.and_then(|text| text.split('.').next()?.parse::<u64>().ok());
                whole.ok_or_else(|| io::Error::other(format!("its {key} is not a number")))
            };
            match key {
                "path" => found.name = os(value),
                "linkpath" => link = Some(value.to_vec()),
                "uid" => found.uid = number()?,
                "gid" => found.gid = number()?,
                "mtime" => found.mtime = number().unwrap_or(0),
                key if key.starts_with("GNU.sparse.") => {
                    return Err(io::Error::other(
                        "a file in it is sparse, which layers are not",
                    ));
                }
                "size" if number()? != entry.size() => {
                    return Err(io::Error::other("an entry has two sizes"));
                }
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR) {
                        found.xattrs.push((name.to_owned(), value.to_vec()));
                    }
                }
            }
        }
    }
    let link = || os(link.as_deref().unwrap_or_default());
    let slash = found.name.as_bytes().ends_with(b"/");
    found.kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if slash => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link(link()),
        EntryType::Link => Kind::HardLink(link()),
        EntryType::Fifo => Kind::Fifo,
        other => Kind::Other(other),
    };
    Ok(found)
}

fn os(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

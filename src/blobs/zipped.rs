//! Reading zips that anybody may have made.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use zip::{ZipArchive, read::ZipFile, result::ZipError};

use super::{
    BlobError, Limits,
    name::Origin,
    plant::{Look, MAX_TARGET, Plant},
};

/// Bytes of the table of contents for each entry that is allowed (the fixed part is 46), and
/// for the rest. The table is read into memory as a whole, so this bounds the memory.
const TABLE_BYTES: u64 = 300;
const TABLE_REST: u64 = 1024 * 1024;
/// The kinds of file in the upper bits of a Unix mode.
const KIND: u32 = 0o170_000;
const SYMLINK: u32 = 0o120_000;
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// An open zip.
pub(super) type Zip = ZipArchive<BufReader<Metered>>;

/// A file of which only so much may be read, until the meter is lifted.
#[derive(Debug)]
pub(super) struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let before = self.left.load(Relaxed);
        let Some(after) = before.checked_sub(read as u64) else {
            return Err(io::Error::other("its table of contents is too large"));
        };
        self.left.store(after, Relaxed);
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File,
    Link,
}

/// Opens a zip, and refuses it where its table of contents alone is reason enough.
pub(super) fn open(file: File, limits: Limits) -> Result<Zip, BlobError> {
    let allowed = limits
        .entries
        .saturating_mul(TABLE_BYTES)
        .saturating_add(TABLE_REST);
    let left = Arc::new(AtomicU64::new(allowed));
    let reader = Metered {
        file,
        left: Arc::clone(&left),
    };
    let zip = ZipArchive::new(BufReader::new(reader)).map_err(|error| {
        BlobError::Refused(format!(
            "the package is not a zip archive, or a damaged one: {error}"
        ))
    })?;
    if zip.len() as u64 > limits.entries {
        return Err(BlobError::TooLarge {
            what: "the number of files in the package",
            limit: limits.entries.to_string(),
        });
    }
    if zip.has_duplicate_names() {
        return Err(BlobError::Refused(
            "the package has two entries of the same name".to_owned(),
        ));
    }
    // From here on each byte that comes out is counted.
    left.store(u64::MAX, Relaxed);
    Ok(zip)
}

/// The entry at `index`, its name, and what it is.
pub(super) fn entry(
    zip: &mut Zip,
    index: usize,
) -> Result<(ZipFile<'_, BufReader<Metered>>, OsString, Entry), BlobError> {
    let entry = zip.by_index(index).map_err(|error| match error {
        ZipError::CompressionMethodNotSupported(_) => BlobError::Refused(
            "the package is compressed in a way that is not supported: use deflate".to_owned(),
        ),
        ZipError::InvalidPassword | ZipError::UnsupportedArchive(_) => BlobError::Refused(format!(
            "the package cannot be read ({error}): it must be neither encrypted nor split"
        )),
        error => BlobError::Refused(format!("the package is damaged: {error}")),
    })?;
    let name = name_of(&entry);
    let mode = entry.unix_mode().unwrap_or(0);
    let folder = entry.name_raw().ends_with(b"/");
    let kind = match mode & KIND {
        SYMLINK if !folder => Entry::Link,
        FOLDER => Entry::Folder,
        0 | REGULAR if folder => Entry::Folder,
        0 | REGULAR => Entry::File,
        _ => return Err(Origin::Package.refuse(&name, "is neither a file nor a folder nor a link")),
    };
    Ok((entry, name, kind))
}

/// The name as UTF-8 where it is that, whatever the archive says; many tools do not say.
fn name_of<R: Read>(entry: &ZipFile<'_, R>) -> OsString {
    let raw = entry.name_raw();
    match (std::str::from_utf8(raw), entry.name()) {
        (Err(_), Ok(name)) => OsString::from(name.into_owned()),
        _ => OsStr::from_bytes(raw).to_owned(),
    }
}

/// Where a link leads.
pub(super) fn target<R: Read>(
    entry: &mut ZipFile<'_, R>,
    name: &OsStr,
) -> Result<PathBuf, BlobError> {
    let mut target = Vec::new();
    entry
        .take(MAX_TARGET + 1)
        .read_to_end(&mut target)
        .map_err(|error| Origin::Package.refuse(name, &format!("cannot be unpacked: {error}")))?;
    if target.contains(&0) {
        return Err(Origin::Package.refuse(name, "is a link to nowhere"));
    }
    Ok(Path::new(OsStr::from_bytes(&target)).to_owned())
}

/// Unpacks a package into an empty folder.
pub(super) fn unpack(
    file: File,
    into: &Path,
    limits: Limits,
    owner: Option<u32>,
) -> Result<(), BlobError> {
    let mut zip = open(file, limits)?;
    let mut plant = Plant::new(into, Origin::Package, limits, owner)?;
    for index in 0..zip.len() {
        let (mut entry, name, kind) = entry(&mut zip, index)?;
        let mode = entry.unix_mode().unwrap_or(0);
        match kind {
            Entry::Folder => plant.folder(&name, mode)?,
            Entry::Link => {
                let target = target(&mut entry, &name)?;
                plant.link(&name, &target)?;
            }
            Entry::File => plant.file(
                &name,
                Look {
                    mode,
                    modified: None,
                },
                &mut entry,
            )?,
        }
    }
    plant.finish()
}

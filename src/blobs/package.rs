//! From an upload and what is already here to a package.

use std::{
    ffi::OsString,
    io::{self, Read, Seek},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    Blob, BlobError, Limits, Resource,
    archives::Archives,
    hash::Hashing,
    name::{self, Origin},
    plant::{Look, Plant},
    pool::{self, Draft, Pool},
    zipped::{self, Entry, Zip},
};

/// From this size on a zip needs its longer fields for an entry.
const LARGE: u64 = u32::MAX as u64;

/// Makes a package; refuses it where unpacking it would be refused.
pub(super) fn make(
    archives: &Archives,
    pool: &Pool,
    limits: Limits,
    upload: Option<Blob>,
    matched: Vec<Resource>,
) -> Result<Blob, BlobError> {
    let mut zip = match &upload {
        Some(blob) => Some(zipped::open(archives.open_file(&blob.sha256)?, limits)?),
        None => None,
    };
    let mut plant = Plant::nowhere(Origin::Package, limits);
    if let Some(zip) = &mut zip {
        look_at(zip, &mut plant, pool)?;
    }
    // What was sent wins over what is already here.
    let mut added = Vec::new();
    for mut resource in matched {
        let name = OsString::from(&resource.path);
        if plant.has(&name) {
            continue;
        }
        let content = pool.read(&resource)?;
        let look = Look {
            mode: resource.mode,
            modified: None,
        };
        plant.file(&name, look, &content)?;
        // In the plain form: a slash at the end would make a folder of it.
        if let Some(path) = name::entry_path(&name, Origin::Package)? {
            resource.path = path.to_string_lossy().into_owned();
        }
        added.push((resource, content));
    }
    if plant.entries() == 0 {
        return Err(BlobError::Refused(
            "the package is empty: push from the folder that has the app's files".to_owned(),
        ));
    }
    plant.finish()?;
    match upload {
        Some(blob) if added.is_empty() => Ok(blob),
        _ => merge(archives, zip, added),
    }
}

/// Looks at every entry as if unpacking it, and remembers large files for later pushes.
fn look_at(zip: &mut Zip, plant: &mut Plant<'_>, pool: &Pool) -> Result<(), BlobError> {
    for index in 0..zip.len() {
        let (mut entry, name, kind) = zipped::entry(zip, index)?;
        let mode = entry.unix_mode().unwrap_or(0);
        match kind {
            Entry::Folder => plant.folder(&name, mode)?,
            Entry::Link => {
                let target = zipped::target(&mut entry, &name)?;
                plant.link(&name, &target)?;
            }
            Entry::File => {
                let draft = (entry.size() >= pool::SMALLEST)
                    .then(|| pool.begin())
                    .transpose()?;
                let mut tee = Tee {
                    content: &mut entry,
                    draft,
                };
                plant.file(
                    &name,
                    Look {
                        mode,
                        modified: None,
                    },
                    &mut tee,
                )?;
                if let Some(draft) = tee.draft {
                    pool.keep(draft)?;
                }
            }
        }
    }
    Ok(())
}

/// Passes content on, and a copy into the pool.
struct Tee<R> {
    content: R,
    draft: Option<Draft>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        if let Some(draft) = &mut self.draft
            && draft.write(&buffer[..read]).is_err()
        {
            // No room for a copy is no reason to refuse a package.
            self.draft = None;
        }
        Ok(read)
    }
}

/// Writes a zip of what was sent and what was here.
fn merge(
    archives: &Archives,
    zip: Option<Zip>,
    added: Vec<(Resource, std::fs::File)>,
) -> Result<Blob, BlobError> {
    let failed = |error: zip::result::ZipError| {
        let error = match error {
            zip::result::ZipError::Io(error) => error,
            other => io::Error::other(other),
        };
        BlobError::io("put the package together")(error)
    };
    let draft = archives.begin()?;
    let mut writer = ZipWriter::new(io::BufWriter::new(draft.as_file()));
    if let Some(mut zip) = zip {
        for index in 0..zip.len() {
            let (_, name, _) = zipped::entry(&mut zip, index)?;
            let entry = zip.by_index_raw(index).map_err(failed)?;
            writer
                .raw_copy_file_rename(entry, name.to_string_lossy())
                .map_err(failed)?;
        }
    }
    for (resource, mut content) in added {
        let mode = match resource.mode & 0o777 {
            0 => 0o644,
            mode => mode,
        };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .large_file(resource.size >= LARGE)
            .unix_permissions(mode);
        writer.start_file(resource.path, options).map_err(failed)?;
        content
            .rewind()
            .and_then(|()| io::copy(&mut content, &mut writer))
            .map_err(BlobError::io("put the package together"))?;
    }
    writer
        .finish()
        .map_err(failed)?
        .into_inner()
        .map_err(|error| BlobError::io("put the package together")(error.into_error()))?;
    let digest = || {
        let mut file = draft.as_file();
        file.rewind()?;
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut file, &mut hashing)?;
        Ok(hashing.finish())
    };
    let (_, sha256, size) = digest().map_err(BlobError::io("put the package together"))?;
    archives.keep(draft, sha256, size)
}

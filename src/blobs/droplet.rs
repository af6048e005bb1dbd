//! Droplets as archives: a tar of the tree that is seen as `/home/vcap`, compressed with zstd.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, BufReader, Read, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tar::{EntryType, Header};

use super::{
    BlobError, Limits,
    hash::Hashing,
    name::Origin,
    plant::{Look, Plant},
};

/// What a build makes of a package has far more files than the package: dependencies.
const ENTRIES: u64 = 1_000_000;
/// zstd's fastest level that still halves source code; a droplet is written once for each
/// push, while somebody waits.
const LEVEL: i32 = 1;

fn limits(limits: Limits) -> Limits {
    Limits {
        entries: ENTRIES.max(limits.entries),
        ..limits
    }
}

/// Writes the archive of the tree `home` to `out`. Devices, sockets and pipes are left out.
pub(super) fn pack<W: Write>(home: &Path, limit: Limits, out: W) -> Result<W, BlobError> {
    let at = || BlobError::at("archive", home);
    let encoder = zstd::Encoder::new(out, LEVEL).map_err(at())?;
    let mut packer = Packer {
        home,
        limits: limits(limit),
        tar: tar::Builder::new(encoder),
        links: HashMap::new(),
        bytes: 0,
        entries: 0,
    };
    packer.walk()?;
    packer
        .tar
        .into_inner()
        .and_then(zstd::Encoder::finish)
        .map_err(at())
}

struct Packer<'a, W: Write> {
    home: &'a Path,
    limits: Limits,
    tar: tar::Builder<W>,
    /// Files with several names, by device and inode, and the name they are archived under.
    links: HashMap<(u64, u64), PathBuf>,
    bytes: u64,
    entries: u64,
}

impl<W: Write> Packer<'_, W> {
    /// Walks the tree. Whatever it holds was made by a build, which is hostile, but has ended.
    fn walk(&mut self) -> Result<(), BlobError> {
        make_readable(self.home, 0o700).map_err(BlobError::at("read", self.home))?;
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            let full = self.home.join(&folder);
            let at = || BlobError::at("read", &full);
            let mut names = fs::read_dir(&full)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(at())?;
            let names: &mut Vec<_> = &mut names;
            names.sort();
            for name in names {
                let path = folder.join(name);
                if self.add(&path)? {
                    open.push(path);
                }
            }
        }
        Ok(())
    }

    /// Adds one entry; true for a folder.
    fn add(&mut self, path: &Path) -> Result<bool, BlobError> {
        let full = self.home.join(path);
        let at = || BlobError::at("archive", &full);
        let there = fs::symlink_metadata(&full).map_err(at())?;
        let kind = there.file_type();
        let there = if kind.is_dir() {
            make_readable(&full, 0o700)
                .and_then(|()| fs::symlink_metadata(&full))
                .map_err(at())?
        } else {
            there
        };
        if !(kind.is_dir() || kind.is_file() || kind.is_symlink()) {
            return Ok(false);
        }
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(BlobError::TooLarge {
                what: "the number of files in the droplet",
                limit: self.limits.entries.to_string(),
            });
        }
        let mut header = header(&there);
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            self.tar
                .append_data(&mut header, path, io::empty())
                .map_err(at())?;
            return Ok(true);
        }
        if kind.is_symlink() {
            let target = fs::read_link(&full).map_err(at())?;
            header.set_entry_type(EntryType::Symlink);
            self.tar
                .append_link(&mut header, path, target)
                .map_err(at())?;
            return Ok(false);
        }
        if there.nlink() > 1 {
            let inode = (there.dev(), there.ino());
            if let Some(first) = self.links.get(&inode) {
                header.set_entry_type(EntryType::Link);
                self.tar
                    .append_link(&mut header, path, first)
                    .map_err(at())?;
                return Ok(false);
            }
            self.links.insert(inode, path.to_owned());
        }
        self.bytes += there.len();
        if self.bytes > self.limits.unpacked {
            return Err(BlobError::too_large("the droplet", self.limits.unpacked));
        }
        make_readable(&full, 0o400).map_err(at())?;
        let file = File::open(&full).map_err(at())?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(there.len());
        self.tar
            .append_data(&mut header, path, file.take(there.len()))
            .map_err(at())?;
        Ok(false)
    }
}

fn header(there: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(there.mode() & 0o777);
    header.set_mtime(u64::try_from(there.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Lets the owner in, which a build may have forgotten. Root needs no such favour.
fn make_readable(path: &Path, bits: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::symlink_metadata(path)?.mode() & 0o777;
    if mode & bits == bits {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode | bits))
}

/// Writes the tar in the gzip `file` to `out` as archives are kept; the comment in the gzip's
/// header comes with it.
pub(super) fn recompress<W: Write>(
    file: File,
    limit: Limits,
    out: W,
) -> Result<(W, Option<Vec<u8>>), BlobError> {
    let damaged = |error: io::Error| {
        BlobError::Refused(format!(
            "the droplet is not a tar compressed with gzip, or a damaged one: {error}"
        ))
    };
    let limits = limits(limit);
    let most = unpacked(limits);
    let mut decoder = flate2::read::GzDecoder::new(BufReader::new(file));
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(damaged)?;
    let copied = io::copy(&mut (&mut decoder).take(most + 1), &mut encoder).map_err(damaged)?;
    if copied > most {
        return Err(BlobError::too_large("the droplet", limits.unpacked));
    }
    let comment = decoder.header().and_then(|header| header.comment());
    let comment = comment.map(<[u8]>::to_vec);
    let out = encoder.finish().map_err(damaged)?;
    Ok((out, comment))
}

/// Most bytes of a tar.
const fn unpacked(limits: Limits) -> u64 {
    // Headers and padding take up to some 1.5 KiB an entry beside the content.
    limits
        .unpacked
        .saturating_add(limits.entries.saturating_mul(1536))
}

/// Unpacks the archive `file`, whose digest is `sha256`, into an empty folder.
pub(super) fn unpack(
    file: File,
    sha256: &str,
    into: &Path,
    limit: Limits,
    owner: Option<u32>,
) -> Result<(), BlobError> {
    let damaged = |error: io::Error| {
        BlobError::Refused(format!(
            "the droplet is not a compressed tar, or a damaged one: {error}"
        ))
    };
    let limits = limits(limit);
    let mut plant = Plant::new(into, Origin::Droplet, limits, owner)?;
    let hashing = Hashing::new(BufReader::new(file));
    let decoder = zstd::Decoder::new(hashing).map_err(damaged)?;
    let mut archive = tar::Archive::new(decoder.take(unpacked(limits)));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = OsStr::from_bytes(&entry.path_bytes()).to_owned();
        let mode = entry.header().mode().map_err(damaged)?;
        let target = entry
            .link_name_bytes()
            .map(|it| OsStr::from_bytes(&it).to_owned());
        match entry.header().entry_type() {
            EntryType::Directory => plant.folder(&name, mode)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mtime = entry.header().mtime().map_err(damaged)?;
                let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(mtime));
                plant.file(&name, Look { mode, modified }, &mut entry)?;
            }
            EntryType::Symlink => {
                plant.link(&name, Path::new(target.as_deref().unwrap_or_default()))?;
            }
            EntryType::Link => plant.hard_link(&name, target.as_deref().unwrap_or_default())?,
            EntryType::XGlobalHeader => {}
            _ => {
                return Err(
                    Origin::Droplet.refuse(&name, "is neither a file nor a folder nor a link")
                );
            }
        }
    }
    plant.finish()?;
    let mut hashing = archive.into_inner().into_inner().finish();
    io::copy(&mut hashing, &mut io::sink()).map_err(damaged)?;
    let (_, found, _) = hashing.into_inner().finish();
    if found != sha256 {
        return Err(BlobError::Refused(format!(
            "the archive of the droplet is damaged: its digest is {found} and should be {sha256}"
        )));
    }
    Ok(())
}

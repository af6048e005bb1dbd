//! What is done to files by their paths.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, symlink},
    },
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::unistd::{Gid, Uid};

use super::packet::Attributes;

/// The bits that a client may set.
const MODE: u32 = 0o7777;

/// What comes of a request.
pub(super) enum Outcome {
    Done,
    End,
    /// It is not known what is wanted.
    Unknown,
    Refused(io::Error),
    Handle(u32),
    Data(Vec<u8>),
    Attributes(Metadata),
    Names(Vec<Name>),
}

/// A name, with what is known of the file.
pub(super) struct Name {
    pub(super) name: Vec<u8>,
    /// As `ls -l` would show it.
    pub(super) long: Vec<u8>,
    pub(super) found: Option<Metadata>,
}

impl Name {
    fn path(path: &Path) -> Outcome {
        let name = path.as_os_str().as_bytes().to_vec();
        Outcome::Names(vec![Self {
            long: name.clone(),
            name,
            found: None,
        }])
    }

    /// The name of something in a folder.
    pub(super) fn entry(name: &[u8], found: Option<Metadata>) -> Self {
        let mut long = found.as_ref().map(line).unwrap_or_default().into_bytes();
        long.extend(name);
        Self {
            name: name.to_vec(),
            long,
            found,
        }
    }
}

/// What `ls -l` shows before the name; times in seconds since the epoch, since nobody here knows
/// the client's time zone.
fn line(found: &Metadata) -> String {
    let kind = match found.file_type() {
        kind if kind.is_dir() => 'd',
        kind if kind.is_symlink() => 'l',
        kind if kind.is_fifo() => 'p',
        kind if kind.is_socket() => 's',
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => '-',
    };
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        let bits = found.mode() >> shift;
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if bits & bit == 0 { '-' } else { letter });
        }
    }
    let (links, uid, gid) = (found.nlink(), found.uid(), found.gid());
    let (size, time) = (found.size(), found.mtime());
    format!("{text} {links:>4} {uid:<8} {gid:<8} {size:>8} {time} ")
}

pub(super) fn stat(path: &Path, follow: bool) -> io::Result<Outcome> {
    let found = if follow {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    found.map(Outcome::Attributes)
}

/// Gives an open file attributes.
pub(super) fn set_open(file: &fs::File, wanted: &Attributes) -> io::Result<()> {
    if let Some(size) = wanted.size {
        file.set_len(size)?;
    }
    if let Some(permissions) = wanted.permissions {
        file.set_permissions(Permissions::from_mode(permissions & MODE))?;
    }
    if let Some((uid, gid)) = wanted.owner {
        nix::unistd::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    if let Some((accessed, modified)) = wanted.times {
        let at = |seconds: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
        let times = fs::FileTimes::new()
            .set_accessed(at(accessed))
            .set_modified(at(modified));
        file.set_times(times)?;
    }
    Ok(())
}

/// Gives what is at `path` attributes.
pub(super) fn set(path: &Path, wanted: &Attributes) -> io::Result<Outcome> {
    if let Some(size) = wanted.size {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        file.set_len(size)?;
    }
    if let Some(permissions) = wanted.permissions {
        fs::set_permissions(path, Permissions::from_mode(permissions & MODE))?;
    }
    if let Some((uid, gid)) = wanted.owner {
        nix::unistd::chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    if let Some((accessed, modified)) = wanted.times {
        use nix::sys::{
            stat::{UtimensatFlags, utimensat},
            time::TimeSpec,
        };
        let spec = |seconds: u32| TimeSpec::new(i64::from(seconds), 0);
        let (accessed, modified) = (spec(accessed), spec(modified));
        let flags = UtimensatFlags::FollowSymlink;
        utimensat(nix::fcntl::AT_FDCWD, path, &accessed, &modified, flags)?;
    }
    Ok(Outcome::Done)
}

pub(super) fn remove(path: &Path) -> io::Result<Outcome> {
    fs::remove_file(path).map(|()| Outcome::Done)
}

pub(super) fn make_folder(path: &Path, wanted: &Attributes) -> io::Result<Outcome> {
    let mode = wanted.permissions.map_or(0o777, |mode| mode & MODE);
    let made = fs::DirBuilder::new().mode(mode).create(path);
    made.map(|()| Outcome::Done)
}

pub(super) fn remove_folder(path: &Path) -> io::Result<Outcome> {
    fs::remove_dir(path).map(|()| Outcome::Done)
}

/// As the draft wants it, nothing that is there is replaced, unless asked to.
pub(super) fn rename(from: &Path, to: &Path, replace: bool) -> io::Result<Outcome> {
    if !replace && fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to).map(|()| Outcome::Done)
}

pub(super) fn link(target: &Path, link: &Path, symbolic: bool) -> io::Result<Outcome> {
    let made = if symbolic {
        symlink(target, link)
    } else {
        fs::hard_link(target, link)
    };
    made.map(|()| Outcome::Done)
}

pub(super) fn read_link(path: &Path) -> io::Result<Outcome> {
    fs::read_link(path).map(|target| Name::path(&target))
}

/// The absolute path; one that does not exist is made absolute by its words alone, since clients
/// ask before they create.
pub(super) fn real_path(path: &Path) -> io::Result<Outcome> {
    let found = fs::canonicalize(path).or_else(|_| {
        let whole = std::env::current_dir()?.join(path);
        let mut plain = PathBuf::from("/");
        for part in whole.components() {
            match part {
                Component::Normal(name) => plain.push(name),
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        io::Result::Ok(plain)
    })?;
    Ok(Name::path(&found))
}

/// The absolute path of one that may begin with `~`, the home, which is where the process began.
pub(super) fn expand(path: &Path) -> io::Result<Outcome> {
    match path.strip_prefix("~") {
        Ok(rest) => real_path(&Path::new(".").join(rest)),
        Err(_) if path.as_os_str().as_bytes().starts_with(b"~") => {
            Err(io::Error::other("no such user"))
        }
        Err(_) => real_path(path),
    }
}

//! Making files, folders, links and whiteouts in the folder of a layer.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, open, openat2, statat,
    symlinkat, unlinkat, utimensat,
};

use super::{
    Budget, Owners,
    entry::{Entry, Kind},
    name::{MAX_NAME, path_of, refuse},
};
use crate::images::{ImageError, error::quoted};

/// Bytes of the names of all folders, which are kept in memory until the end. A large image has
/// some 2 MB of them.
const MAX_FOLDERS: usize = 32 << 20;
/// Longest text of a link (`PATH_MAX`).
const MAX_TARGET: usize = 4096;
/// The highest id inside; files of others become nobody's.
const NOBODY: u32 = 65_534;
/// Extended attributes of one entry, and bytes of one (`XATTR_SIZE_MAX` is 64 KiB).
const MAX_XATTRS: usize = 64;
const MAX_XATTR: usize = 64 * 1024;
/// Where a layer says that something below it is gone.
const WHITEOUT: &[u8] = b".wh.";
/// Where it says that of everything in a folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What AUFS kept for itself.
const RESERVED: &[u8] = b".wh..wh.";
/// How overlayfs marks a folder that hides what is below it, with `userxattr`.
const OPAQUE_XATTR: &str = "user.overlay.opaque";

/// Neither out of the folder, nor through a link, nor to another file system.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The folder of a layer in the making.
pub(super) struct Plant {
    root: OwnedFd,
    owners: Owners,
    budget: Budget,
    entries: u64,
    /// Folders that were told of, and how they shall be in the end.
    folders: BTreeMap<PathBuf, Look>,
    /// Bytes of their names.
    names: usize,
    /// The folder of the last entry: most of its neighbours lie beside it.
    last: Option<(PathBuf, OwnedFd)>,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: u64,
}

impl Look {
    fn of(entry: &Entry) -> Self {
        let id = |id: u64| u32::try_from(id).map_or(NOBODY, |id| id.min(NOBODY));
        Self {
            mode: entry.mode,
            uid: id(entry.uid),
            gid: id(entry.gid),
            mtime: entry.mtime,
        }
    }

    fn times(self) -> Timestamps {
        let time = Timespec {
            tv_sec: i64::try_from(self.mtime).unwrap_or(0),
            tv_nsec: 0,
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }
}

fn failed(name: &OsStr) -> impl FnOnce(rustix::io::Errno) -> ImageError + '_ {
    move |errno| {
        let what = format!("unpack {:?} of a layer", quoted(&name.to_string_lossy()));
        ImageError::io(what)(errno.into())
    }
}

impl Plant {
    pub(super) fn new(into: &Path, owners: Owners, budget: Budget) -> Result<Self, ImageError> {
        let root = open(into, FOLDER | OFlags::RDONLY, Mode::empty())
            .map_err(|errno| ImageError::at("open", into)(errno.into()))?;
        Ok(Self {
            root,
            owners,
            budget,
            entries: 0,
            folders: BTreeMap::new(),
            names: 0,
            last: None,
            buffer: vec![0; 128 * 1024],
        })
    }

    /// Makes what `entry` says.
    pub(super) fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), ImageError> {
        self.entries += 1;
        if self.entries > self.budget.entries {
            return Err(self.budget.too_many_entries());
        }
        let Some((parent, name)) = path_of(&entry.name)? else {
            // The root itself: what it is like, the instance decides.
            return Ok(());
        };
        if name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(entry, &parent, &name);
        }
        if let Kind::Other(kind) = &entry.kind {
            // The platform has its own /dev, so nobody misses what old base images have there.
            if parent.starts_with("dev") {
                return Ok(());
            }
            return Err(refuse(
                &entry.name,
                format!(
                    "is a device or something unknown ({:?})",
                    kind.as_byte() as char
                ),
            ));
        }
        let folder = self.parent(&entry.name, &parent)?;
        let outcome = self.make(entry, folder.as_fd(), (&parent, &name), content);
        self.last = Some((parent, folder));
        outcome
    }

    fn make(
        &mut self,
        entry: &Entry,
        folder: BorrowedFd<'_>,
        (parent, name): (&Path, &OsStr),
        content: &mut dyn Read,
    ) -> Result<(), ImageError> {
        let look = Look::of(entry);
        if entry.kind == Kind::Folder {
            return self.folder(entry, folder, (parent, name), look);
        }
        if let Kind::HardLink(target) = &entry.kind {
            return self.hard_link(entry, folder, name, target);
        }
        self.clear(&entry.name, folder, name)?;
        let failed = || failed(&entry.name);
        match &entry.kind {
            Kind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let file = openat2(folder, name, flags, Mode::RUSR | Mode::WUSR, INSIDE)
                    .map_err(failed())?;
                let mut file = File::from(file);
                self.copy(&entry.name, content, &mut file)?;
                self.xattrs(entry, file.as_fd())?;
                // A change of owner clears bits of the mode, so that comes first.
                if self.owners == Owners::Kept {
                    let (uid, gid) = ids(look);
                    fchown(&file, uid, gid).map_err(failed())?;
                }
                fchmod(&file, Mode::from_raw_mode(look.mode & 0o777)).map_err(failed())?;
                futimens(&file, &look.times()).map_err(failed())
            }
            Kind::Link(target) => {
                let length = target.len();
                if length == 0 || length > MAX_TARGET || target.as_bytes().contains(&0) {
                    return Err(refuse(&entry.name, "is a link to nowhere"));
                }
                symlinkat(target, folder, name).map_err(failed())?;
                self.dress_unopened(entry, folder, name, look)
            }
            Kind::Fifo => {
                let mode = Mode::from_raw_mode(look.mode & 0o777);
                mknodat(folder, name, FileType::Fifo, mode, 0).map_err(failed())?;
                self.dress_unopened(entry, folder, name, look)
            }
            Kind::Folder | Kind::HardLink(_) | Kind::Other(_) => Ok(()),
        }
    }

    fn dress_unopened(
        &self,
        entry: &Entry,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        look: Look,
    ) -> Result<(), ImageError> {
        if self.owners == Owners::Kept {
            let (uid, gid) = ids(look);
            chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed(&entry.name))?;
        }
        utimensat(folder, name, &look.times(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed(&entry.name))
    }

    fn copy(
        &mut self,
        name: &OsStr,
        content: &mut dyn Read,
        file: &mut File,
    ) -> Result<(), ImageError> {
        loop {
            let read = content
                .read(&mut self.buffer)
                .map_err(|error| refuse(name, format!("cannot be unpacked: {error}")))?;
            if read == 0 {
                return Ok(());
            }
            file.write_all(&self.buffer[..read]).map_err(|error| {
                let what = format!("unpack {:?} of a layer", quoted(&name.to_string_lossy()));
                ImageError::io(what)(error)
            })?;
        }
    }

    /// Keeps the attributes of users; all others mean something to the kernel.
    fn xattrs(&self, entry: &Entry, of: BorrowedFd<'_>) -> Result<(), ImageError> {
        let kept = |name: &str| name.starts_with("user.") && !name.starts_with("user.overlay.");
        if entry.xattrs.len() > MAX_XATTRS {
            return Err(refuse(&entry.name, "has too many attributes"));
        }
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| kept(name)) {
            if name.len() > MAX_NAME || name.contains('\0') || value.len() > MAX_XATTR {
                return Err(refuse(&entry.name, "has too large an attribute"));
            }
            match fsetxattr(of, name.as_str(), value, XattrFlags::empty()) {
                // What the file system has no room or no place for was never vital.
                Ok(()) | Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOSPC) => {}
                Err(errno) => return Err(failed(&entry.name)(errno)),
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        entry: &Entry,
        folder: BorrowedFd<'_>,
        (parent, name): (&Path, &OsStr),
        look: Look,
    ) -> Result<(), ImageError> {
        let there = kind_at(folder, name).map_err(failed(&entry.name))?;
        if there != Some(FileType::Directory) {
            // What a whiteout hides stays hidden below the new folder.
            let hides = there == Some(FileType::CharacterDevice);
            self.clear(&entry.name, folder, name)?;
            mkdirat(folder, name, Mode::RWXU).map_err(failed(&entry.name))?;
            if hides {
                self.opaque(&entry.name, &parent.join(name))?;
            }
        }
        let made = openat2(folder, name, FOLDER | OFlags::RDONLY, Mode::empty(), INSIDE)
            .map_err(failed(&entry.name))?;
        self.xattrs(entry, made.as_fd())?;
        self.remember(&entry.name, parent.join(name), look)
    }

    /// Keeps how a folder shall be in the end.
    fn remember(&mut self, entry: &OsStr, path: PathBuf, look: Look) -> Result<(), ImageError> {
        let length = path.as_os_str().len();
        if self.folders.insert(path, look).is_none() {
            self.names += length;
        }
        if self.names > MAX_FOLDERS {
            return Err(refuse(entry, "is one of too many folders with long names"));
        }
        Ok(())
    }

    /// The target is a name of this layer as well. Its parents may not be links either.
    fn hard_link(
        &mut self,
        entry: &Entry,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        target: &OsStr,
    ) -> Result<(), ImageError> {
        let absent = || refuse(&entry.name, "is a hard link to something that is not there");
        let (parent, other) = path_of(target)?.ok_or_else(absent)?;
        let beside = self.open_folder(&parent).map_err(|_| absent())?;
        match kind_at(beside.as_fd(), &other).map_err(failed(&entry.name))? {
            Some(FileType::RegularFile | FileType::Symlink | FileType::Fifo) => {}
            _ => return Err(absent()),
        }
        // Its own name: nothing to do, and clearing it first would lose it.
        let same = |one: BorrowedFd<'_>, name: &OsStr| {
            statat(one, name, AtFlags::SYMLINK_NOFOLLOW).map(|found| (found.st_dev, found.st_ino))
        };
        if let (Ok(one), Ok(two)) = (same(folder, name), same(beside.as_fd(), &other))
            && one == two
        {
            return Ok(());
        }
        self.clear(&entry.name, folder, name)?;
        linkat(&beside, &other, folder, name, AtFlags::empty()).map_err(failed(&entry.name))
    }

    /// Takes away what an earlier entry made under this name: the later one counts.
    fn clear(&self, entry: &OsStr, folder: BorrowedFd<'_>, name: &OsStr) -> Result<(), ImageError> {
        match kind_at(folder, name).map_err(failed(entry))? {
            None => Ok(()),
            Some(FileType::Directory) => Err(refuse(
                entry,
                "is there twice, once as a folder and once not",
            )),
            Some(_) => unlinkat(folder, name, AtFlags::empty()).map_err(failed(entry)),
        }
    }

    fn whiteout(&mut self, entry: &Entry, parent: &Path, name: &OsStr) -> Result<(), ImageError> {
        let bytes = name.as_bytes();
        if bytes == OPAQUE {
            drop(self.parent(&entry.name, parent)?);
            return self.opaque(&entry.name, parent);
        }
        if bytes.starts_with(RESERVED) {
            return Ok(());
        }
        let hidden = OsStr::from_bytes(&bytes[WHITEOUT.len()..]);
        if matches!(hidden.as_bytes(), b"" | b"." | b"..") {
            return Err(refuse(&entry.name, "hides something that has no name"));
        }
        let folder = self.parent(&entry.name, parent)?;
        match kind_at(folder.as_fd(), hidden).map_err(failed(&entry.name))? {
            None => {
                mknodat(&folder, hidden, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(failed(&entry.name))?;
            }
            // Made by this layer, and so not what is hidden; but what lies below it is.
            Some(FileType::Directory) => self.opaque(&entry.name, &parent.join(hidden))?,
            Some(_) => {}
        }
        self.last = Some((parent.to_owned(), folder));
        Ok(())
    }

    fn opaque(&self, entry: &OsStr, folder: &Path) -> Result<(), ImageError> {
        let folder = self.open_folder(folder).map_err(failed(entry))?;
        fsetxattr(&folder, OPAQUE_XATTR, b"y", XattrFlags::empty()).map_err(failed(entry))
    }

    fn open_folder(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        openat2(
            &self.root,
            path,
            FOLDER | OFlags::RDONLY,
            Mode::empty(),
            INSIDE,
        )
    }

    /// The folder that an entry is in, made where nothing told of it.
    fn parent(&mut self, entry: &OsStr, path: &Path) -> Result<OwnedFd, ImageError> {
        if let Some((last, folder)) = self.last.take()
            && last == path
        {
            return Ok(folder);
        }
        match self.open_folder(path) {
            Ok(folder) => return Ok(folder),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(errno) => return Err(not_a_folder(entry, errno)),
        }
        let mut open = self.open_folder(Path::new("")).map_err(failed(entry))?;
        let mut below = PathBuf::new();
        for part in path {
            below.push(part);
            let there = kind_at(open.as_fd(), part).map_err(failed(entry))?;
            // What a whiteout hides stays hidden below the new folder.
            let hides = there == Some(FileType::CharacterDevice);
            if hides {
                self.clear(entry, open.as_fd(), part)?;
            }
            if hides || there.is_none() {
                mkdirat(&open, part, Mode::RWXU).map_err(failed(entry))?;
                let look = Look {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                    mtime: 0,
                };
                self.remember(entry, below.clone(), look)?;
            }
            if hides {
                self.opaque(entry, &below)?;
            }
            open = openat2(&open, part, FOLDER | OFlags::RDONLY, Mode::empty(), INSIDE)
                .map_err(|errno| not_a_folder(entry, errno))?;
        }
        Ok(open)
    }

    /// Gives folders their looks; how many entries there were.
    pub(super) fn finish(self) -> Result<u64, ImageError> {
        // The innermost first, since the outer one's owner may shut us out.
        for (path, look) in self.folders.iter().rev() {
            let mode = match self.owners {
                Owners::Kept => look.mode & 0o1777,
                // A folder that its owner cannot enter could not be removed either.
                Owners::Own => (look.mode & 0o1777) | 0o700,
            };
            let folder = self.open_folder(path).map_err(failed(path.as_os_str()))?;
            let dressed = || {
                if self.owners == Owners::Kept {
                    let (uid, gid) = ids(*look);
                    fchown(&folder, uid, gid)?;
                }
                fchmod(&folder, Mode::from_raw_mode(mode))?;
                futimens(&folder, &look.times())
            };
            dressed().map_err(failed(path.as_os_str()))?;
        }
        Ok(self.entries)
    }
}

fn not_a_folder(entry: &OsStr, errno: rustix::io::Errno) -> ImageError {
    match errno {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR | rustix::io::Errno::XDEV => refuse(
            entry,
            "lies below something of the same layer that is a link or a file",
        ),
        errno => failed(entry)(errno),
    }
}

fn ids(look: Look) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(look.uid)), Some(Gid::from_raw(look.gid)))
}

/// What is under `name`, links not followed.
fn kind_at(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Option<FileType>> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

//! Making files, folders and links in a folder out of what an archive says.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{PermissionsExt, fchown, lchown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, Permissions},
};

use super::{
    BlobError, Limits,
    name::{self, Origin},
};

/// Longest text of a link (`PATH_MAX`).
pub(super) const MAX_TARGET: u64 = 4096;
const BUFFER: usize = 64 * 1024;

/// A folder that an archive is unpacked into.
///
/// Links are made last, so that nothing can be written through one; and everything goes
/// through a handle on the folder that does not lead out of it even if that failed.
#[derive(Debug)]
pub(super) struct Plant<'a> {
    root: &'a Path,
    /// None where everything is only looked at.
    dir: Option<Dir>,
    origin: Origin,
    limits: Limits,
    owner: Option<u32>,
    entries: u64,
    bytes: u64,
    folders: BTreeMap<PathBuf, u32>,
    files: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    buffer: Vec<u8>,
}

/// What a file is besides its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Permission bits, and perhaps more, which is ignored.
    pub(super) mode: u32,
    pub(super) modified: Option<SystemTime>,
}

impl<'a> Plant<'a> {
    pub(super) fn new(
        root: &'a Path,
        origin: Origin,
        limits: Limits,
        owner: Option<u32>,
    ) -> Result<Self, BlobError> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())
            .map_err(BlobError::at("open", root))?;
        Ok(Self {
            root,
            dir: Some(dir),
            owner,
            ..Self::nowhere(origin, limits)
        })
    }

    /// One that makes nothing and refuses what any other would.
    pub(super) fn nowhere(origin: Origin, limits: Limits) -> Self {
        Self {
            root: Path::new(""),
            dir: None,
            origin,
            limits,
            owner: None,
            entries: 0,
            bytes: 0,
            folders: BTreeMap::new(),
            files: BTreeSet::new(),
            links: BTreeMap::new(),
            buffer: vec![0; BUFFER],
        }
    }

    /// Whether there is an entry of this name.
    pub(super) fn has(&self, name: &OsStr) -> bool {
        name::entry_path(name, self.origin)
            .ok()
            .flatten()
            .is_some_and(|path| self.files.contains(&path) || self.links.contains_key(&path))
    }

    /// How many entries there were.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The path for an entry; none where it is the folder itself.
    fn enter(&mut self, name: &OsStr) -> Result<Option<PathBuf>, BlobError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(BlobError::TooLarge {
                what: match self.origin {
                    Origin::Package => "the number of files in the package",
                    Origin::Droplet => "the number of files in the droplet",
                },
                limit: self.limits.entries.to_string(),
            });
        }
        name::entry_path(name, self.origin)
    }

    fn write_error<'p>(&self, path: &'p Path) -> impl FnOnce(io::Error) -> BlobError + 'p {
        let origin = self.origin;
        move |error| BlobError::io(format!("unpack {path:?} of the {}", origin.as_str()))(error)
    }

    /// Refuses a second entry of the same name, and one below something that is no folder.
    fn claim(&mut self, name: &OsStr, path: &Path) -> Result<(), BlobError> {
        if self.files.contains(path)
            || self.folders.contains_key(path)
            || self.links.contains_key(path)
        {
            return Err(self.origin.refuse(name, "is there twice"));
        }
        if let Some(parent) = path.parent() {
            self.make_folder(name, parent)?;
        }
        Ok(())
    }

    fn make_folder(&mut self, name: &OsStr, path: &Path) -> Result<(), BlobError> {
        if path.as_os_str().is_empty() || self.folders.contains_key(path) {
            return Ok(());
        }
        if self.files.contains(path) || self.links.contains_key(path) {
            return Err(self
                .origin
                .refuse(name, "lies below something that is no folder"));
        }
        if let Some(parent) = path.parent() {
            self.make_folder(name, parent)?;
        }
        if let Some(dir) = &self.dir {
            dir.create_dir(path).map_err(self.write_error(path))?;
        }
        self.folders.insert(path.to_owned(), 0);
        Ok(())
    }

    /// Makes a folder.
    pub(super) fn folder(&mut self, name: &OsStr, mode: u32) -> Result<(), BlobError> {
        let Some(path) = self.enter(name)? else {
            return Ok(());
        };
        self.make_folder(name, &path)?;
        self.folders.insert(path, mode);
        Ok(())
    }

    /// Makes a file of what `content` gives.
    pub(super) fn file(
        &mut self,
        name: &OsStr,
        look: Look,
        mut content: impl Read,
    ) -> Result<(), BlobError> {
        let Some(path) = self.enter(name)? else {
            return Err(self
                .origin
                .refuse(name, "is a file in the place of the app's folder"));
        };
        self.claim(name, &path)?;
        let mut file = self.create(&path).map_err(self.write_error(&path))?;
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let read = content.read(&mut buffer).map_err(|error| {
                self.origin
                    .refuse(name, &format!("cannot be unpacked: {error}"))
            })?;
            if read == 0 {
                break;
            }
            self.count(read as u64)?;
            if let Some(file) = &mut file {
                file.write_all(&buffer[..read])
                    .map_err(self.write_error(&path))?;
            }
        }
        self.buffer = buffer;
        let mode = match look.mode & 0o777 {
            0 => 0o644,
            mode => mode,
        };
        let dressed = || {
            let Some(file) = &file else { return Ok(()) };
            if let Some(modified) = look.modified {
                file.set_modified(modified)?;
            }
            if let Some(owner) = self.owner {
                fchown(file, Some(owner), Some(owner))?;
            }
            file.set_permissions(fs::Permissions::from_mode(mode))
        };
        dressed().map_err(self.write_error(&path))?;
        self.files.insert(path);
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Option<fs::File>> {
        let Some(dir) = &self.dir else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        Ok(Some(dir.open_with(path, &options)?.into_std()))
    }

    fn count(&mut self, bytes: u64) -> Result<(), BlobError> {
        self.bytes += bytes;
        if self.bytes > self.limits.unpacked {
            let what = match self.origin {
                Origin::Package => "the unpacked package",
                Origin::Droplet => "the unpacked droplet",
            };
            return Err(BlobError::too_large(what, self.limits.unpacked));
        }
        Ok(())
    }

    /// Makes a link later, when everything else is there.
    pub(super) fn link(&mut self, name: &OsStr, target: &Path) -> Result<(), BlobError> {
        let Some(path) = self.enter(name)? else {
            return Err(self
                .origin
                .refuse(name, "is a link in the place of the app's folder"));
        };
        if target.as_os_str().is_empty() || target.as_os_str().len() as u64 > MAX_TARGET {
            return Err(self.origin.refuse(name, "is a link to nowhere"));
        }
        self.claim(name, &path)?;
        self.links.insert(path, target.to_owned());
        Ok(())
    }

    /// Makes another name for a file that is already there.
    pub(super) fn hard_link(&mut self, name: &OsStr, target: &OsStr) -> Result<(), BlobError> {
        let path = self.enter(name)?;
        let target = name::entry_path(target, self.origin)?;
        let (Some(path), Some(target)) = (path, target) else {
            return Err(self.origin.refuse(name, "is a link to a folder"));
        };
        if !self.files.contains(&target) {
            return Err(self
                .origin
                .refuse(name, "is a hard link to something that is not there"));
        }
        self.claim(name, &path)?;
        if let Some(dir) = &self.dir {
            dir.hard_link(&target, dir, &path)
                .map_err(self.write_error(&path))?;
        }
        self.files.insert(path);
        Ok(())
    }

    /// Makes the links, and gives folders their looks.
    pub(super) fn finish(self) -> Result<(), BlobError> {
        // A droplet's links may lead anywhere: a virtual environment's lead to the host's
        // Python. They are followed inside the sandbox only.
        if self.origin == Origin::Package
            && let Some(link) = name::first_escape(&self.links)
        {
            let target = self
                .links
                .get(link)
                .map(|target| target.display().to_string());
            let why = format!(
                "leaves the app's folder: it is a link to {:?}",
                target.unwrap_or_default()
            );
            return Err(self.origin.refuse(link.as_os_str(), &why));
        }
        let Some(dir) = &self.dir else { return Ok(()) };
        for (path, target) in &self.links {
            let made = || {
                dir.symlink_contents(target, path)?;
                self.give(path)
            };
            made().map_err(self.write_error(path))?;
        }
        // The innermost first, since the outer one's owner may shut us out.
        for (path, mode) in self.folders.iter().rev() {
            let mode = match mode & 0o777 {
                0 => 0o755,
                // A folder that its owner cannot enter could not be removed either.
                mode => mode | 0o700,
            };
            let dressed = || {
                let mode = fs::Permissions::from_mode(mode);
                dir.set_permissions(path, Permissions::from_std(mode))?;
                self.give(path)
            };
            dressed().map_err(self.write_error(path))?;
        }
        self.give(Path::new(""))
            .map_err(BlobError::at("change the owner of", self.root))
    }

    /// Gives a folder or link that was made here to the owner.
    fn give(&self, path: &Path) -> io::Result<()> {
        match self.owner {
            Some(owner) => lchown(self.root.join(path), Some(owner), Some(owner)),
            None => Ok(()),
        }
    }
}

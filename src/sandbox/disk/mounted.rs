//! File systems in images, mounted nowhere.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use nix::{errno::Errno, libc, sys::statvfs};

use crate::sandbox::{Image, sys};

/// The folder of an image that is seen as a writable home.
pub const BUILT: &str = "built";

/// Others may take the free device first, so often.
const TRIES: usize = 64;

/// A file system in an image. It is seen nowhere: who has this may go into it by
/// [`Mounted::path`]. Dropping it blocks on the disk, where it is the last.
#[derive(Debug)]
pub struct Mounted {
    root: OwnedFd,
    device: PathBuf,
}

/// How full a file system is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are taken.
    pub used: u64,
    /// Bytes that are free.
    pub free: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

impl Space {
    /// Of the file system that `path` is on.
    pub(in crate::sandbox) fn at(path: &Path) -> io::Result<Self> {
        Ok(statvfs::statvfs(path)?.into())
    }

    /// Whether next to nothing more can be written. A write of a megabyte that does not fit
    /// leaves up to as much free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let little = ((self.used + self.free) / 64).min(4 << 20);
        self.free <= little || self.free_inodes == 0
    }
}

impl From<statvfs::Statvfs> for Space {
    fn from(told: statvfs::Statvfs) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(told.fragment_size());
        Self {
            used: bytes(told.blocks().saturating_sub(told.blocks_free())),
            free: bytes(told.blocks_available()),
            free_inodes: told.files_available(),
        }
    }
}

impl Mounted {
    /// Mounts the image `file`, which nobody else has.
    ///
    /// # Errors
    /// Where there is no loop device to be had, or the kernel does not mount it.
    pub fn attach(file: &Path) -> io::Result<Self> {
        let image = OpenOptions::new().read(true).write(true).open(file)?;
        let (device, path) = free_device(&image)?;
        Self::mount(&device, path)
    }

    /// Mounts what the spec names, which somebody else may have, too.
    pub(in crate::sandbox) fn join(image: &Image) -> io::Result<Self> {
        let Some(path) = &image.device else {
            return Self::attach(&image.file);
        };
        let device = OpenOptions::new().read(true).write(true).open(path)?;
        // As long as it is open here, it is not put to another use.
        let file = std::fs::metadata(&image.file)?;
        if sys::file_of_loop(device.as_fd())? != (file.dev(), file.ino()) {
            let what = format!("{} is not behind it any more", image.file.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        Self::mount(&device, path.clone())
    }

    /// `device` is open so that it is still what it was found to be.
    fn mount(_device: &File, path: PathBuf) -> io::Result<Self> {
        let source = CString::new(path.as_os_str().as_encoded_bytes())?;
        let options = [
            (c"source", Some(source.as_c_str())),
            // No image outlasts a crash, so nothing has to be on the disk at any moment.
            (c"nobarrier", None),
            // The tables are holes in the file, which are as good as zeros on the disk.
            (c"noinit_itable", None),
            // When the host's disk is full: this sandbox's trouble, and no other's.
            (c"errors", Some(c"remount-ro")),
        ];
        let attributes =
            libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOATIME;
        let root = sys::mount_nowhere(c"ext4", &options, attributes)?;
        Ok(Self { root, device: path })
    }

    /// The path of its root, for this process alone.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        // With the dot it is the folder also for who does not follow links.
        PathBuf::from(format!("/proc/self/fd/{}/.", self.root.as_raw_fd()))
    }

    /// The loop device.
    #[must_use]
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// How full it is.
    ///
    /// # Errors
    /// Never, as long as the kernel has it mounted.
    pub fn space(&self) -> io::Result<Space> {
        Ok(statvfs::fstatvfs(&self.root)?.into())
    }

    /// Gives what is free in it back to the host.
    ///
    /// # Errors
    /// Where the host's file system cannot have holes.
    pub fn trim(&self) -> io::Result<()> {
        sys::trim(self.root.as_fd())
    }

    /// Throws away what is in it and not on the disk yet, since nobody will read it: the image
    /// is removed next. Nothing can be written any more.
    pub fn abandon(&self) {
        // Where it is refused, the kernel writes for nothing.
        let _ = sys::abandon(self.root.as_fd());
    }

    pub(in crate::sandbox) fn into_root(self) -> OwnedFd {
        self.root
    }
}

impl AsFd for Mounted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Puts `image` behind a loop device.
fn free_device(image: &File) -> io::Result<(File, PathBuf)> {
    let open = |path: &Path| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map_err(|error| {
            io::Error::new(error.kind(), format!("open {}: {error}", path.display()))
        })
    };
    let control = open(Path::new("/dev/loop-control"))?;
    for _ in 0..TRIES {
        let path = PathBuf::from(format!("/dev/loop{}", sys::free_loop(control.as_fd())?));
        let device = open(&path)?;
        match sys::configure_loop(device.as_fd(), image.as_fd()) {
            Ok(()) => return Ok((device, path)),
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "every free loop device was taken by somebody else",
    ))
}

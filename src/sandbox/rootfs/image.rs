//! The root of an image: its layers on top of each other, a private writable one on top of
//! them, and what is the platform's own put into it.
//!
//! Whatever is in an image was made by somebody hostile. All this happens when the host's root
//! is out of sight already, so its symbolic links lead nowhere but inside; and where the
//! platform puts something, a link is replaced first, so that it stands where it should.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use nix::{
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{fchdir, pivot_root},
};

use super::{READ_ONLY, SandboxError, WRITABLE, attach, dev, etc, home, make_folder, mount_at};
use crate::sandbox::{Ids, Spec, image::ImageRoot, status::Doing, sys};

/// In the private folder: what the sandbox changes of the image.
pub(in crate::sandbox) const CHANGES: &str = "image";

/// Where things wait while the overlay is made.
const WAITING: &str = "/.private";
const LAYERS: &str = "/.layers";
const IMAGE: &str = "/.image";

/// Why an image cannot be shown with the ids of an app.
pub(in crate::sandbox) fn ids_reason(error: &io::Error) -> io::Error {
    let text = format!(
        "the image's files cannot be shown with the app's own ids ({error}); keep the platform's data on \
         ext4, xfs or btrfs, on a kernel from 5.19"
    );
    io::Error::new(error.kind(), text)
}

/// The layers, the lowest first; also where the shim could not take them: it has no right to,
/// with one id alone.
pub(super) fn gather(root: &ImageRoot, shown: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, SandboxError> {
    if !shown.is_empty() {
        return Ok(shown);
    }
    let take = |path: &PathBuf| {
        sys::open_tree(None, path, false)
            .doing(|| format!("take {} into the sandbox", path.display()))
    };
    root.layers.iter().map(take).collect()
}

/// Makes the folders of what the sandbox changes in `private`; `root` is the host's id for root
/// inside.
pub(in crate::sandbox) fn prepare(private: &Path, root: Option<u32>) -> io::Result<()> {
    for name in ["", "upper", "work"] {
        let path = private.join(CHANGES).join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        if let Some(root) = root {
            chown(&path, Some(root), Some(root))?;
        }
    }
    Ok(())
}

/// Exchanges the small root for that of the image; gives another hold on the private folder.
pub(super) fn enter(layers: &[OwnedFd], private: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    make_folder(Path::new(WAITING))?;
    attach(private, Path::new(WAITING), WRITABLE)
        .doing(|| "attach the private folder".to_owned())?;
    let mut lower = Vec::with_capacity(layers.len());
    for (number, layer) in layers.iter().enumerate() {
        let place = format!("{LAYERS}/{number}");
        make_folder(Path::new(&place))?;
        attach(layer, Path::new(&place), READ_ONLY)
            .doing(|| format!("attach layer {number} of the image"))?;
        lower.push(place);
    }
    lower.reverse();
    make_folder(Path::new(IMAGE))?;
    // userxattr: marks of the layers are kept in attributes that a user namespace may write.
    let options = format!(
        "lowerdir={},upperdir={WAITING}/{CHANGES}/upper,workdir={WAITING}/{CHANGES}/work,userxattr",
        lower.join(":")
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let (kind, options) = (Some("overlay"), Some(options.as_str()));
    mount(kind, IMAGE, kind, flags, options).doing(|| {
        "put the image's layers on top of each other (overlayfs in user namespaces takes a kernel from 5.11, \
         and ext4, xfs or btrfs below it)"
            .to_owned()
    })?;
    let take = |path: &str| {
        sys::open_tree(None, Path::new(path), true).doing(|| format!("take {path} along"))
    };
    let (proc, private) = (take("/proc")?, take(WAITING)?);
    let open = |path: &str| fs::File::open(path).doing(|| format!("open {path}"));
    let (old, new) = (open("/")?, open(IMAGE)?);
    fchdir(&new).doing(|| "go to the image's root".to_owned())?;
    // As when the host's root was left; the layers stay with the overlay alone.
    pivot_root(".", ".").doing(|| "change to the image's root".to_owned())?;
    fchdir(&old).doing(|| "go to the old root".to_owned())?;
    umount2(".", MntFlags::MNT_DETACH).doing(|| "leave the old root".to_owned())?;
    std::env::set_current_dir("/").doing(|| "go to the root".to_owned())?;
    folder("/proc", 0o555)?;
    let fixed = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    attach(&proc, Path::new("/proc"), fixed).doing(|| "attach /proc".to_owned())?;
    Ok(private)
}

/// Puts what is the platform's into the image's root.
pub(super) fn compose(
    spec: &Spec,
    sources: &super::Sources,
    private: &OwnedFd,
) -> Result<Vec<String>, SandboxError> {
    let none = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    folder("/sys", 0o555)?;
    mount_at("tmpfs", "/sys", none, "mode=755,size=64k,nr_inodes=64")?;
    super::cgroup::compose(&sources.groups)?;
    fix("/sys")?;
    folder("/dev", 0o755)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_at("tmpfs", "/dev", flags, "mode=755,size=64k,nr_inodes=128")?;
    dev::compose(spec.ids, &sources.devices)?;
    fix("/dev")?;
    super::proc::mask()?;
    folder("/etc", 0o755)?;
    for (name, text) in etc::of_image(spec) {
        file(&Path::new("/etc").join(name), &text)?;
    }
    for (target, piece) in &sources.etc {
        file(target, "")?;
        piece.attach(target, READ_ONLY)?;
    }
    if !Path::new("/tmp").is_dir() {
        folder("/tmp", 0o1777)?;
    }
    if spec.is_image() {
        make_folder(Path::new(&spec.cwd))?;
        return Ok(Vec::new());
    }
    folder("/home", 0o755)?;
    folder("/home/vcap", 0o755)?;
    home::compose(spec, &sources.home, private)
}

/// Makes what is mounted at `path` read-only.
pub(super) fn fix(path: &str) -> Result<(), SandboxError> {
    let open = fs::File::open(path).doing(|| format!("open {path}"))?;
    sys::mount_setattr(std::os::fd::AsFd::as_fd(&open), READ_ONLY, None, false)
        .doing(|| format!("make {path} read-only"))
}

/// A folder at `path`, in the place of whatever else is there.
fn folder(path: &str, mode: u32) -> Result<(), SandboxError> {
    let what = || format!("make {path} in the image's root");
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(path).doing(what)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(what),
    }
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .doing(what)
}

/// A new file at `path`, in the place of whatever else is there.
fn file(path: &Path, text: &str) -> Result<(), SandboxError> {
    let what = || format!("write {} in the image's root", path.display());
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.doing(what)?;
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o644).open(path);
    made.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .doing(what)
}

/// The host's id for root inside, where it is not our own.
pub(in crate::sandbox) const fn root(ids: Ids) -> Option<u32> {
    match ids {
        Ids::Range { first } => Some(first),
        Ids::Own => None,
    }
}

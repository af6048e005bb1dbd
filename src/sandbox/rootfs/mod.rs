//! The root that a sandbox sees, put together on a small tmpfs by init.
//!
//! Three steps, each needing another identity or place:
//! [`Sources::gather`] takes detached copies of everything from the host, while init still is
//! who started it and sees the host's files; [`enter`] makes the new root and leaves the old
//! one; [`compose`] attaches the copies, where symbolic links can lead nowhere but inside.

mod cgroup;
mod dev;
mod etc;
mod files;
mod home;
pub(super) mod image;
mod proc;
mod tree;

pub(super) use home::{PRIVATE, copy_reason, prepare};
pub(super) use tree::own;

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, symlink},
    },
    path::{Path, PathBuf},
};

use nix::{
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{fchdir, pivot_root},
};

use super::{Ids, SandboxError, Spec, cgroup::Group, status::Doing, sys};

/// The empty folder of the instance that the new root is mounted on.
pub(super) const ROOT: &str = "root";

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | WRITABLE;
const WRITABLE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Top-level folders of the host that hold programs; links into `/usr` on most hosts.
const SYSTEM: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// A part of the host, taken while it was in sight.
enum Piece {
    Folder(OwnedFd),
    File(OwnedFd),
    Link(PathBuf),
}

/// Everything of the host that is seen inside, not yet attached anywhere.
pub(super) struct Sources {
    system: Vec<(PathBuf, Piece)>,
    etc: Vec<(PathBuf, Piece)>,
    devices: Vec<(PathBuf, Piece)>,
    groups: Vec<(PathBuf, Piece)>,
    home: home::Home,
    /// The layers of an image, the lowest first; none for the host's programs.
    layers: Vec<OwnedFd>,
    private: OwnedFd,
    binds: Vec<(PathBuf, Piece, u64)>,
}

/// Parts that the shim has made ready, mounted nowhere yet.
#[derive(Default)]
pub(super) struct Parts {
    /// The home, with its owners shown as they are inside.
    pub(super) home: Option<OwnedFd>,
    /// The layers of an image, with their owners shown as they are inside.
    pub(super) layers: Vec<OwnedFd>,
    /// The sandbox's own disk.
    pub(super) disk: Option<OwnedFd>,
    /// The disks of the spec's volumes, in their order; none where one is a folder.
    pub(super) volumes: Vec<Option<OwnedFd>>,
    /// The control group, to be seen inside.
    pub(super) group: Option<Group>,
}

impl Parts {
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let volumes = self.volumes.iter().flatten();
        let all = self.home.iter().chain(&self.layers).chain(&self.disk);
        let all = all.chain(volumes);
        all.map(AsFd::as_fd)
    }
}

impl Sources {
    /// Takes them. The instance's folder is the working directory.
    pub(super) fn gather(spec: &Spec, parts: Parts) -> Result<Self, SandboxError> {
        let mut system = Vec::new();
        let host = spec.root.is_none().then_some(SYSTEM);
        for name in host.into_iter().flatten() {
            let path = Path::new("/").join(name);
            if let Some(piece) = Piece::take(&path, true)? {
                system.push((path, piece));
            }
        }
        let mut binds = Vec::new();
        for bind in &spec.binds {
            let piece = Piece::take(&bind.source, false)?
                .ok_or(io::ErrorKind::NotFound)
                .doing(|| format!("find {}", bind.source.display()))?;
            let attributes = if bind.writable { WRITABLE } else { READ_ONLY };
            binds.push((bind.target.clone(), piece, attributes));
        }
        for (volume, disk) in spec.volumes.iter().zip(parts.volumes) {
            let piece = match disk {
                Some(disk) => Some(Piece::Folder(disk)),
                None => Piece::take(&volume.source, false)?,
            };
            let piece = piece
                .ok_or(io::ErrorKind::NotFound)
                .doing(|| format!("find {}", volume.source.display()))?;
            binds.push((volume.target.clone(), piece, WRITABLE));
        }
        let private = match parts.disk {
            Some(disk) => disk,
            None => sys::open_tree(None, Path::new(PRIVATE), true)
                .doing(|| "take the instance's private folder".to_owned())?,
        };
        Ok(Self {
            system,
            etc: etc::gather(spec)?,
            devices: dev::gather()?,
            groups: cgroup::gather(parts.group.as_ref()),
            home: home::Home::gather(spec, parts.home)?,
            layers: match &spec.root {
                Some(root) => image::gather(root, parts.layers)?,
                None => Vec::new(),
            },
            private,
            binds,
        })
    }
}

impl Piece {
    /// What is at `path`; none where nothing is. A symbolic link is followed, or kept as one
    /// where `keep_link`.
    fn take(path: &Path, keep_link: bool) -> Result<Option<Self>, SandboxError> {
        let what = || format!("take {} into the sandbox", path.display());
        if keep_link && let Ok(target) = fs::read_link(path) {
            return Ok(Some(Self::Link(target)));
        }
        let folder = match fs::metadata(path) {
            Ok(found) => found.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(what),
        };
        let tree = sys::open_tree(None, path, true).doing(what)?;
        Ok(Some(if folder {
            Self::Folder(tree)
        } else {
            Self::File(tree)
        }))
    }

    /// Puts it at `target`, which is made where it does not exist.
    fn attach(&self, target: &Path, attributes: u64) -> Result<(), SandboxError> {
        let what = || format!("put {} into the sandbox", target.display());
        match self {
            Self::Folder(tree) => {
                make_folder(target)?;
                attach(tree, target, attributes).doing(what)
            }
            Self::File(tree) => {
                make_folder(target.parent().unwrap_or(target))?;
                if !target.exists() {
                    fs::write(target, "").doing(what)?;
                }
                attach(tree, target, attributes).doing(what)
            }
            Self::Link(to) => symlink(to, target).doing(what),
        }
    }
}

/// Attaches a detached mount, with attributes for it and all below it.
fn attach(tree: &OwnedFd, target: &Path, attributes: u64) -> io::Result<()> {
    sys::mount_setattr(tree.as_fd(), attributes, None, true)?;
    sys::move_mount(tree.as_fd(), None, target)
}

fn make_folder(path: &Path) -> Result<(), SandboxError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .doing(|| format!("make {} in the sandbox", path.display()))
}

/// Makes the new root and leaves the host's. Between its two halves `become_inside` changes
/// to the ids of the sandbox.
pub(super) fn enter(
    spec: &Spec,
    become_inside: impl FnOnce() -> Result<(), SandboxError>,
) -> Result<(), SandboxError> {
    let (uid, gid) = match spec.ids {
        Ids::Range { .. } => (0, 0),
        Ids::Own => (spec.user().uid, spec.user().gid),
    };
    let options = format!("mode=755,uid={uid},gid={gid},size=1m");
    mount_at(
        "tmpfs",
        ROOT,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        &options,
    )?;
    let open = |path: &str| fs::File::open(path).doing(|| format!("open {path}"));
    let (old, new) = (open("/")?, open(ROOT)?);
    fchdir(&new).doing(|| "go to the new root".to_owned())?;
    become_inside()?;
    // The kernel gives a user namespace a new /proc only while the old one is in sight.
    make_folder(Path::new("proc"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), flags, None::<&str>).doing(|| {
        "mount /proc in the sandbox (is part of the host's /proc hidden from the platform, as by a \
         container or by ProtectKernelTunables= of systemd?)"
            .to_owned()
    })?;
    // pivot_root(2): with both the same, the old root ends up on top of the new one.
    pivot_root(".", ".").doing(|| "change the root".to_owned())?;
    fchdir(&old).doing(|| "go to the old root".to_owned())?;
    umount2(".", MntFlags::MNT_DETACH).doing(|| "leave the old root".to_owned())?;
    std::env::set_current_dir("/").doing(|| "go to the root".to_owned())
}

/// Puts everything in its place and makes the root read-only. Returns what is weaker than it
/// should be.
pub(super) fn compose(spec: &Spec, sources: &Sources) -> Result<Vec<String>, SandboxError> {
    let weaker = if spec.root.is_some() {
        let private = image::enter(&sources.layers, &sources.private)?;
        image::compose(spec, sources, &private)?
    } else {
        compose_host(spec, sources)?
    };
    for (target, piece, attributes) in &sources.binds {
        piece.attach(target, *attributes)?;
    }
    if let Some(files) = &spec.files {
        files::compose(files)?;
    }
    // An image may be changed: what is written goes to the private layer.
    if !spec.is_image() {
        image::fix("/")?;
    }
    Ok(weaker)
}

fn compose_host(spec: &Spec, sources: &Sources) -> Result<Vec<String>, SandboxError> {
    for folder in [
        "/dev",
        "/etc",
        "/home/vcap",
        "/root",
        "/run",
        "/sys",
        "/tmp",
        "/var",
    ] {
        make_folder(Path::new(folder))?;
    }
    symlink("/tmp", "/var/tmp").doing(|| "make /var/tmp".to_owned())?;
    for (target, piece) in &sources.system {
        piece.attach(target, READ_ONLY)?;
    }
    etc::compose(spec, &sources.etc)?;
    dev::compose(spec.ids, &sources.devices)?;
    proc::mask()?;
    cgroup::compose(&sources.groups)?;
    home::compose(spec, &sources.home, &sources.private)
}

/// What the command may write to, devices left out.
pub(super) fn written(spec: &Spec) -> Vec<PathBuf> {
    // An image writes wherever its users may: its root is the private layer.
    let own: Vec<PathBuf> = if spec.is_image() {
        vec![PathBuf::from("/")]
    } else {
        ["/home/vcap", "/tmp", "/dev/shm"].map(PathBuf::from).into()
    };
    let binds = spec.binds.iter().filter(|bind| bind.writable);
    let binds = binds.map(|bind| bind.target.clone());
    let volumes = spec.volumes.iter().map(|volume| volume.target.clone());
    own.into_iter().chain(binds).chain(volumes).collect()
}

fn mount_at(kind: &str, target: &str, flags: MsFlags, options: &str) -> Result<(), SandboxError> {
    mount(Some(kind), target, Some(kind), flags, Some(options))
        .doing(|| format!("mount {kind} at {target} in the sandbox"))
}

/// Cuts this mount namespace off from the host's: nothing mounted here is seen there.
pub(super) fn private_mounts() -> Result<(), SandboxError> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .doing(|| "make the mounts private".to_owned())
}

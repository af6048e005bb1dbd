//! `/home/vcap` and the private, writable parts.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::Path,
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{SandboxError, WRITABLE, attach, make_folder, tree};
use crate::sandbox::{BUILT, Ids, Spec, VCAP, status::Doing, sys};

/// The private folder of the instance, where it has no disk of its own.
pub(in crate::sandbox) const PRIVATE: &str = "private";

const HOME: &str = "/home/vcap";

/// Where things wait while the overlay is made.
const WAITING: &str = "/.private";
const LOWER: &str = "/.lower";

pub(super) enum Home {
    Empty,
    /// A folder of the sandbox's own disk.
    Built,
    /// Bound as it is.
    Writable(OwnedFd),
    /// Seen below a private layer, or copied where its owners would be wrong.
    Layered {
        lower: OwnedFd,
        copy: bool,
    },
}

/// Why a home has to be copied: its owners cannot be shown as those inside.
pub(in crate::sandbox) fn copy_reason(error: &io::Error) -> String {
    format!(
        "the app's folder is copied for each instance, since its file system cannot show it with \
         other owners ({error}); a kernel from 5.19 with ext4, xfs or btrfs can"
    )
}

impl Home {
    pub(super) fn gather(spec: &Spec, shown: Option<OwnedFd>) -> Result<Self, SandboxError> {
        let Some(path) = &spec.home else {
            return Ok(Self::Empty);
        };
        if spec.home_writable && spec.has_image() {
            return Ok(Self::Built);
        }
        let take = || {
            sys::open_tree(None, path, true)
                .doing(|| format!("take {} into the sandbox", path.display()))
        };
        if spec.home_writable {
            return Ok(Self::Writable(take()?));
        }
        match (shown, spec.ids) {
            (Some(lower), _) => Ok(Self::Layered { lower, copy: false }),
            (None, Ids::Own) => Ok(Self::Layered {
                lower: take()?,
                copy: false,
            }),
            (None, Ids::Range { .. }) => Ok(Self::Layered {
                lower: take()?,
                copy: true,
            }),
        }
    }
}

pub(super) fn compose(
    spec: &Spec,
    home: &Home,
    private: &OwnedFd,
) -> Result<Vec<String>, SandboxError> {
    let mut weaker = Vec::new();
    make_folder(Path::new(WAITING))?;
    attach(private, Path::new(WAITING), WRITABLE)
        .doing(|| "attach the private folder".to_owned())?;
    match home {
        Home::Empty => bind("home", HOME)?,
        Home::Built => bind(BUILT, HOME)?,
        Home::Writable(tree) => {
            attach(tree, Path::new(HOME), WRITABLE).doing(|| format!("attach {HOME}"))?;
        }
        Home::Layered { lower, copy } => {
            make_folder(Path::new(LOWER))?;
            attach(lower, Path::new(LOWER), super::READ_ONLY)
                .doing(|| "attach the home".to_owned())?;
            let overlaid = if *copy {
                Err(None)
            } else {
                overlay().map_err(Some)
            };
            if let Err(error) = overlaid {
                weaker.extend(error.map(|error| {
                    format!(
                        "the app's folder is copied for each instance, since overlayfs is refused here \
                         ({error}); keep the platform's data on ext4, xfs or btrfs, on a kernel from 5.11"
                    )
                }));
                let owner = match spec.ids {
                    Ids::Range { .. } => Some(VCAP),
                    Ids::Own => None,
                };
                tree::copy(Path::new(LOWER), Path::new("/.private/home"), owner)
                    .doing(|| "copy the home".to_owned())?;
                bind("home", HOME)?;
            }
            put_away(LOWER)?;
        }
    }
    bind("tmp", "/tmp")?;
    if Path::new("/home/vcap/tmp").is_dir() {
        bind("home-tmp", "/home/vcap/tmp")?;
    }
    put_away(WAITING)?;
    Ok(weaker)
}

fn overlay() -> io::Result<()> {
    // userxattr: marks of the layer are kept in attributes that a user namespace may write.
    let options = "lowerdir=/.lower,upperdir=/.private/upper,workdir=/.private/work,userxattr";
    mount(
        Some("overlay"),
        HOME,
        Some("overlay"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options),
    )?;
    Ok(())
}

fn bind(name: &str, target: &str) -> Result<(), SandboxError> {
    let source = Path::new(WAITING).join(name);
    let bound = sys::open_tree(None, &source, false)
        .and_then(|tree| sys::move_mount(tree.as_fd(), None, Path::new(target)));
    bound.doing(|| format!("attach {target}"))
}

fn put_away(path: &str) -> Result<(), SandboxError> {
    umount2(path, MntFlags::MNT_DETACH).doing(|| format!("detach {path}"))?;
    fs::remove_dir(path).doing(|| format!("remove {path}"))
}

/// Makes what a private layer is of: `upper` and `work` of the overlay, `home` for a home that is
/// not overlaid, `tmp`. Owned by `vcap` (and the overlay's own part by `root`) as the host
/// numbers them.
pub(in crate::sandbox) fn prepare(private: &Path, owners: Option<(u32, u32)>) -> io::Result<()> {
    fs::set_permissions(private, fs::Permissions::from_mode(0o755))?;
    for (name, mode) in [
        ("upper", 0o755),
        ("upper/tmp", 0o755),
        ("work", 0o755),
        ("home", 0o755),
        ("home/tmp", 0o755),
        ("home-tmp", 0o755),
        ("tmp", 0o1777),
    ] {
        let path = private.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        if let Some((root, vcap)) = owners {
            let owner = Some(if name == "work" { root } else { vcap });
            std::os::unix::fs::chown(&path, owner, owner)?;
        }
    }
    if let Some((root, _)) = owners {
        std::os::unix::fs::chown(private, Some(root), Some(root))?;
    }
    Ok(())
}

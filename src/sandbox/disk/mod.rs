//! Hard limits for what is written: a file system of its own for each sandbox, in a sparse file
//! of just the quota's size (docs/decisions/0007).
//!
//! The daemon makes the file ([`Disks`]), the shim mounts it ([`Mounted`]) where no path leads
//! to: the mount is a descriptor that init takes into the sandbox's root. So nothing on the host
//! shows it, and the end of the sandbox, however it comes, is the end of the mount and of the
//! loop device behind it.
//!
//! Where the host has no such thing for us, folders are used, and the shim looks after them
//! ([`Watch`]).

mod count;
mod disks;
mod format;
mod mounted;
mod quota;
mod watch;

/// The file in the sandbox's folder that says how many bytes it has written, where the shim has
/// to look for itself.
pub(super) const WRITTEN: &str = "disk.written";

pub use disks::Disks;
pub use mounted::{BUILT, Mounted, Space};
pub(super) use watch::{BOUND, Watch};

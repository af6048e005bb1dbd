//! The wall around an app or a build: namespaces, a composed root, limits, a system-call list.
//!
//! The daemon writes a [`Spec`] into an instance's folder and starts a *shim* ([`spawn`]); the
//! shim outlives the daemon and owns the sandbox; *init* is the first process inside. A later
//! daemon finds the folder and takes the instance over ([`adopt`]).
//!
//! What an instance's folder holds, while it lives and until [`Sandbox::remove`]:
//! `spec.json`; `status.json`, from which a later daemon learns how it ended; `control.sock`
//! (the shim's) and `connect.sock` (init's, for [`dial`]); `log.0` and `log.1` ([`log`]);
//! `disk.img`, the writable layer, or `private/` where the host cannot have that; `root/`, an empty folder that the new root is mounted on,
//! in the sandbox's own mount namespace; `shim.err`, empty unless a shim panics.

mod adopt;
pub mod cgroup;
mod connection;
mod dial;
mod disk;
mod files;
mod handle;
mod image;
mod init;
mod landlock;
pub mod log;
mod owners;
mod probe;
mod protocol;
mod rootfs;
mod seccomp;
mod sftp;
pub mod shim;
mod spawn;
mod spec;
mod status;
mod sys;
mod trial;
pub mod tunnel;
mod turns;
mod unix;
mod visit;

pub use adopt::{adopt, adopt_all};
pub use dial::dial;
pub use disk::{BUILT, Disks, Mounted, Space};
pub use files::raise_open_files;
pub use handle::Sandbox;
pub use image::{ImageRoot, User};
pub use owners::shows_owners;
pub use probe::{Capabilities, Finding, Verdict, probe};
pub use spawn::{set_executable, spawn};
pub use spec::{
    Bind, Ceiling, Disk, Files, Ids, Image, Kind, Limits, Network, Quota, RANGE, SPEC_VERSION,
    Spec, VCAP, Volume,
};
pub use status::{SandboxError, Status, Traffic, Usage};
pub use trial::trial;
pub use turns::Turns;
pub use visit::{
    Life, Program, Streams, Terminal, Visit, VisitEnd, VisitError, Visitor, Window, visit,
};

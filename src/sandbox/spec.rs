//! What the daemon tells a shim: plain data, versioned, since a shim may be older than the
//! daemon that speaks to it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::ImageRoot;
use crate::model::NetworkPolicy;

/// The version of [`Spec`] that this binary writes.
pub const SPEC_VERSION: u32 = 1;

/// Bytes of log files where nobody says: some thousand lines.
const LOG_BYTES: u64 = 1 << 20;

/// One sandbox: what runs in it, what it sees and what it may use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// [`SPEC_VERSION`] of the writer.
    pub version: u32,
    /// The instance's identity; names its cgroup.
    pub id: String,
    /// What runs in it, which decides how much of the kernel it needs.
    pub kind: Kind,
    /// The instance's own folder on the host. Holds this spec, sockets, status, log files
    /// and the private writable layer; exists and is empty when the sandbox is spawned.
    pub dir: PathBuf,
    /// The folder that is seen as `/home/vcap`, read-only below a private writable layer.
    /// None for an empty one. What belongs to the platform's user is seen as `vcap`'s.
    pub home: Option<PathBuf>,
    /// Whether `home` is written directly, without a layer (builds write their result).
    /// With ids of its own ([`Ids::Range`]) the sandbox gets the folder with all in it, unless
    /// the folder itself is its `vcap`'s already; the same goes for binds that may be written.
    pub home_writable: bool,
    /// More of the host, after the root is composed, in this order.
    pub binds: Vec<Bind>,
    /// The command and its arguments; the first is looked up in `PATH` inside.
    pub argv: Vec<String>,
    /// Commands that run beside it, with the same environment. When one of them ends, everything
    /// does.
    #[serde(default)]
    pub sidecars: Vec<Vec<String>>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory inside.
    pub cwd: String,
    /// Host name inside, at most 64 bytes.
    pub hostname: String,
    /// Who the processes inside are on the host.
    pub ids: Ids,
    /// What network there is inside.
    pub network: Network,
    /// What may be reached from inside with [`Network::Tunnel`], until
    /// [`Sandbox::set_network`](super::Sandbox::set_network) says otherwise.
    #[serde(default)]
    pub egress: NetworkPolicy,
    /// How long the way out of [`Network::Tunnel`] may have nothing to do before its process
    /// ends, which the next packet starts again, in milliseconds; none for the usual.
    #[serde(default)]
    pub quiet_ms: Option<u64>,
    /// The image whose root it gets; none for the host's programs.
    #[serde(default)]
    pub root: Option<ImageRoot>,
    /// What it may use.
    pub limits: Limits,
    /// How much the private writable layer may hold, and a writable home with it; none for no
    /// limit.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// Folders that outlast the sandbox, each with a limit of its own.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// Small files that only this sandbox has.
    #[serde(default)]
    pub files: Option<Files>,
    /// Bytes that its log files may take together; older lines go first.
    pub log_bytes: u64,
    /// Most bytes a second that it may write to its log; lines beyond that are dropped, and one
    /// says so. None for no limit but what one sandbox may cost its host.
    #[serde(default)]
    pub log_rate: Option<u64>,
}

impl Spec {
    /// A sandbox for one command with nothing of the host's but its programs: no home, no
    /// network, the platform's own user, no limits.
    #[must_use]
    pub fn new(id: String, dir: PathBuf, argv: impl IntoIterator<Item = String>) -> Self {
        Self {
            version: SPEC_VERSION,
            hostname: id.chars().take(64).collect(),
            id,
            kind: Kind::Process,
            dir,
            home: None,
            home_writable: false,
            binds: Vec::new(),
            argv: argv.into_iter().collect(),
            sidecars: Vec::new(),
            env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
            cwd: "/home/vcap".to_owned(),
            ids: Ids::Own,
            network: Network::Isolated,
            egress: NetworkPolicy::default(),
            quiet_ms: None,
            root: None,
            limits: Limits::default(),
            disk: None,
            volumes: Vec::new(),
            files: None,
            log_bytes: LOG_BYTES,
            log_rate: None,
        }
    }

    /// Whether the private layer is a file system of its own.
    pub(super) fn has_image(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.image.is_some())
    }
}

// The environment often holds secrets.
impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("id", &self.id)
            .field("dir", &self.dir)
            .field("home", &self.home)
            .field("ids", &self.ids)
            .field("network", &self.network)
            .field("limits", &self.limits)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

/// A folder of small files that are made for a sandbox and are read-only inside. They may be
/// secret, as the environment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Where the folder is inside.
    pub folder: PathBuf,
    /// Their contents, by their paths in it.
    pub files: BTreeMap<String, String>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("folder", &self.folder)
            .field("files", &self.files.keys())
            .finish()
    }
}

/// What runs in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Anything: an app's command.
    Process,
    /// The steps of a build.
    Build,
    /// The platform's host of Wasm components, which starts no other program.
    Wasm,
}

/// A part of the host that is seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// Absolute path inside; made where it does not exist.
    pub target: PathBuf,
    /// Whether it may be written.
    pub writable: bool,
}

/// How much may be written to some part of a sandbox. [`Disks`](super::Disks) makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// How much.
    pub quota: Quota,
    /// The file system of just this size that it is, so that the kernel keeps to the quota.
    /// None where the host cannot: then it is folders of the host's, and the shim looks again
    /// and again how much is in them.
    pub image: Option<Image>,
}

/// Bytes and inodes (files, folders, links) that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quota {
    /// Bytes, the file system's own needs among them.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// A file system in a file of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The file.
    pub file: PathBuf,
    /// The loop device that it is behind already, since who writes the spec has it mounted, too:
    /// the private layer is beside what is there, a writable home is its folder
    /// [`BUILT`](super::BUILT). None where the shim is the only one.
    pub device: Option<PathBuf>,
}

/// A folder that outlasts the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Absolute path inside; made where it does not exist.
    pub target: PathBuf,
    /// On the host, where the disk has no image.
    pub source: PathBuf,
    /// How much it may hold.
    pub disk: Disk,
}

/// Who the processes inside are on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// A range of the app's own: 65,536 user and group ids from `first`. Needs root.
    Range {
        /// The host's id for id 0 inside.
        first: u32,
    },
    /// The user who runs the platform, alone.
    Own,
}

/// The id of `vcap`, the user that apps and builds run as inside (as in Cloud Foundry).
pub const VCAP: u32 = 2000;

/// How many ids an app's range has.
pub const RANGE: u32 = 65_536;

/// What network there is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Loopback alone; reached through [`dial`](super::dial).
    Isolated,
    /// Loopback, and a way out that is held to a [`NetworkPolicy`].
    Tunnel,
}

/// What a sandbox may use; none for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory and swap together, in bytes. At the limit everything inside is killed.
    pub memory: Option<u64>,
    /// Share of processor time against other sandboxes, cgroup v2 scale: 1 to 10,000, 100 is
    /// the default.
    pub cpu_weight: Option<u32>,
    /// Share of the disk against other sandboxes, on the same scale; where the kernel divides
    /// it, as it does by its BFQ scheduler or by a cost model.
    #[serde(default)]
    pub io_weight: Option<u32>,
    /// Most that is read and written.
    #[serde(default)]
    pub io_ceiling: Ceiling,
    /// Ceiling in thousandths of a core.
    pub cpu_milli: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Open files of one process.
    pub files: Option<u64>,
}

/// Most that a sandbox may read from disks and write to them in a second, page cache aside; none
/// for no limit. It holds for each disk that its files are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ceiling {
    /// Bytes that are read.
    pub read: Option<u64>,
    /// Bytes that are written.
    pub write: Option<u64>,
    /// Operations of reading, and as many of writing.
    pub operations: Option<u64>,
}

//! What differs between the kinds of thing that an instance can be.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Order, record::Record};
use crate::{
    model::{NetworkPolicy, Site},
    sandbox::{SandboxError, Status, Traffic, Turns, Usage, log},
};

/// Where requests for an instance go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Into a sandbox.
    Sandbox {
        /// The sandbox's folder.
        dir: PathBuf,
    },
    /// To files.
    Static {
        /// The served folder.
        root: PathBuf,
        /// How it is served.
        site: Arc<Site>,
    },
}

/// A kind of thing that an instance can be.
pub(crate) trait Runtime: Send + Sync + fmt::Debug {
    /// Prepares and starts what `order` asks for in the instance's folder `dir`. `Err` says in
    /// words for the user why it cannot be.
    fn start<'a>(
        &'a self,
        order: &'a Order,
        dir: &'a Path,
    ) -> BoxFuture<'a, Result<Arc<dyn Running>, String>>;

    /// Takes over what a daemon before this one started in `dir`; none where nothing was.
    fn adopt<'a>(
        &'a self,
        record: &'a Record,
        dir: &'a Path,
    ) -> BoxFuture<'a, Option<Arc<dyn Running>>>;
}

/// Something that was started.
pub(crate) trait Running: Send + Sync + fmt::Debug {
    /// Tells where it stands, and wakes when that changes.
    fn status(&self) -> watch::Receiver<Status>;

    /// Where its requests go.
    fn backend(&self) -> Backend;

    /// Asks it to stop, and kills it after `grace`. A second call can only shorten.
    fn stop(&self, grace: Duration);

    /// Says what it may reach from now on, where it reaches anything by itself.
    fn set_network<'a>(
        &'a self,
        policy: &'a NetworkPolicy,
    ) -> BoxFuture<'a, Result<(), SandboxError>>;

    /// What it uses now, where that can be told. Blocks on the kernel.
    fn usage(&self) -> Option<Usage>;

    /// Processor time that it has used so far, where that can be told. Blocks on the kernel.
    fn cpu(&self) -> Option<Duration> {
        None
    }

    /// Has it take `turns` on the processor, where it runs on its own. Blocks on the kernel.
    fn take_turns(&self, _turns: Turns) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that it has written and that are still there, where that is known. Blocks on the
    /// kernel.
    fn written(&self) -> Option<u64> {
        None
    }

    /// What went through its way out since its start. Blocks on the disk.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Its log from `position` on, and what wakes when there is more; none where it writes none.
    /// Blocks on the disk.
    fn log(&self, position: u64) -> io::Result<Option<(log::Reader, watch::Receiver<u64>)>>;

    /// Removes what it left behind after its end.
    fn remove(&self) -> BoxFuture<'static, Result<(), SandboxError>>;
}

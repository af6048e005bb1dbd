//! Files that the gateway serves itself: nothing runs, so an instance is there at once.

use std::{
    io,
    path::{Component, Path},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{self, BoxFuture};
use tokio::sync::watch;

use super::{
    Order,
    process::tree,
    record::Record,
    runtime::{Backend, Running, Runtime},
};
use crate::{
    blobs::Blobs,
    model::{Exit, NetworkPolicy},
    sandbox::{SandboxError, Status, Usage, log},
};

/// Shows folders.
#[derive(Debug)]
pub(super) struct StaticFiles {
    blobs: Blobs,
}

impl StaticFiles {
    pub(super) fn new(blobs: Blobs) -> Self {
        Self { blobs }
    }
}

impl Runtime for StaticFiles {
    fn start<'a>(
        &'a self,
        order: &'a Order,
        _dir: &'a Path,
    ) -> BoxFuture<'a, Result<Arc<dyn Running>, String>> {
        Box::pin(async move {
            let tree = tree(&self.blobs, order, None).await?;
            let below = Path::new(&order.droplet.static_root);
            if !below
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
            {
                return Err(format!(
                    "the served folder {} leads out of the app",
                    below.display()
                ));
            }
            let root = tree.join("app").join(below);
            Ok(Arc::new(Folder::new(&root)) as Arc<dyn Running>)
        })
    }

    fn adopt<'a>(
        &'a self,
        record: &'a Record,
        _dir: &'a Path,
    ) -> BoxFuture<'a, Option<Arc<dyn Running>>> {
        let root = record.static_root.as_deref().filter(|root| root.is_dir());
        let folder = root.map(|root| Arc::new(Folder::new(root)) as Arc<dyn Running>);
        Box::pin(future::ready(folder))
    }
}

#[derive(Debug)]
struct Folder {
    root: Box<Path>,
    status: watch::Sender<Status>,
}

impl Folder {
    fn new(root: &Path) -> Self {
        let (status, _) = watch::channel(Status::Running { pid: 0 });
        Self {
            root: root.into(),
            status,
        }
    }
}

impl Running for Folder {
    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn backend(&self) -> Backend {
        Backend::Static {
            root: self.root.to_path_buf(),
        }
    }

    fn stop(&self, _grace: Duration) {
        self.status
            .send_replace(Status::Ended(Exit::Stopped { killed: false }));
    }

    /// Nothing runs that could reach anything.
    fn set_network<'a>(
        &'a self,
        _policy: &'a NetworkPolicy,
    ) -> BoxFuture<'a, Result<(), SandboxError>> {
        Box::pin(future::ready(Ok(())))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn log(&self, _position: u64) -> io::Result<Option<(log::Reader, watch::Receiver<u64>)>> {
        Ok(None)
    }

    fn remove(&self) -> BoxFuture<'static, Result<(), SandboxError>> {
        Box::pin(future::ready(Ok(())))
    }
}

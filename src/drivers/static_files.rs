//! Files that the gateway serves itself: nothing runs, so an instance is there at once.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{self, BoxFuture};
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    Order,
    process::tree,
    record::Record,
    runtime::{Backend, Running, Runtime},
};
use crate::{
    blobs::Blobs,
    model::{Exit, NetworkPolicy, Site},
    sandbox::{SandboxError, Status, Usage, log},
    sites,
};

/// The variable that does what `force_https` in a `Staticfile` does, as in Cloud Foundry.
const FORCE_HTTPS: &str = "FORCE_HTTPS";

/// How a site is served, in the instance's folder.
const KEPT: &str = "site.json";

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
        dir: &'a Path,
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
            let app = tree.join("app");
            let root = app.join(below);
            let (below, dir) = (order.droplet.static_root.clone(), dir.to_owned());
            let force_https = order.env.iter().any(|(name, value)| {
                name == FORCE_HTTPS && !matches!(value.as_str(), "" | "0" | "false" | "disabled")
            });
            let read = move || {
                let mut site = sites::read(&app, &below).map_err(|error| error.to_string())?;
                site.force_https |= force_https;
                keep(&dir, &site)
                    .map_err(|error| format!("cannot keep how the site is served: {error}"))?;
                Ok::<_, String>(site)
            };
            let site = spawn_blocking(read)
                .await
                .map_err(|error| error.to_string())??;
            Ok(Arc::new(Folder::new(&root, site)) as Arc<dyn Running>)
        })
    }

    fn adopt<'a>(
        &'a self,
        record: &'a Record,
        dir: &'a Path,
    ) -> BoxFuture<'a, Option<Arc<dyn Running>>> {
        let root = record.static_root.as_deref().filter(|root| root.is_dir());
        let folder = root.and_then(|root| match kept(dir) {
            Ok(site) => Some(Arc::new(Folder::new(root, site)) as Arc<dyn Running>),
            Err(error) => {
                tracing::error!(%error, "cannot read how a site is served; starting it anew");
                None
            }
        });
        Box::pin(future::ready(folder))
    }
}

/// Keeps how the site is served for the next daemon, in the instance's folder.
fn keep(dir: &Path, site: &Site) -> io::Result<()> {
    let new = dir.join("site.json.new");
    fs::write(&new, serde_json::to_vec(site)?)?;
    fs::rename(&new, dir.join(KEPT))
}

/// How the site was served by the daemon before.
fn kept(dir: &Path) -> io::Result<Site> {
    match fs::read(dir.join(KEPT)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        // A release that knew no options has started it, and refused sites with a password.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Site::default()),
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    site: Arc<Site>,
    status: watch::Sender<Status>,
}

impl Folder {
    fn new(root: &Path, site: Site) -> Self {
        let (status, _) = watch::channel(Status::Running { pid: 0 });
        Self {
            root: root.to_owned(),
            site: Arc::new(site),
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
            root: self.root.clone(),
            site: Arc::clone(&self.site),
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

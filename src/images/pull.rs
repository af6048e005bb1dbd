//! Having an image: its manifest, its configuration, and those of its layers that are not here.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{TryStreamExt as _, stream};
use tokio::{sync::Mutex, time::sleep};

use super::{
    ImageError, Images, Lease, Limits, Reference, blocking, launch,
    manifest::{self, Descriptor, Manifest},
    registry::Registry,
    unpack::{self, Budget},
};
use crate::{
    model::{Image, Launch, LayerId, RegistryLogin},
    stdx::{backoff::doubling, bytes},
};

/// Layers of one image that are sent at a time, as container engines have it.
const AT_ONCE: usize = 3;

/// How often a registry is asked that does not answer.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// An image that is here.
#[derive(Debug)]
pub struct Pulled {
    /// Which.
    pub image: Image,
    /// How it is run.
    pub launch: Launch,
    /// Variables that it sets.
    pub env: Vec<(String, String)>,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// Bytes of its layers as the registry has them.
    pub size: u64,
    /// Keeps its layers until they are in the state that says what is in use.
    pub lease: Lease,
}

impl Images {
    /// Has the image `reference`, as `login` may have it; `tell` hears what happens. Unpacked it
    /// may have `most` bytes, where that is less than what any image may have.
    ///
    /// Dropping the future leaves nothing behind but whole layers.
    ///
    /// # Errors
    /// In words for the user; see [`ImageError::is_ours`].
    pub async fn pull(
        &self,
        reference: &Reference,
        login: Option<RegistryLogin>,
        most: Option<u64>,
        tell: impl Fn(String),
    ) -> Result<Pulled, ImageError> {
        let limits = Limits {
            unpacked: most.map_or(self.limits.unpacked, |most| most.min(self.limits.unpacked)),
            ..self.limits
        };
        let origin = || {
            let (clients, policy) = (self.clients.clone(), Arc::clone(&self.policy));
            Registry::of(clients, policy, reference, login.clone())
        };
        // Who logs in wants what a mirror, which knows nobody, cannot have.
        let mirror = self
            .policy
            .mirrors
            .get(reference.registry())
            .filter(|_| login.is_none());
        if let Some(mirror) = mirror.and_then(|mirror| {
            let (clients, policy) = (self.clients.clone(), Arc::clone(&self.policy));
            Registry::mirror(clients, policy, mirror, reference)
        }) {
            match self.pull_from(&mirror, reference, limits, &tell).await {
                Err(error) if !error.is_ours() => {
                    let why = error_line(&error);
                    let from = mirror.authority();
                    tell(format!(
                        "Mirror {from} does not have it ({why}); asking the registry"
                    ));
                }
                outcome => return outcome,
            }
        }
        self.pull_from(&origin(), reference, limits, &tell).await
    }

    async fn pull_from(
        &self,
        registry: &Registry,
        reference: &Reference,
        limits: Limits,
        tell: &impl Fn(String),
    ) -> Result<Pulled, ImageError> {
        let (digest, config, layers) = self.describe(registry, reference.selector()).await?;
        let size = self.bounded(&layers)?;
        let text = again(|| registry.small("the image's configuration", &config)).await?;
        let (mut run, ids) = manifest::config(&text, layers.len())?;
        let labels = std::mem::take(&mut run.labels);
        let lease = self.shelf.lease(&ids);
        tell(format!(
            "{reference} is {digest}: {} layers, {}",
            layers.len(),
            bytes::display(size)
        ));
        let budget = Mutex::new(Budget::new(limits));
        let each = layers.iter().zip(&ids).map(Ok);
        stream::iter(each)
            .try_for_each_concurrent(AT_ONCE, |(found, id)| {
                self.layer(registry, found, id, &budget, tell)
            })
            .await?;
        let roots: Vec<PathBuf> = ids.iter().map(|id| self.shelf.root(id)).collect();
        let (launch, env) = blocking(move || launch::read(run, &roots)).await?;
        Ok(Pulled {
            image: Image {
                reference: reference.to_string(),
                digest,
                layers: ids,
            },
            launch,
            env,
            labels,
            size,
            lease,
        })
    }

    /// The digest, configuration and layers of the image, of several that for this machine.
    async fn describe(
        &self,
        registry: &Registry,
        selector: &str,
    ) -> Result<(String, Descriptor, Vec<Descriptor>), ImageError> {
        let (text, digest) = again(|| registry.manifest(selector)).await?;
        match manifest::parse(&text)? {
            Manifest::Image { config, layers } => Ok((digest, config, layers)),
            Manifest::Index(ours) => {
                let (text, digest) = again(|| registry.manifest(&ours.digest)).await?;
                match manifest::parse(&text)? {
                    Manifest::Image { config, layers } => Ok((digest, config, layers)),
                    Manifest::Index(_) => Err(ImageError::refused(
                        "the image's manifest",
                        "is a list of lists",
                    )),
                }
            }
        }
    }

    fn bounded(&self, layers: &[Descriptor]) -> Result<u64, ImageError> {
        let most = self.limits.download;
        layers
            .iter()
            .try_fold(0_u64, |sum, layer| sum.checked_add(layer.size))
            .filter(|sum| *sum <= most)
            .ok_or_else(|| ImageError::too_large("the image", most))
    }

    async fn layer(
        &self,
        registry: &Registry,
        found: &Descriptor,
        id: &LayerId,
        budget: &Mutex<Budget>,
        tell: &impl Fn(String),
    ) -> Result<(), ImageError> {
        let name = unpack::short(id).to_owned();
        let making = self.shelf.making(id);
        // The guard goes along to the unpacking, which goes on where this future is dropped.
        let guard = making.lock_owned().await;
        if let Some(about) = self.shelf.about(id) {
            budget.lock().await.take(about.bytes, about.entries)?;
            let known = about.sources.contains(registry.authority());
            if known && registry.grants(&found.digest).await {
                tell(format!("{name}: is here already"));
                return Ok(());
            }
        }
        tell(format!("{name}: pulling {}", bytes::display(found.size)));
        let shelf = Arc::clone(&self.shelf);
        let draft = blocking(move || shelf.draft()).await?;
        let file = draft.as_file().try_clone();
        let file = file.map_err(ImageError::io("write a layer"))?;
        registry.blob(found, file).await?;

        let (shelf, id, owners) = (Arc::clone(&self.shelf), id.clone(), self.owners);
        let source = registry.authority().to_owned();
        // One is unpacked at a time, so that all together keep to what there may be.
        let mut budget = budget.lock().await;
        let left = *budget;
        let size = blocking(move || {
            let _guard = guard;
            let file = draft.reopen().map_err(ImageError::io("read a layer"))?;
            let making = shelf.begin()?;
            // Also where the layer is here: who sends something else under its name is told.
            let size = unpack::unpack(file, &id, &making.root(), owners, left)?;
            if shelf.about(&id).is_some() {
                shelf.add_source(&id, &source)?;
                return Ok(None);
            }
            shelf.keep(&id, making, size, &source)?;
            Ok(Some(size))
        })
        .await?;
        // What was here before is counted already.
        match size {
            Some(size) => budget.take(size.bytes, size.entries),
            None => Ok(()),
        }
    }
}

/// Asks once more where that may help.
async fn again<T, F>(ask: impl Fn() -> F) -> Result<T, ImageError>
where
    F: Future<Output = Result<T, ImageError>>,
{
    let mut tries = 0;
    loop {
        match ask().await {
            Err(error) if error.is_passing() && tries + 1 < TRIES => {
                sleep(doubling(FIRST_PAUSE, tries, LONGEST_PAUSE)).await;
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// An error with its causes.
fn error_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! Images: pulled from registries, their layers unpacked once and shared by all apps.
//!
//! Everything that comes from a registry is hostile: what it says, where it sends to, and what
//! is in an image. Nothing is kept whose digest is not the one that was asked for, nothing is
//! larger than the limits, and what is refused leaves nothing behind. A layer is kept whole and
//! durable, or not at all; an app that was pushed needs its registry no more.

mod config;
mod digest;
mod error;
mod launch;
mod lookup;
mod manifest;
mod pull;
mod reference;
mod registry;
mod shelf;
mod unpack;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

pub use config::{Config, Limits, Policy};
pub use error::ImageError;
pub use pull::Pulled;
pub use reference::{InvalidReference, Reference};
pub use shelf::Lease;

use self::{registry::Clients, shelf::Shelf, unpack::Owners};
use crate::model::{Image, LayerId};

/// The handle on all layers; clones share it.
#[derive(Debug, Clone)]
pub struct Images {
    shelf: Arc<Shelf>,
    clients: Clients,
    policy: Arc<Policy>,
    limits: Limits,
    owners: Owners,
}

impl Images {
    /// Opens (and makes) the folder; removes what an interrupted predecessor left half done.
    /// With `keep_owners`, files belong to the users of their images by number, which takes
    /// root; else to the user who runs the platform. Blocks.
    ///
    /// # Errors
    /// Where the folder cannot be made, or TLS not be set up.
    pub fn open(config: Config, keep_owners: bool) -> Result<Self, ImageError> {
        let clients =
            Clients::try_new(&config.proxies).map_err(|source| ImageError::Unreachable {
                registry: "of any name".to_owned(),
                source,
            })?;
        Ok(Self {
            shelf: Arc::new(Shelf::open(&config.dir)?),
            clients,
            policy: Arc::new(config.policy),
            limits: config.limits,
            owners: if keep_owners {
                Owners::Kept
            } else {
                Owners::Own
            },
        })
    }

    /// Where the layers of an image are, the lowest first, and what keeps them there for the
    /// time being.
    ///
    /// # Errors
    /// [`ImageError::Gone`] where one of them is not kept any more.
    pub fn layers(&self, image: &Image) -> Result<(Vec<PathBuf>, Lease), ImageError> {
        // First, so that none goes after it was seen.
        let lease = self.shelf.lease(&image.layers);
        // The kernel takes no layer twice; the upper one hides all of the lower one.
        let above = |at: usize| image.layers.get(at + 1..).unwrap_or_default();
        let ids = image.layers.iter().enumerate();
        let roots: Vec<PathBuf> = ids
            .filter(|(at, id)| !above(*at).contains(id))
            .map(|(_, id)| self.shelf.root(id))
            .collect();
        if roots.iter().all(|root| fs::symlink_metadata(root).is_ok()) {
            Ok((roots, lease))
        } else {
            Err(ImageError::Gone(image.reference.clone()))
        }
    }

    /// The image that was last had for a runtime under this name.
    #[must_use]
    pub fn toolchain(&self, reference: &str) -> Option<Image> {
        self.shelf.toolchain(reference)
    }

    /// Remembers an image as a runtime's. Blocks on the disk.
    ///
    /// # Errors
    /// Where it cannot be written down.
    pub fn keep_toolchain(&self, image: &Image) -> Result<(), ImageError> {
        self.shelf.keep_toolchain(image)
    }

    /// Removes every layer that is not in `keep`, nor in an image that was remembered as a
    /// runtime's under one of the names `toolchains`. One that a pull or build needs, or that
    /// was needed within the last ten minutes, stays.
    ///
    /// # Errors
    /// Where one cannot be removed.
    pub async fn retain(
        &self,
        keep: BTreeSet<LayerId>,
        toolchains: BTreeSet<String>,
    ) -> Result<(), ImageError> {
        let shelf = Arc::clone(&self.shelf);
        blocking(move || shelf.retain(keep, &toolchains)).await
    }
}

/// Does what blocks on the disk elsewhere.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(ImageError::io("finish")(std::io::Error::other(error))))
}

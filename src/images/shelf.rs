//! The folder of layers: each is unpacked once, whatever number of images and apps it is in.
//!
//! ```text
//! layers/<id>/root         the layer, as overlayfs takes it
//! layers/<id>/layer.json   how large it is, and which registries gave it out
//! toolchains/<digest>      images that runtimes are built with, by the digest of their names
//! half/                    what is being made or removed; emptied at start-up
//! owner                    the user id that all this was unpacked by
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{ImageError, unpack::Size};
use crate::{
    model::{Image, LayerId},
    stdx::removal::remove_tree,
};

/// How long a layer is kept that nothing refers to: what was just pulled is not yet in the
/// state that says what is in use.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// What is known of a layer besides its files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// Hosts of registries that gave it out. Only to those who may read it there it is given
    /// without being sent again: its name alone is no proof of that.
    pub(super) sources: BTreeSet<String>,
}

/// The folder of layers.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    grace: Duration,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// How many pulls and builds need a layer at the moment.
    leases: BTreeMap<LayerId, usize>,
    /// When a layer was last let go.
    fresh: BTreeMap<LayerId, Instant>,
    /// Layers that are being made, so that each is made once.
    making: BTreeMap<LayerId, Weak<tokio::sync::Mutex<()>>>,
}

/// Keeps layers from being removed for as long as it lives.
#[derive(Debug)]
pub struct Lease {
    shelf: Arc<Shelf>,
    layers: Vec<LayerId>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.shelf.held();
        for layer in &self.layers {
            if let Some(count) = held.leases.get_mut(layer) {
                *count -= 1;
                if *count == 0 {
                    held.leases.remove(layer);
                }
            }
            held.fresh.insert(layer.clone(), Instant::now());
        }
    }
}

impl Shelf {
    /// Opens (and makes) the folder; removes what an interrupted predecessor left half done,
    /// and everything where another user unpacked it. Blocks.
    pub(super) fn open(dir: &Path) -> Result<Self, ImageError> {
        make(dir)?;
        let owner = own_id(dir)?;
        let note = dir.join("owner");
        if fs::read_to_string(&note).unwrap_or_default() != owner {
            for name in ["layers", "toolchains"] {
                let path = dir.join(name);
                remove_tree(&path).map_err(ImageError::at("remove", &path))?;
            }
            fs::write(&note, owner).map_err(ImageError::at("write", &note))?;
        }
        let half = dir.join("half");
        remove_tree(&half).map_err(ImageError::at("empty", &half))?;
        for name in ["half", "layers", "toolchains"] {
            make(&dir.join(name))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            grace: GRACE,
            held: Mutex::default(),
        })
    }

    #[cfg(test)]
    pub(super) fn without_grace(mut self) -> Self {
        self.grace = Duration::ZERO;
        self
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, layer: &LayerId) -> PathBuf {
        self.dir.join("layers").join(layer.as_str())
    }

    /// The unpacked layer, whether it is there or not.
    pub(super) fn root(&self, layer: &LayerId) -> PathBuf {
        self.folder(layer).join("root")
    }

    /// Keeps `layers` until the lease is dropped, those that come as well.
    pub(super) fn lease(self: &Arc<Self>, layers: &[LayerId]) -> Lease {
        let mut held = self.held();
        for layer in layers {
            *held.leases.entry(layer.clone()).or_default() += 1;
        }
        Lease {
            shelf: Arc::clone(self),
            layers: layers.to_vec(),
        }
    }

    /// What only one may hold who makes the layer.
    pub(super) fn making(&self, layer: &LayerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut held = self.held();
        held.making.retain(|_, lock| lock.strong_count() > 0);
        held.making
            .get(layer)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let lock = Arc::default();
                held.making.insert(layer.clone(), Arc::downgrade(&lock));
                lock
            })
    }

    /// What is known of a layer; none where it is not there.
    pub(super) fn about(&self, layer: &LayerId) -> Option<About> {
        let text = fs::read(self.folder(layer).join("layer.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// A file to download to. It vanishes with its handle.
    pub(super) fn draft(&self) -> Result<tempfile::NamedTempFile, ImageError> {
        let half = self.dir.join("half");
        tempfile::NamedTempFile::new_in(&half).map_err(ImageError::at("write in", &half))
    }

    /// An empty folder to make a layer in. It vanishes unless it is kept.
    pub(super) fn begin(&self) -> Result<Draft, ImageError> {
        let half = self.dir.join("half");
        let dir = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&half)
            .map_err(ImageError::at("write in", &half))?;
        let root = dir.path().join("root");
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&root)
            .map_err(ImageError::at("make", &root))?;
        Ok(Draft {
            dir: Some(dir.keep()),
        })
    }

    /// Keeps a whole layer, durably.
    pub(super) fn keep(
        &self,
        layer: &LayerId,
        mut draft: Draft,
        size: Size,
        source: &str,
    ) -> Result<(), ImageError> {
        let Some(dir) = draft.dir.as_deref() else {
            return Ok(());
        };
        let about = About {
            bytes: size.bytes,
            entries: size.entries,
            sources: BTreeSet::from([source.to_owned()]),
        };
        write_about(dir, &about)?;
        // One call for tens of thousands of files, which to sync one by one takes a minute.
        let open = File::open(dir).map_err(ImageError::at("open", dir))?;
        rustix::fs::syncfs(&open).map_err(|errno| ImageError::at("write", dir)(errno.into()))?;
        let place = self.folder(layer);
        match fs::rename(dir, &place) {
            Ok(()) => draft.dir = None,
            // Whole it was there before.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
            Err(error) => return Err(ImageError::at("make", &place)(error)),
        }
        sync_folder(&self.dir.join("layers"))
    }

    /// Remembers that `source` gave the layer out, too.
    pub(super) fn add_source(&self, layer: &LayerId, source: &str) -> Result<(), ImageError> {
        let Some(mut about) = self.about(layer) else {
            return Ok(());
        };
        if about.sources.insert(source.to_owned()) {
            write_about(&self.folder(layer), &about)?;
        }
        Ok(())
    }

    /// The image that a runtime of this name was last built with.
    pub(super) fn toolchain(&self, reference: &str) -> Option<Image> {
        let text = fs::read(self.toolchain_path(reference)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn keep_toolchain(&self, image: &Image) -> Result<(), ImageError> {
        let path = self.toolchain_path(&image.reference);
        let text = serde_json::to_vec(image).unwrap_or_default();
        replace(&path, &text)
    }

    fn toolchain_path(&self, reference: &str) -> PathBuf {
        let digest = super::digest::of(reference.as_bytes());
        let name = digest.trim_start_matches("sha256:");
        self.dir.join("toolchains").join(name)
    }

    /// Removes the toolchains but those of these names, and every layer that is neither in
    /// `keep`, nor a kept toolchain's, nor leased, nor was until just now.
    pub(super) fn retain(
        &self,
        mut keep: BTreeSet<LayerId>,
        toolchains: &BTreeSet<String>,
    ) -> Result<(), ImageError> {
        for path in entries(&self.dir.join("toolchains"))? {
            let text = fs::read(&path).map_err(ImageError::at("read", &path))?;
            match serde_json::from_slice::<Image>(&text) {
                Ok(image) if toolchains.contains(&image.reference) => keep.extend(image.layers),
                _ => fs::remove_file(&path).map_err(ImageError::at("remove", &path))?,
            }
        }
        let mut gone = Vec::new();
        for path in entries(&self.dir.join("layers"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(layer) = name.and_then(|name| name.parse::<LayerId>().ok()) else {
                continue;
            };
            // Held until it is out of the way: nobody can lease it and find it gone.
            let mut held = self.held();
            let fresh = held
                .fresh
                .get(&layer)
                .is_some_and(|since| since.elapsed() < self.grace);
            if keep.contains(&layer) || held.leases.contains_key(&layer) || fresh {
                continue;
            }
            held.fresh.remove(&layer);
            let half = self.dir.join("half");
            let moved = tempfile::Builder::new()
                .tempdir_in(&half)
                .map_err(ImageError::at("write in", &half))?
                .keep();
            fs::rename(&path, moved.join("layer")).map_err(ImageError::at("remove", &path))?;
            gone.push(moved);
        }
        for path in gone {
            remove_tree(&path).map_err(ImageError::at("remove", &path))?;
        }
        Ok(())
    }
}

/// A layer in the making.
#[derive(Debug)]
pub(super) struct Draft {
    dir: Option<PathBuf>,
}

impl Draft {
    pub(super) fn root(&self) -> PathBuf {
        self.dir.as_deref().unwrap_or(Path::new("")).join("root")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            // Modes of hostile layers stop the usual way of removing a temporary folder.
            if let Err(error) = remove_tree(dir) {
                tracing::warn!(%error, path = %dir.display(), "cannot remove half a layer");
            }
        }
    }
}

fn make(dir: &Path) -> Result<(), ImageError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(ImageError::at("make", dir))
}

/// Whom a file belongs to that is made here.
fn own_id(dir: &Path) -> Result<String, ImageError> {
    use std::os::unix::fs::MetadataExt;
    let probe = tempfile::NamedTempFile::new_in(dir).map_err(ImageError::at("write in", dir))?;
    let found = probe.as_file().metadata();
    Ok(found
        .map_err(ImageError::at("write in", dir))?
        .uid()
        .to_string())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let listed = fs::read_dir(dir).map_err(ImageError::at("clean up", dir))?;
    listed
        .map(|entry| Ok(entry.map_err(ImageError::at("clean up", dir))?.path()))
        .collect()
}

fn write_about(folder: &Path, about: &About) -> Result<(), ImageError> {
    let text = serde_json::to_vec(about).unwrap_or_default();
    replace(&folder.join("layer.json"), &text)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &[u8]) -> Result<(), ImageError> {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .map_err(ImageError::at("write", path))
}

fn sync_folder(dir: &Path) -> Result<(), ImageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(ImageError::at("write", dir))
}

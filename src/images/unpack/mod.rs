//! Unpacking a layer: a tar that anybody may have made becomes a folder that overlayfs can use.
//!
//! What is in a layer is hostile. It is refused where its names climb or go through links, where
//! it holds devices, and where it is more than was allowed. Left out are set-uid and set-gid
//! bits, and every extended attribute but those of users (`user.*`), so no file brings rights
//! or capabilities. Whiteouts become what overlayfs knows them as with its option `userxattr`:
//! a character device 0:0, and the attribute `user.overlay.opaque` of a folder.

mod compression;
mod entry;
mod name;
mod plant;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use self::plant::Plant;
use super::{ImageError, Limits};
use crate::model::LayerId;

/// Who files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// The ids of the archive, as the host's own: shown elsewhere by id-mapped mounts.
    Kept,
    /// The user who unpacks.
    Own,
}

/// What is left of the limits of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Bytes.
    pub(super) bytes: u64,
    /// Files, folders and links.
    pub(super) entries: u64,
    limits: Limits,
}

impl Budget {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            bytes: limits.unpacked,
            entries: limits.entries,
            limits,
        }
    }

    /// Takes what a layer needs that was unpacked before.
    pub(super) fn take(&mut self, bytes: u64, entries: u64) -> Result<(), ImageError> {
        self.bytes = self
            .bytes
            .checked_sub(bytes)
            .ok_or_else(|| self.too_many_bytes())?;
        self.entries = self
            .entries
            .checked_sub(entries)
            .ok_or_else(|| self.too_many_entries())?;
        Ok(())
    }

    fn too_many_bytes(&self) -> ImageError {
        ImageError::too_large("the unpacked image", self.limits.unpacked)
    }

    fn too_many_entries(&self) -> ImageError {
        ImageError::TooLarge {
            what: "the number of files in the image".to_owned(),
            limit: self.limits.entries.to_string(),
        }
    }
}

/// What a layer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

/// Unpacks the archive `file`, which has to be the layer `id`, into the empty folder `into`.
pub(super) fn unpack(
    file: File,
    id: &LayerId,
    into: &Path,
    owners: Owners,
    budget: Budget,
) -> Result<Size, ImageError> {
    let damaged = |error: io::Error| {
        ImageError::refused(
            format!("layer {}", short(id)),
            format!("is damaged or is no compressed tar: {error}"),
        )
    };
    let decoder = compression::decoder(file).map_err(damaged)?;
    // All that comes out is counted, what is no file's too: headers can be endless as well.
    let mut metered = Metered {
        inner: decoder,
        hasher: Sha256::new(),
        read: 0,
        most: budget.bytes,
    };
    let mut plant = Plant::new(into, owners, budget)?;
    let outcome = entry::each(&mut metered, |entry, content| plant.add(entry, content));
    if metered.is_spent() {
        return Err(budget.too_many_bytes());
    }
    match outcome {
        Ok(()) => {}
        Err(entry::Failed::Archive(error)) => return Err(damaged(error)),
        Err(entry::Failed::Refused(error)) => return Err(error),
    }
    // The rest counts for the digest: the padding at the end.
    let drained = io::copy(&mut metered, &mut io::sink());
    if metered.is_spent() {
        return Err(budget.too_many_bytes());
    }
    drained.map_err(damaged)?;
    let entries = plant.finish()?;
    let found = super::digest::hex(metered.hasher.finalize());
    if found != id.as_str() {
        return Err(ImageError::refused(
            format!("layer {}", short(id)),
            format!(
                "is not what the image's configuration says: its content has the digest {found}"
            ),
        ));
    }
    Ok(Size {
        bytes: metered.read,
        entries,
    })
}

/// As much of a layer's identity as people need.
pub(super) fn short(id: &LayerId) -> &str {
    id.as_str().get(..12).unwrap_or_default()
}

/// Counts, digests and limits what is read through it.
struct Metered<R> {
    inner: R,
    hasher: Sha256,
    read: u64,
    most: u64,
}

impl<R> Metered<R> {
    fn is_spent(&self) -> bool {
        self.read > self.most
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_spent() {
            return Err(io::Error::other("it is larger than is allowed"));
        }
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

//! Packages and droplets: archives by digest, and the trees that are unpacked from them.
//!
//! Everything that comes out of an archive is hostile: names that climb, links that lead out,
//! bombs. Unpacking refuses them and leaves nothing behind.
//!
//! ```text
//! archives/<sha256>        packages (zip) and droplets (tar, zstd), durable
//! trees/<app>/<droplet>    droplets unpacked; can be had again from their archives
//! pool/<sha1>              files of earlier packages, so that a push sends only new ones
//! half/                    what is being written; emptied at start-up
//! boot                     the boot of the host that trees and pool were written in
//! ```

mod archives;
mod droplet;
mod error;
mod handle;
mod hash;
mod name;
mod package;
mod plant;
mod pool;
mod trees;
mod types;
mod zipped;

#[cfg(test)]
mod tests;

pub use error::BlobError;
pub use handle::Blobs;
pub use types::{Blob, Limits, Resource};

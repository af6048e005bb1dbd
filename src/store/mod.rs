//! Desired state: the whole of it in memory, every acknowledged change on disk.
//!
//! Readers take a [`State`], an immutable snapshot that costs one reference count.
//! Writers pass a closure to [`Store::commit`]; it sees the newest state, checks its
//! rules and puts or deletes records, and the commit is acknowledged when it is durable.
//!
//! On disk there are a journal of all commits (`journal`), snapshots of the whole state
//! (`snapshot`) and the keyed state in sled (`keyed`), which is what start-up reads. The
//! journal is the truth; the other two can be had again from it or from each other.

pub mod audit;
mod backup;
pub mod cascade;
mod codec;
mod config;
mod disk;
mod doomed;
mod error;
mod events;
mod frame;
mod handle;
mod ids;
mod index;
mod journal;
mod keyed;
mod lock;
mod open;
mod quotas;
mod reach;
mod record;
mod routes;
mod runs;
mod schema;
pub mod service_events;
mod services;
mod snapshot;
mod state;
mod tenancy;
mod tx;
mod writer;

#[cfg(test)]
mod tests;

pub use backup::{Existing, Moved};
pub use config::{Config, Opened, Repair, Source};
pub use doomed::Parts;
pub use error::StoreError;
pub use handle::Store;
pub use index::Indexes;
pub use record::{Change, Key, Kind, Record};
pub use state::{State, Table};
pub use tx::{Tx, Witness};

/// Milliseconds since the Unix epoch, for what is kept about when things were written.
/// Nothing is decided by it.
fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

//! Instances: prepared, started, watched, stopped and adopted, whatever they run.
//!
//! [`Drivers`] keeps a table of all instances and a task for each. The reconciler sees the
//! table and asks for starts and stops; what becomes of them shows in the table. What is in an
//! instance's folder lets the next daemon take it over.

pub mod bindings;
mod config;
pub mod credentials;
pub mod environment;
#[cfg(test)]
pub(crate) mod fake;
mod health;
mod image;
mod launcher;
mod look;
mod order;
mod phase;
mod process;
mod record;
mod runtime;
mod slot;
mod static_files;
mod supervise;
mod table;
mod tail;
mod turns;
mod usage;
mod voice;

pub use config::{Config, Identity, Platform, owner};
pub use order::{Order, TaskMark};
pub use phase::{Cause, End, Happening, Phase, STABLE};
pub use runtime::Backend;
pub use slot::{Slot, Version};
pub use table::{Busy, Drivers, GRACE, Instance};

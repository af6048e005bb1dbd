//! Images: pulled from a registry, unpacked, run, and refused.

mod cnb;
mod fake;
mod hostile;
mod made;
mod registry;
mod stories;

//! Images: pulled from a registry, unpacked, run, and refused.

mod fake;
mod hostile;
mod made;
mod registry;
mod stories;

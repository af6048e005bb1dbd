//! What comes by `git push`, read by the host's git in a sandbox without a network.
//!
//! A pack is a program for whoever unpacks it, and the host's git is in C. So it runs where a
//! build would, as the app's own user, and sees the new pack and those that are kept of the same
//! app. What it leaves is taken out as plain files through handles that follow no link: a zip of
//! the tree, the manifest, and the pack with its index. No repository with a configuration or
//! hooks outlives the sandbox.

mod kept;
mod oid;
mod reading;
mod script;

pub use kept::Head;
pub(super) use kept::Kept;
pub use oid::Oid;
pub use reading::{Checked, Reading, Remembered, Remote, is_installed};

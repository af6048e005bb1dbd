//! Sandboxes as the daemon makes them, with the real program as shim and init.
//!
//! Run as root, everything is done twice: as root, and by the same tests in a child that is
//! an ordinary user ([`user`]).

mod adoption;
mod disk;
mod files;
mod full_host;
mod internet;
mod life;
mod limits;
mod names;
mod network;
pub(crate) mod support;
mod user;
mod visits;
mod walls;
mod way_out;

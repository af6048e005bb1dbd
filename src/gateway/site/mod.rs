//! Static sites: files that the gateway itself serves.

mod answer;
mod conditions;
mod encoding;
mod file;
mod path;

pub(super) use answer::answer;
pub(super) use file::FileBody;

//! Static sites: files that the gateway itself serves.

mod answer;
mod conditions;
mod encoding;
mod file;
mod listing;
mod login;
mod path;
mod response;
mod rules;

pub(super) use answer::answer;
pub(super) use file::FileBody;
pub(super) use login::Logins;

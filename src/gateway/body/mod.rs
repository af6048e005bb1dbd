//! Message bodies on their way through.

mod lent;
mod outgoing;
mod platform;
mod upload;

pub(super) use lent::Lent;
pub(super) use outgoing::{Download, Outgoing, Source};
pub use platform::{Body, BodyError, full};
pub(super) use upload::{Upload, UploadState};

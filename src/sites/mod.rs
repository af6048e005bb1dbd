//! What a site of files says about itself: its `Staticfile`, as Cloud Foundry has it, and
//! `_headers` and `_redirects`, as hosts of static sites have them.

mod error;
mod headers;
mod password;
mod read;
mod redirects;
mod staticfile;

pub use error::SiteError;
pub use password::{is_known, verify};
pub use read::read;
pub use staticfile::is_url;

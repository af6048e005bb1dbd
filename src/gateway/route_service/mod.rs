//! Route services: servers that requests for a route pass through before they come to its app.
//!
//! As in gorouter: a request for a bound route goes to the service, with a signature that only
//! this gateway can make; the service sends it on to the same route, and by its signature it is
//! known and goes to the app. What the app answers is the service's to hand back.

mod seal;
mod turn;
mod visit;

pub use seal::{KeyError, Seal};
pub(super) use turn::turn;
pub use visit::RouteServices;
pub(super) use visit::visit;

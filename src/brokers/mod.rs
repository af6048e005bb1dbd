//! Service brokers: the client's side of the Open Service Broker API 2.17.
//!
//! What is asked and how answers are understood is pure; only [`Brokers`] talks to anybody. A
//! broker is somebody else's program: what it says is checked, bounded and never trusted, and
//! where it redirects to is never asked.

mod answer;
mod catalog;
mod client;
mod error;
mod orphans;
mod request;

pub use answer::{Answer, Bound, Fetched, LastOperation, Made, Progress};
pub use catalog::{Catalog, Invalid, read as read_catalog};
pub use client::{Asked, Brokers, Config};
pub use error::{BrokerError, Fault};
pub use orphans::{Outcome, Request, leaves_orphan};
pub use request::{Context, Target, Update, app_resource};

//! Which backend gets a request: pure data and decisions.
//!
//! A [`RouteTable`] is immutable; the reconciler makes a new one when routes or instances
//! change and hands it to the gateway as a whole.

mod address;
mod choose;
mod index;
mod table;

pub use address::{AddressError, InstanceAddress};
pub use choose::{Cursor, choose};
pub use table::{Backend, Balance, Entry, Load, RouteService, RouteTable, Target};

//! The control API from outside: requests in, documents out, no network but for the stock
//! command line's sake.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apps;
mod cf;
mod cf_push;
mod harness;
mod manifests;
mod people;
mod places;
mod push;
mod roots;
mod routing;
mod rules;
mod upload;

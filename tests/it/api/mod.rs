//! The control API from outside: requests in, documents out, no network but for the stock
//! command line's sake.

mod apps;
mod cf;
mod cf_network;
mod cf_push;
mod clients;
mod harness;
mod manifests;
mod network_policies;
mod people;
mod permissions;
mod places;
mod platform;
mod push;
mod quotas;
mod roots;
mod routing;
mod rules;
mod security_groups;
mod services;
mod terraform;
mod upload;

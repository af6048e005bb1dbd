//! The control API from outside: requests in, documents out, no network but for the stock
//! command line's sake.

mod apps;
mod cf;
mod cf_commands;
mod cf_network;
mod cf_push;
mod clients;
mod fuzz;
mod harness;
mod manifests;
mod network_policies;
mod openapi;
mod parsers;
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
mod surface;
mod terraform;
mod upload;
mod usage;

//! Pastina: a platform-as-a-service in one binary.
//!
//! The modules stand in levels; a module imports only from levels below its own
//! (`tests/it/layers.rs` holds them to it). ARCHITECTURE.md is the map.

// Level 0: what the standard library lacks.
pub mod stdx;

// Level 1: what things are.
pub mod model;

// Level 2: pure rules over the model, and small tools.
pub mod authz;
pub mod net;
pub mod promql;
pub mod routing;
pub mod runtimes;
pub mod wire;

// Level 3: each owns one kind of effect.
pub mod blobs;
pub mod brokers;
pub mod certs;
pub mod images;
pub mod logs;
pub mod sandbox;
pub mod sites;
pub mod store;
pub mod wasm;

// Level 4: effects put together for one purpose.
pub mod build;
pub mod drains;
pub mod drivers;
pub mod identity;

// Level 5: what users ask for, and what makes it so.
pub mod actions;
pub mod reconcile;

// Level 6: what is pushed by git becomes what an app runs.
pub mod git;

// Level 7: the faces.
pub mod api;
pub mod cli;
pub mod gateway;
pub mod ssh;

// Level 8: the only place that knows everything.
pub mod serve;

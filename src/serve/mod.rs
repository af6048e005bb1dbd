//! The daemon: the only place that knows everything.

pub mod config;

//! Makes what runs be what should run.

pub mod processes;

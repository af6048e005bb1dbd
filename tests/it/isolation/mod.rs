//! The isolation suite: attacks that an app or a build tries for real, a test for each.
//!
//! They run as root and, by [`user`], once more as an ordinary user. What a host cannot enforce
//! is found by asking the sandbox what is weaker (`Sandbox::weaker`), and only then expected.

mod files;
mod kernel_surface;
mod leaks;
mod logs;
mod memory;
mod network;
mod platform;
mod proc_sys;
mod processes;
mod support;
mod user;

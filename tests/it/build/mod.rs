//! Stages the examples, and apps that go wrong, for real; what came of an example is started
//! in a sandbox as the platform starts it, and asked.
//!
//! Run as root, what needs no registry is done twice: as root, and in a child that is an
//! ordinary user.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod disk;
mod examples;
mod languages;
mod mistakes;
mod place;
mod shared;
mod slips;

use crate::support::pass_as_user;

#[test]
fn builds_work_for_an_ordinary_user_too() {
    // Without what takes long or needs a registry.
    let rest = [
        "flask",
        "express",
        "the_go",
        "the_java",
        "languages",
        "slips",
    ]
    .map(|name| format!("--skip={name}"));
    let mut arguments = vec!["build::"];
    arguments.extend(rest.iter().map(String::as_str));
    pass_as_user(1501, &arguments, &[]);
}

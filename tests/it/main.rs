//! The tests from outside: one binary, one file per story.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod build;
mod dependencies;
mod e2e_bad_input;
mod e2e_bindings;
mod e2e_buildpacks;
mod e2e_cf;
mod e2e_deployments;
mod e2e_doctor;
mod e2e_droplets;
mod e2e_git;
mod e2e_identity;
mod e2e_kill;
mod e2e_library;
mod e2e_network;
mod e2e_own;
mod e2e_public;
mod e2e_reload;
mod e2e_routes;
mod e2e_sidecars;
mod e2e_sign_on;
mod e2e_sites;
mod e2e_ssh;
mod e2e_staging;
mod e2e_streams;
mod e2e_tasks;
mod e2e_user;
mod images;
mod isolation;
mod layers;
mod reconcile;
mod sandbox;
mod services;
mod support;

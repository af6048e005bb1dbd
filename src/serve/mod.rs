//! The daemon: the only place that knows everything.
//!
//! `daemon` puts the parts together, in the order in which they need each other; `hosts` says
//! which names are the platform's own; `reload` does what changes while it runs; `ending` is
//! how it stops.

mod banner;
pub mod config;
mod control;
mod daemon;
pub mod doctor;
mod ending;
mod endpoint;
mod hosts;
mod logging;
mod reload;
mod report;
mod ssh;
mod watch;

use std::process::ExitCode;

use anyhow::Context as _;

use config::Config;

/// Worker threads of the control API, the reconciler and everything that is not on the way of
/// an app's request. The gateway has threads of its own, so two are enough on any machine.
const WORKERS: usize = 2;

/// Runs the platform until it is told to end.
///
/// # Errors
/// Where it cannot start, with what to change.
pub fn main(args: &config::Args) -> anyhow::Result<ExitCode> {
    if args.check {
        return config::check(args);
    }
    let config = Config::load(args)?;
    logging::init(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("pastina")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(daemon::run(config, args))
}

//! What takes effect while the daemon runs: certificates, runtimes, the daemon's own log filter
//! where it can, the bandwidth of apps; for the rest of the configuration it says that a restart
//! is needed.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::watch;

use super::config::{Args, Config};
use crate::{certs::Certs, runtimes::Catalog};

/// Everything that can be read again.
#[derive(Debug)]
pub(super) struct Reload {
    /// What the daemon started with.
    pub(super) config: Config,
    /// The flags, which hold against every file.
    pub(super) args: Args,
    /// Certificates.
    pub(super) certs: Arc<Certs>,
    /// Runtimes.
    pub(super) runtimes: watch::Sender<Arc<Catalog>>,
    /// Most bytes a second of one app's way out.
    pub(super) bandwidth: watch::Sender<Option<u64>>,
}

impl Reload {
    /// The files and folders that matter.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let config = &self.config;
        [
            config.file.clone(),
            config.tls_cert.clone(),
            config.tls_key.clone(),
        ]
        .into_iter()
        .flatten()
        .chain([config.runtimes_dir.clone()])
        .collect()
    }

    /// Reads everything again. What is wrong is told and leaves what was there before.
    pub(super) fn run(&mut self) {
        match self.certs.reload() {
            Ok(()) => {}
            Err(errors) => {
                for error in errors {
                    tracing::error!(error = chain(&error), "the certificates before stay in use");
                }
            }
        }
        match Catalog::load(Some(&self.config.runtimes_dir)) {
            Ok(catalog) => {
                self.runtimes.send_replace(Arc::new(catalog));
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the runtimes before stay in use");
            }
        }
        match Config::load(&self.args) {
            Ok(config) => {
                let rate = config.bytes_per_second();
                self.bandwidth
                    .send_if_modified(|before| std::mem::replace(before, rate) != rate);
                self.config.bandwidth = config.bandwidth;
                let changed = self.config.changed(&config);
                if !changed.is_empty() {
                    tracing::warn!(
                        keys = changed.join(", "),
                        "the configuration changed; restart the daemon for it to take effect \
                         (apps go on running)"
                    );
                }
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the configuration before stays in effect"
                );
            }
        }
        tracing::info!("read certificates, runtimes and configuration again");
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

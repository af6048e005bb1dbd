//! What modules get out of the configuration that is not a single value.

use std::collections::BTreeMap;

use crate::blobs;

use super::Config;

impl Config {
    /// What packages may hold.
    #[must_use]
    pub const fn blobs(&self) -> blobs::Limits {
        blobs::Limits {
            upload: self.upload.bytes(),
            unpacked: self.unpacked.bytes(),
            entries: self.entries.get(),
        }
    }

    /// What `builds.pass_env` and `builds.env` put into the environment of every build;
    /// `environment` is the daemon's own.
    #[must_use]
    pub fn build_environment(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<_, _> = environment
            .into_iter()
            .filter(|(name, _)| self.build_pass_env.contains(name))
            .collect();
        variables.extend(self.build_env.0.clone());
        variables
    }
}

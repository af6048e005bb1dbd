//! What each module gets out of the configuration.

use std::{collections::BTreeMap, env};

use crate::{blobs, build};

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

    /// How builds are run.
    #[must_use]
    pub fn builds(&self) -> build::Config {
        let passed = |name: &String| env::var(name).ok().map(|value| (name.clone(), value));
        let mut variables: BTreeMap<_, _> = self.build_pass_env.iter().filter_map(passed).collect();
        variables.extend(self.build_env.0.clone());
        build::Config {
            dir: self.state_dir.join("builds"),
            memory: self.build_memory,
            timeout: self.build_timeout,
            env: variables,
        }
    }
}

//! What modules get out of the configuration that is not a single value.

use std::{collections::BTreeMap, num::NonZeroU64};

use crate::{blobs, images, model::Megabytes, net::Proxies, sandbox::Ceiling};

use super::{Config, defaults};

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

    /// What images may be, and where they may come from; `environment` is the daemon's own.
    #[must_use]
    pub fn images(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> images::Config {
        let mirrors = self.mirrors.0.iter();
        images::Config {
            dir: self.state_dir.join("images"),
            limits: images::Limits {
                download: self.image_download.bytes(),
                unpacked: self.image_unpacked.bytes(),
                ..images::Limits::default()
            },
            policy: images::Policy {
                local: self.local_registries.clone(),
                insecure: self.insecure_registries.clone(),
                mirrors: mirrors
                    .map(|(name, origin)| (name.clone(), origin.as_str().to_owned()))
                    .collect(),
            },
            proxies: Proxies::named_by(environment),
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

    /// What an instance may read and write in a second, with or without a disk of its own.
    #[must_use]
    pub fn app_ceiling(&self, own_disk: bool) -> Ceiling {
        let usual = own_disk.then_some(defaults::APP_DISK_WRITE);
        let write = self.app_disk_write.or(usual);
        Ceiling {
            read: self.app_disk_read.map(Megabytes::bytes),
            write: write.map(Megabytes::bytes).filter(|bytes| *bytes > 0),
            operations: self.app_disk_operations.map(NonZeroU64::get),
        }
    }

    /// What a build may read and write in a second.
    #[must_use]
    pub fn build_ceiling(&self) -> Ceiling {
        Ceiling {
            read: self.build_disk_read.map(Megabytes::bytes),
            write: self.build_disk_write.map(Megabytes::bytes),
            operations: self.build_disk_operations.map(NonZeroU64::get),
        }
    }

    /// Most bytes a second of one app's way out, each way; none for no limit.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        self.bandwidth.map(Megabytes::bytes)
    }

    /// Memory of all apps together: what the configuration says, else what the machine has.
    #[must_use]
    pub fn memory_of_apps(&self) -> Megabytes {
        self.machine_memory
            .unwrap_or_else(|| Megabytes(machine_megabytes()))
    }
}

/// What the kernel says the machine has (proc(5), /proc/meminfo). Where it does not say, no
/// limit is better than one that was made up.
fn machine_megabytes() -> u32 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .and_then(|kibibytes| u32::try_from(kibibytes / 1024).ok())
        .unwrap_or(u32::MAX)
}

//! How builds are run.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    certs::InstanceAuthority,
    model::{Grant, Megabytes, named_by},
    sandbox::{Ceiling, Disks},
};

/// Memory of a build where nothing else is said, as in Cloud Foundry.
const MEMORY: Megabytes = Megabytes(1024);

/// What a build may write where nothing else is said: the largest package that is taken, and as
/// much again for what is made of it.
const DISK: Megabytes = Megabytes(8192);

/// How long a build may take, as in Cloud Foundry.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How builds are run.
#[derive(Clone)]
pub struct Config {
    /// Folder of running builds and of the caches.
    pub dir: PathBuf,
    /// Memory where neither the request nor the runtime says.
    pub memory: Megabytes,
    /// Makes the disks of builds and caches.
    pub disks: Disks,
    /// What a build may write.
    pub disk: Megabytes,
    /// What a build may read and write in a second.
    pub io_ceiling: Ceiling,
    /// How long a build may take.
    pub timeout: Duration,
    /// Environment for every build (package registries, proxies).
    pub env: BTreeMap<String, String>,
    /// The builder of Cloud Native Buildpacks, an image; none where apps are not built so.
    pub builder: Option<String>,
    /// Vouches for what is built; none where builds get no certificates.
    pub authority: Option<Arc<InstanceAuthority>>,
    /// The platform's own program, which is seen inside and compiles WebAssembly.
    pub program: PathBuf,
}

// Addresses of proxies and registries often hold passwords.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("dir", &self.dir)
            .field("memory", &self.memory)
            .field("disk", &self.disk)
            .field("timeout", &self.timeout)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("program", &self.program)
            .finish()
    }
}

impl Config {
    /// The defaults, in `dir`, for builds that find their registries as the platform itself
    /// would: `environment` is the daemon's own, of which [`passed_on`] is kept.
    #[must_use]
    pub fn new(
        dir: PathBuf,
        disks: Disks,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            dir,
            disks,
            disk: DISK,
            io_ceiling: Ceiling::default(),
            memory: MEMORY,
            timeout: TIMEOUT,
            env: passed_on(environment),
            builder: None,
            authority: None,
            program: program(),
        }
    }
}

impl Config {
    /// The registries and proxies that the operator named for all builds, which are open to them
    /// wherever they are.
    pub(super) fn registries(&self) -> Vec<Grant> {
        self.env
            .values()
            .flat_map(|value| named_by(value))
            .collect()
    }
}

/// The file of the program that runs, or the newer one that has taken its place.
fn program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_default();
    // What the kernel says of a file that is not there any more.
    match path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"))
    {
        Some(there) => PathBuf::from(there),
        None => path,
    }
}

/// Variables of the daemon's own environment that builds get too: where package registries
/// are and how to reach them. A name that ends in `*` stands for all that begin so.
pub const PASSED_ON: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_*",
    "UV_INDEX_URL",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_*",
    "npm_config_*",
    "GOPROXY",
    "GONOPROXY",
    "GOPRIVATE",
    "GOSUMDB",
    "GONOSUMDB",
    "GOFLAGS",
    "GOINSECURE",
    "MAVEN_ARGS",
    "MAVEN_OPTS",
];

/// Of those that [`PASSED_ON`] names, the ones that say something about this host's tools and
/// folders, which builds do not see, and not about registries.
const HOSTS_OWN: &[&str] = &[
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_GLOBALCONFIG",
    "NPM_CONFIG_LOCATION",
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_USERCONFIG",
    "PIP_CACHE_DIR",
    "PIP_CONFIG_FILE",
    "PIP_FIND_LINKS",
    "PIP_LOG",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
];

/// Those of `environment` that builds get.
#[must_use]
pub fn passed_on(
    environment: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let passed = |name: &str| {
        PASSED_ON.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *known,
        })
    };
    environment
        .into_iter()
        .filter(|(name, _)| passed(name))
        .filter(|(name, _)| !HOSTS_OWN.contains(&name.to_ascii_uppercase().as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_registries_is_passed_on() {
        let check = |name: &str, expected: bool| {
            let kept = passed_on([(name.to_owned(), "x".to_owned())]);
            assert_eq!(kept.contains_key(name), expected, "{name}");
        };
        check("PIP_INDEX_URL", true);
        check("npm_config_registry", true);
        check("npm_config_prefix", false);
        check("https_proxy", true);
        check("HOME", false);
        check("AWS_SECRET_ACCESS_KEY", false);
        check("PASTINA_SECRET", false);
    }

    #[test]
    fn registries_are_open_to_builds() {
        let env = [
            ("PIP_INDEX_URL", "https://me:secret@pypi.lan/simple"),
            ("GOPROXY", "http://go.lan:3000|https://go.lan,direct"),
            ("HTTPS_PROXY", "http://10.0.0.1:3128"),
            ("NO_PROXY", "localhost,.lan"),
            ("PIP_CERT", "/etc/ssl/cert.pem"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::new(PathBuf::from("/x"), Disks::of_folders(""), env);
        let mut open: Vec<_> = config
            .registries()
            .into_iter()
            .map(|g| (g.host, g.port))
            .collect();
        open.sort();
        let expected = [
            ("10.0.0.1", 3128),
            ("go.lan", 443),
            ("go.lan", 3000),
            ("pypi.lan", 443),
        ];
        assert_eq!(open, expected.map(|(host, port)| (host.to_owned(), port)));
    }

    #[test]
    fn values_are_not_shown() {
        let env = [(
            "HTTPS_PROXY".to_owned(),
            "http://me:secret@proxy".to_owned(),
        )];
        let shown = format!(
            "{:?}",
            Config::new(PathBuf::from("/x"), Disks::of_folders(""), env)
        );
        assert!(
            shown.contains("HTTPS_PROXY") && !shown.contains("secret"),
            "{shown}"
        );
    }
}

//! Every key there is, with its type and its default.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use crate::{
    cli::Places,
    model::{DomainName, Megabytes, Username},
};

use super::{
    defaults,
    error::Place,
    given::Givens,
    providers::Providers,
    setting::Setting,
    types::{HostPort, Listen, LogFormat, OriginUrl, Origins, Ports, Secrets, Threads},
};

/// Makes the configuration's type, the list of its keys, and what reads and shows it. A
/// default may use the fields above its own.
macro_rules! keys {
    ($places:ident; $($(#[doc = $doc:literal])+ $key:literal $field:ident: $type:ty = $default:expr;)*) => {
        /// The whole configuration, checked. A field is described where its key is, in
        /// docs/configuration.md.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            /// Whether it is the machine's platform rather than a user's own.
            pub system: bool,
            /// The file that was read, if any.
            pub file: Option<PathBuf>,
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        /// Every key, in the order of the documentation.
        pub const KEYS: &[&str] = &[$($key),*];

        impl Config {
            /// The configuration out of what was given; complaints go to `given`.
            pub(super) fn resolve($places: &Places, given: &mut Givens) -> Self {
                $(let $field: $type = match given.take($key) {
                    None => $default,
                    Some(value) => match <$type as Setting>::read(&value) {
                        Ok(value) => value,
                        Err(wrong) => {
                            given.complain(value.place, format!("{} {wrong}", $key));
                            $default
                        }
                    },
                };)*
                Self { system: $places.system, file: None, $($field),* }
            }

            /// Every key with its value as TOML, secrets hidden; empty where there is none.
            #[must_use]
            pub fn effective(&self) -> Vec<(&'static str, String)> {
                vec![$(($key, Setting::show(&self.$field))),*]
            }

            /// The keys whose values differ in `other`.
            #[must_use]
            pub fn changed(&self, other: &Self) -> Vec<&'static str> {
                let mut changed = Vec::new();
                $(if self.$field != other.$field {
                    changed.push($key);
                })*
                changed
            }
        }
    };
}

keys! { places;
    /// Domain of the platform (`api.`, `login.`, `uaa.`, `log-cache.`, `portal.`) and of apps.
    "domain" domain: DomainName = own(defaults::DOMAIN);
    /// What must not be lost.
    "state_dir" state_dir: PathBuf = places.state_dir.clone();
    /// Sockets and the like.
    "run_dir" run_dir: PathBuf = places.run_dir_beside(&state_dir);
    /// The operator's own runtimes.
    "runtimes_dir" runtimes_dir: PathBuf = places.runtimes_dir.clone();

    /// Where HTTP is served.
    "listen.http" http: Listen =
        if places.system { defaults::SYSTEM_HTTP } else { defaults::USER_HTTP };
    /// Where HTTPS is served.
    "listen.https" https: Listen =
        if places.system { defaults::SYSTEM_HTTPS } else { defaults::USER_HTTPS };
    /// Where SSH into instances is served.
    "listen.ssh" ssh: Listen = if places.system { defaults::SYSTEM_SSH } else { defaults::USER_SSH };
    /// Ports that TCP routes may have.
    "listen.tcp_ports" tcp_ports: Ports = defaults::TCP_PORTS;
    /// Host and port of SSH as clients see them.
    "listen.external_ssh" external_ssh: Option<HostPort> = None;
    /// Address of the control API as clients see it, behind a proxy.
    "listen.external_url" external_url: Option<OriginUrl> = None;
    /// Whether a proxy stands in front, whose word on a request's scheme is believed.
    "listen.behind_proxy" behind_proxy: bool = false;

    /// Certificate chain in PEM; the platform's own where there is none.
    "tls.cert" tls_cert: Option<PathBuf> = None;
    /// The certificate's key in PEM.
    "tls.key" tls_key: Option<PathBuf> = None;

    /// Name of the first administrator.
    "admin.username" admin_username: Username = user(defaults::ADMIN);
    /// File with the first administrator's password; made where there is none.
    "admin.password_file" admin_password_file: PathBuf =
        state_dir.join(defaults::ADMIN_PASSWORD_FILE);
    /// Who else vouches for people, by OpenID Connect.
    "identity.providers" providers: Providers = Providers::default();
    /// How long an access token is good for.
    "tokens.access" access_token: Duration = defaults::ACCESS_TOKEN;
    /// How long a refresh token is good for.
    "tokens.refresh" refresh_token: Duration = defaults::REFRESH_TOKEN;

    /// Most bytes of an uploaded package.
    "limits.upload" upload: Megabytes = defaults::UPLOAD;
    /// Most bytes of a package when unpacked.
    "limits.unpacked" unpacked: Megabytes = defaults::UNPACKED;
    /// Most files, folders and links of a package.
    "limits.entries" entries: NonZeroU64 = defaults::ENTRIES;
    /// Memory of all apps and builds together; what the machine has where not given.
    "limits.machine_memory" machine_memory: Option<Megabytes> = None;
    /// Most that an app may send in a second to what it reaches by itself, and receive from it.
    "limits.bandwidth" bandwidth: Option<Megabytes> = None;

    /// Memory of an instance where nothing is said.
    "apps.memory" app_memory: Megabytes = defaults::APP_MEMORY;
    /// Disk of an instance where nothing is said.
    "apps.disk" app_disk: Megabytes = defaults::APP_DISK;
    /// Most that an instance may read from each disk in a second.
    "apps.disk_read" app_disk_read: Option<Megabytes> = None;
    /// Most that an instance may write to each disk in a second; 0 for no limit.
    "apps.disk_write" app_disk_write: Option<Megabytes> = None;
    /// Most times in a second that an instance may read from a disk, and write to it.
    "apps.disk_operations" app_disk_operations: Option<NonZeroU64> = None;
    /// Most processes and threads of an instance.
    "apps.pids" app_pids: NonZeroU32 = defaults::APP_PIDS;
    /// How long an app may take to stop once it was asked to.
    "apps.grace" app_grace: Duration = defaults::APP_GRACE;
    /// How long the certificate that tells whose an instance is is good for.
    "apps.certificate_life" app_certificate: Duration = defaults::APP_CERTIFICATE;
    /// How many instances may be starting at one time.
    "apps.starting" app_starting: NonZeroUsize = defaults::APP_STARTING;
    /// First user id on the host of the first app's range, as root.
    "apps.first_uid" app_first_uid: NonZeroU32 = defaults::APP_FIRST_UID;

    /// Memory of a build where nothing is said.
    "builds.memory" build_memory: Megabytes = defaults::BUILD_MEMORY;
    /// What a build may write.
    "builds.disk" build_disk: Megabytes = defaults::BUILD_DISK;
    /// Most that a build may read from each disk in a second.
    "builds.disk_read" build_disk_read: Option<Megabytes> = None;
    /// Most that a build may write to each disk in a second.
    "builds.disk_write" build_disk_write: Option<Megabytes> = None;
    /// Most times in a second that a build may read from a disk, and write to it.
    "builds.disk_operations" build_disk_operations: Option<NonZeroU64> = None;
    /// How long a build may take.
    "builds.timeout" build_timeout: Duration = defaults::BUILD_TIMEOUT;
    /// How many builds run at once.
    "builds.parallel" build_parallel: NonZeroUsize = defaults::BUILD_PARALLEL;
    /// The image in which Cloud Native Buildpacks build apps and apps built so run.
    "builds.cnb_builder" cnb_builder: Option<String> = None;
    /// Environment of every build.
    "builds.env" build_env: Secrets = Secrets::default();
    /// More variables of the daemon's own environment that builds get.
    "builds.pass_env" build_pass_env: Vec<String> = Vec::new();

    /// Whether images may be pushed.
    "images.enabled" images: bool = defaults::IMAGES;
    /// Registries that may be at addresses of this machine and of private networks.
    "images.local_registries" local_registries: Vec<String> =
        if places.system { Vec::new() } else { defaults::LOCAL_REGISTRIES.map(str::to_owned).into() };
    /// Registries that are spoken to without TLS.
    "images.insecure_registries" insecure_registries: Vec<String> = Vec::new();
    /// Servers that are asked before a registry, by the registry's name.
    "images.mirrors" mirrors: Origins = Origins::default();
    /// Most bytes of an image as it is sent.
    "images.download" image_download: Megabytes = defaults::IMAGE_DOWNLOAD;
    /// Most bytes of an image when unpacked.
    "images.unpacked" image_unpacked: Megabytes = defaults::IMAGE_UNPACKED;

    /// Most bytes of logs kept for an app.
    "logs.bytes_per_app" log_bytes: Megabytes = defaults::LOG_BYTES;
    /// How the daemon's own log is written.
    "logs.format" log_format: LogFormat = defaults::LOG_FORMAT;
    /// What of the daemon's own log is written.
    "logs.filter" log_filter: String = defaults::LOG_FILTER.to_owned();

    /// Threads of the gateway.
    "gateway.threads" gateway_threads: Threads = defaults::GATEWAY_THREADS;
    /// Most connections of clients at once.
    "gateway.connections" gateway_connections: NonZeroUsize = defaults::GATEWAY_CONNECTIONS;
    /// How long a connection to an app may take to open.
    "gateway.connect_timeout" gateway_connect: Duration = defaults::GATEWAY_CONNECT;
    /// How long an app may take to begin its answer.
    "gateway.request_timeout" gateway_request: Duration = defaults::GATEWAY_REQUEST;
    /// How long a client may take to send a request's head.
    "gateway.header_timeout" gateway_header: Duration = defaults::GATEWAY_HEADER;
    /// How long an unused connection of a client is kept.
    "gateway.idle_timeout" gateway_idle: Duration = defaults::GATEWAY_IDLE;
    /// How long running requests may finish when the daemon stops.
    "gateway.drain" gateway_drain: Duration = defaults::GATEWAY_DRAIN;
}

fn own(name: &str) -> DomainName {
    DomainName::parse(name).expect("the constant is a domain name")
}

fn user(name: &str) -> Username {
    Username::parse(name).expect("the constant is a user name")
}

impl Config {
    /// Complains about values that are right alone and wrong together.
    pub(super) fn check_together(&self, given: &mut Givens) {
        if self.http == Listen::Off && self.https == Listen::Off {
            let message = "listen.http and listen.https are both off, so nobody could reach it";
            given.complain(Place::Unset, message);
        }
        if let (Listen::On(http), Listen::On(https)) = (self.http, self.https)
            && http == https
            && http.port() != 0
        {
            let message = format!("listen.http and listen.https are both {http}");
            given.complain(Place::Unset, message);
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => given.complain(Place::Unset, "tls.cert needs tls.key beside it"),
            (None, Some(_)) => given.complain(Place::Unset, "tls.key needs tls.cert beside it"),
            _ => {}
        }
        let rates = [
            ("limits.bandwidth", self.bandwidth),
            ("apps.disk_read", self.app_disk_read),
            ("builds.disk_read", self.build_disk_read),
            ("builds.disk_write", self.build_disk_write),
        ];
        for (key, _) in rates.iter().filter(|(_, rate)| *rate == Some(Megabytes(0))) {
            let message = format!("{key} must be at least \"1M\"; leave it out for no limit");
            given.complain(Place::Unset, message);
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log_filter) {
            let message = format!("logs.filter {:?} is not a filter: {error}", self.log_filter);
            given.complain(Place::Unset, message);
        }
    }
}

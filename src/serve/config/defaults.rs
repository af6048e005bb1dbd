//! Every default as a named constant, with why it is what it is.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use crate::{
    identity::Lifetimes,
    model::{Megabytes, PortRange},
};

use super::types::{Listen, LogFormat, Ports, Threads};

/// Resolves to the loopback everywhere, with everything under it, so a laptop needs no DNS.
pub(super) const DOMAIN: &str = "localhost";

const fn on(address: Ipv4Addr, port: u16) -> Listen {
    Listen::On(SocketAddr::new(std::net::IpAddr::V4(address), port))
}

/// A server's HTTP is for everybody.
pub(super) const SYSTEM_HTTP: Listen = on(Ipv4Addr::UNSPECIFIED, 80);
/// A server's HTTPS is for everybody.
pub(super) const SYSTEM_HTTPS: Listen = on(Ipv4Addr::UNSPECIFIED, 443);
/// A laptop's apps are its user's own, and a port from 1024 needs no right.
pub(super) const USER_HTTP: Listen = on(Ipv4Addr::LOCALHOST, 8080);
/// The customary neighbour of 8080.
pub(super) const USER_HTTPS: Listen = on(Ipv4Addr::LOCALHOST, 8443);

/// Cloud Foundry's port for SSH.
pub(super) const SYSTEM_SSH: Listen = on(Ipv4Addr::UNSPECIFIED, 2222);
/// As the rest of a laptop's.
pub(super) const USER_SSH: Listen = on(Ipv4Addr::LOCALHOST, 2222);

/// A hundred, as Cloud Foundry's group has; just past those that the kernel gives to outgoing
/// connections (`ip_local_port_range`), so that none of these is in the way, and where few
/// programs listen. Cloud Foundry's own, from 1024 on, are those of half the programs on a laptop.
pub(super) const TCP_PORTS: Ports = Ports(Some(PortRange {
    first: 61_000,
    last: 61_099,
}));

/// What everybody who installs Cloud Foundry looks for first.
pub(super) const ADMIN: &str = "admin";
/// The name of the generated password's file in the state folder.
pub(super) const ADMIN_PASSWORD_FILE: &str = "admin-password";

/// As identity has it.
pub(super) const ACCESS_TOKEN: Duration = Lifetimes::DEFAULT.access;
/// As identity has it.
pub(super) const REFRESH_TOKEN: Duration = Lifetimes::DEFAULT.session;

/// Cloud Foundry's package limit; larger ones are nearly always a forgotten `.cfignore`.
pub(super) const UPLOAD: Megabytes = Megabytes(1024);
/// Four times the upload: text compresses to a quarter, a bomb to a thousandth.
pub(super) const UNPACKED: Megabytes = Megabytes(4096);
/// A large `node_modules` has some 100,000 entries.
pub(super) const ENTRIES: NonZeroU64 = match NonZeroU64::new(200_000) {
    Some(entries) => entries,
    None => NonZeroU64::MIN,
};

/// Cloud Foundry's own default, which manifests that leave it out were written against.
pub(super) const APP_MEMORY: Megabytes = Megabytes(1024);
/// Cloud Foundry's own default.
pub(super) const APP_DISK: Megabytes = Megabytes(1024);
/// Where an instance has a disk of its own. More than apps write for long; what the kernel does
/// for one that writes all it can is then too little for its neighbours to notice.
pub(super) const APP_DISK_WRITE: Megabytes = Megabytes(64);
/// Room for a Java server's threads, far from what hurts the machine.
pub(super) const APP_PIDS: NonZeroU32 = match NonZeroU32::new(1024) {
    Some(pids) => pids,
    None => NonZeroU32::MIN,
};

/// Cloud Foundry's ten seconds between asking an app to stop and stopping it.
pub(super) const APP_GRACE: Duration = Duration::from_secs(10);
/// Cloud Foundry's day: what somebody has stolen is soon good for nothing.
pub(super) const APP_CERTIFICATE: Duration = Duration::from_secs(24 * 60 * 60);
/// As many as find a processor to start on, even on a small machine; more starve each other.
pub(super) const APP_STARTING: NonZeroUsize = match NonZeroUsize::new(8) {
    Some(starting) => starting,
    None => NonZeroUsize::MIN,
};
/// Past what a machine hands to its users as subordinate ids (from 100,000 on), and below
/// 2^31, past which some programs cannot count: room for 24,000 apps of 65,536 ids.
pub(super) const APP_FIRST_UID: NonZeroU32 = match NonZeroU32::new(0x2000_0000) {
    Some(uid) => uid,
    None => NonZeroU32::MIN,
};

/// Cloud Foundry's staging memory; a Maven or npm build of a common size fits.
pub(super) const BUILD_MEMORY: Megabytes = Megabytes(1024);
/// The largest package that is taken, and as much again for what is made of it.
pub(super) const BUILD_DISK: Megabytes = Megabytes(2 * UNPACKED.0);
/// Cloud Foundry's staging timeout, which its clients wait for, too.
pub(super) const BUILD_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Builds are hungry; two keep the network and the processor busy in turn.
pub(super) const BUILD_PARALLEL: NonZeroUsize = match NonZeroUsize::new(2) {
    Some(parallel) => parallel,
    None => NonZeroUsize::MIN,
};
/// Off in Cloud Foundry, where images come past the operator's choice of what apps are made of; here
/// all apps have the same walls, and whoever looks for images expects them.
pub(super) const IMAGES: bool = true;
/// On a laptop the registry of the laptop's owner is meant, who may reach it anyway. A server's
/// loopback is none of its tenants' business.
pub(super) const LOCAL_REGISTRIES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// The largest images in common use, with a machine-learning framework, have some 3 GiB.
pub(super) const IMAGE_DOWNLOAD: Megabytes = Megabytes(4096);
/// Programs compress to a third; a bomb to a thousandth.
pub(super) const IMAGE_UNPACKED: Megabytes = Megabytes(12_288);
/// Some 100,000 lines of an app: a day of a busy one, and little beside its droplet.
pub(super) const LOG_BYTES: Megabytes = Megabytes(16);
/// For the person who started it; under systemd the journal adds what else there is.
pub(super) const LOG_FORMAT: LogFormat = LogFormat::Text;
/// What an operator wants to know of an ordinary day.
pub(super) const LOG_FILTER: &str = "info";

/// The gateway is bound by the processor, and a thread of its own keeps a core's caches warm.
pub(super) const GATEWAY_THREADS: Threads = Threads::Auto;
/// What the open files of systemd's unit have plenty of room for, two to a request.
pub(super) const GATEWAY_CONNECTIONS: NonZeroUsize = match NonZeroUsize::new(20_000) {
    Some(connections) => connections,
    None => NonZeroUsize::MIN,
};
/// An app on the same machine accepts at once or not at all; gorouter's value.
pub(super) const GATEWAY_CONNECT: Duration = Duration::from_secs(5);
/// How long an app may think, gorouter's value.
pub(super) const GATEWAY_REQUEST: Duration = Duration::from_secs(15 * 60);
/// How long a client may take to send its headers: a slow reader of honest intent needs less.
pub(super) const GATEWAY_HEADER: Duration = Duration::from_secs(15);
/// How long an unused connection of a client is kept, gorouter's value.
pub(super) const GATEWAY_IDLE: Duration = Duration::from_secs(90);
/// How long running requests may finish when the gateway stops; systemd waits longer.
pub(super) const GATEWAY_DRAIN: Duration = Duration::from_secs(20);

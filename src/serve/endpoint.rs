//! Where a client on this machine finds the daemon.

use std::net::SocketAddr;

use super::config::Config;
use crate::{certs::Certs, cli::Endpoint, gateway::Gateway};

/// How clients on this machine find the daemon.
pub(super) fn endpoint(config: &Config, gateway: &Gateway, certs: &Certs) -> Endpoint {
    let http = gateway.http_addrs().first().copied();
    let https = gateway.https_addrs().first().copied();
    let own = match (https, http) {
        (Some(at), _) => format!("https://{}", reachable(at)),
        (None, Some(at)) => format!("http://{}", reachable(at)),
        (None, None) => String::new(),
    };
    Endpoint {
        api: config
            .external_url
            .as_ref()
            .map_or(own, |url| url.as_str().to_owned()),
        http_listen: http.map(|at| at.to_string()),
        https_listen: https.map(|at| at.to_string()),
        ssh_listen: None,
        ca_file: Some(certs.ca_pem_path().to_owned()),
        admin_username: config.admin_username.to_string(),
        admin_password_file: config.admin_password_file.clone(),
    }
}

/// An address that a client on this machine can connect to: not "any".
fn reachable(mut at: SocketAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

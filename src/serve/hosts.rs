//! Which names are the platform's own, and under which address it is found.

use std::sync::Arc;

use crate::model::DomainName;

/// The names before the platform's domain that are its own, as Cloud Foundry has them.
const SYSTEM: [&str; 7] = [
    "api",
    "doppler",
    "uaa",
    "login",
    "log-cache",
    "log-stream",
    "portal",
];

/// Whether a host (lower case, no port) is one of the platform's own under `domain`, or the
/// one in `external` (an URL's origin).
pub(super) fn platform(
    domain: &DomainName,
    external: Option<&str>,
) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
    let suffix = format!(".{domain}");
    let external = external.map(host_of);
    Arc::new(move |host| {
        external.as_deref() == Some(host)
            || host
                .strip_suffix(&suffix)
                .is_some_and(|name| SYSTEM.contains(&name))
    })
}

/// Whether the platform's own authority vouches for a host: everything under its domain.
pub(super) fn own(domain: &DomainName) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
    let domain = domain.to_string();
    let suffix = format!(".{domain}");
    Arc::new(move |host| host == domain || host.ends_with(&suffix))
}

fn host_of(origin: &str) -> String {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) {
                host
            } else {
                authority
            }
        });
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platforms_names_are_its_own() {
        let domain = DomainName::parse("lab.example.kr").unwrap();
        let platform = platform(&domain, Some("https://PaaS.example.kr:8443"));
        assert!(platform("api.lab.example.kr"));
        assert!(platform("uaa.lab.example.kr"));
        assert!(platform("paas.example.kr"));
        assert!(!platform("app.lab.example.kr"));
        assert!(!platform("api.app.lab.example.kr"));
        assert!(!platform("lab.example.kr"));
        let own = own(&domain);
        assert!(own("app.lab.example.kr"));
        assert!(!own("xlab.example.kr"));
    }
}

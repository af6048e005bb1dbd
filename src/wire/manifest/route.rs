//! Route addresses as manifests write them.

use crate::model::{DomainName, RouteHost, RoutePath};

/// A host name and a path or a port, such as `shop.example.kr/v1`; which part of the name is the domain
/// depends on the domains that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteUrl {
    /// As it was written.
    pub text: String,
    name: String,
    /// The path; empty for all paths.
    pub path: RoutePath,
    /// The port of a TCP route.
    pub port: Option<u16>,
}

impl RouteUrl {
    /// The address in `text`; a scheme is dropped.
    ///
    /// # Errors
    /// Words for the user, without naming the app.
    pub fn parse(text: &str) -> Result<Self, String> {
        let malformed = || format!("The route '{text}' is not a properly formed URL");
        let rest = text
            .split_once("://")
            .map_or(text, |(_scheme, rest)| rest)
            .trim();
        let (name, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (name, port) = match name.split_once(':') {
            None => (name, None),
            Some((name, port)) => {
                let digits = path.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = port.parse().ok().filter(|_| digits);
                (name, Some(port.ok_or_else(malformed)?))
            }
        };
        let name = name.to_lowercase();
        let path = RoutePath::parse(if path == "/" { "" } else { path })
            .map_err(|error| format!("For route '{text}': {error}"))?;
        let url = Self {
            text: text.to_owned(),
            name,
            path,
            port,
        };
        if url.candidates().next().is_none() {
            return Err(malformed());
        }
        Ok(url)
    }

    /// The ways to read the name as host and domain, the best first: without a host, then with
    /// the first label as host.
    pub fn candidates(&self) -> impl Iterator<Item = (RouteHost, DomainName)> + '_ {
        let whole = Some(("", self.name.as_str()));
        let split = self.name.split_once('.');
        whole.into_iter().chain(split).filter_map(|(host, domain)| {
            Some((
                RouteHost::parse(host).ok()?,
                DomainName::parse(domain).ok()?,
            ))
        })
    }
}

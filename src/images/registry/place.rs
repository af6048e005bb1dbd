//! Where a request goes, and where a registry may send it on to.

use http::Uri;

use crate::images::{Policy, config::host_of};

/// An address, and whether it was chosen by the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Without TLS.
    plain: bool,
    authority: String,
    path: String,
    trusted: bool,
}

impl Place {
    /// A registry that somebody named.
    pub(super) fn registry(policy: &Policy, authority: &str) -> Self {
        Self {
            plain: policy.is_plain(authority),
            authority: authority.to_owned(),
            path: "/".to_owned(),
            trusted: false,
        }
    }

    /// A server that the operator named, with its scheme.
    pub(super) fn trusted(origin: &str) -> Option<Self> {
        let place = Self::parse(origin)?;
        Some(Self {
            trusted: true,
            ..place
        })
    }

    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        if authority.contains('@') || host_of(authority).is_empty() {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self {
            plain,
            authority: authority.to_owned(),
            path: path.to_owned(),
            trusted: false,
        })
    }

    /// The same server at another path.
    pub(super) fn with_path(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// Where `location` leads from here. None where it is no address, and where it leads from
    /// a connection that nobody can read along to one that everybody can.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let next = if location.starts_with('/') && !location.starts_with("//") {
            self.with_path(location)
        } else {
            Self::parse(location)?
        };
        if next.authority == self.authority && next.plain == self.plain {
            return Some(Self {
                trusted: self.trusted,
                ..next
            });
        }
        (!next.plain || self.plain).then_some(next)
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) const fn is_trusted(&self) -> bool {
        self.trusted
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_leads_to_no_weaker_connection() {
        let check = |from: &str, location: &str, expected: Option<&str>| {
            let from = Place::parse(from).unwrap();
            let next = from.redirected(location).map(|next| next.url());
            assert_eq!(next.as_deref(), expected, "{location}");
        };
        let tls = "https://r.kr/v2/";
        check(tls, "/a?b=c", Some("https://r.kr/a?b=c"));
        check(
            tls,
            "https://cdn.kr/a?sig=x",
            Some("https://cdn.kr/a?sig=x"),
        );
        check(tls, "http://cdn.kr/a", None);
        check(tls, "http://r.kr/a", None);
        check(tls, "file:///etc/passwd", None);
        check(tls, "//cdn.kr/a", None);
        check(tls, "https://me:secret@cdn.kr/a", None);
        check(tls, "", None);
        let plain = "http://localhost:5000/v2/";
        check(
            plain,
            "http://localhost:5000/a",
            Some("http://localhost:5000/a"),
        );
        check(plain, "https://cdn.kr/a", Some("https://cdn.kr/a"));
    }

    #[test]
    fn only_the_operators_own_choice_is_trusted_and_no_further() {
        let mirror = Place::trusted("http://10.0.0.1:5000").unwrap();
        assert!(mirror.with_path("/v2/").is_trusted());
        let same = mirror.redirected("/elsewhere").unwrap();
        assert!(same.is_trusted());
        let other = mirror.redirected("http://10.0.0.2:5000/").unwrap();
        assert!(!other.is_trusted());
        assert!(Place::trusted("10.0.0.1:5000").is_none());
    }
}

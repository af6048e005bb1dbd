//! From a request's path to a file's name.

use percent_encoding::percent_decode_str;

use crate::model::Site;

/// Which file a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The name beneath the root, without slashes at its ends; empty for the root itself.
    pub(super) name: String,
    /// Whether the path ends in a slash.
    pub(super) folder: bool,
}

impl Wanted {
    /// The start page.
    pub(super) const fn start() -> Self {
        Self {
            name: String::new(),
            folder: true,
        }
    }
}

/// The one folder with a dot that is meant to be read (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// What of an app is not for readers where all of it is served (Cloud Foundry leaves it out, too).
const OF_THE_APP: [&str; 4] = ["manifest.yml", ".profile", ".profile.d", ".cloudfoundry"];

/// A request's path as people write it; none where it names nothing that could be served.
pub(super) fn decode(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let is_odd = |letter: char| letter == '\\' || letter.is_control();
    (!decoded.contains(is_odd)).then(|| decoded.into_owned())
}

/// The file that a decoded `path` names, or `None` where it names none that is to be served:
/// hidden files, ways up, and what configures the server (Cloud Foundry's Staticfile buildpack).
pub(super) fn resolve(path: &str, site: &Site) -> Option<Wanted> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (depth, part) in parts.iter().enumerate() {
        let is_shown = match *part {
            "." | ".." => false,
            WELL_KNOWN => depth == 0 || site.dot_files,
            _ => site.dot_files || !part.starts_with('.'),
        };
        if !is_shown {
            return None;
        }
    }
    if configures(&parts, site) {
        return None;
    }
    Some(Wanted {
        name: parts.join("/"),
        folder: path.ends_with('/'),
    })
}

fn configures(parts: &[&str], site: &Site) -> bool {
    match parts {
        ["Staticfile" | "Staticfile.auth" | "nginx.conf" | "_headers" | "_redirects"]
        | ["nginx", "conf", ..] => true,
        [first, ..] => site.whole_app && OF_THE_APP.contains(first),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_served() {
        let check = |path: &str, expected: Option<(&str, bool)>| {
            let found = decode(path).and_then(|path| resolve(&path, &Site::default()));
            let found = found
                .as_ref()
                .map(|wanted| (wanted.name.as_str(), wanted.folder));
            assert_eq!(found, expected, "{path}");
        };
        check("/", Some(("", true)));
        check("/a/b.html", Some(("a/b.html", false)));
        check("/a%20b/", Some(("a b", true)));
        check("//a///b", Some(("a/b", false)));
        check("/.well-known/acme", Some((".well-known/acme", false)));
        check("/docs/Staticfile", Some(("docs/Staticfile", false)));
        for path in [
            "/../etc/passwd",
            "/a/%2e%2e/b",
            "/%2e%2e%2fetc",
            "/.git/config",
            "/a/.env",
            "/a/.well-known/x",
            "/a%00b",
            "/a%5cb",
            "/%ff",
            "/Staticfile",
            "/%53taticfile",
            "/Staticfile.auth",
            "/nginx.conf",
            "/nginx/conf/includes/x.conf",
            "/_headers",
            "/_redirects",
        ] {
            check(path, None);
        }
        check("/manifest.yml", Some(("manifest.yml", false)));
    }

    #[test]
    fn what_begins_with_a_dot_is_served_where_the_site_says_so() {
        let site = Site {
            whole_app: true,
            dot_files: true,
            ..Site::default()
        };
        let is_served = |path: &str| {
            decode(path)
                .and_then(|path| resolve(&path, &site))
                .is_some()
        };
        for path in ["/.hidden", "/a/.b/c", "/a/.well-known/x"] {
            assert!(is_served(path), "{path}");
        }
        for path in [
            "/../x",
            "/a/./b",
            "/.profile",
            "/.profile.d/x.sh",
            "/manifest.yml",
            "/Staticfile",
        ] {
            assert!(!is_served(path), "{path}");
        }
    }
}

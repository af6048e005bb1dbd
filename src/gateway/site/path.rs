//! From a request's path to a file's name.

use percent_encoding::percent_decode_str;

/// Which file a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The name beneath the root, without slashes at its ends; empty for the root itself.
    pub(super) name: String,
    /// Whether the path ends in a slash.
    pub(super) folder: bool,
}

/// The one folder with a dot that is meant to be read (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The file that `path` names, or `None` where it names none that is to be served: hidden
/// files, ways up, and what configures the server (Cloud Foundry's Staticfile buildpack).
pub(super) fn resolve(path: &str) -> Option<Wanted> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    if decoded.contains(|letter: char| letter == '\\' || letter.is_control()) {
        return None;
    }
    let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    for (depth, part) in parts.iter().enumerate() {
        if part.starts_with('.') && !(depth == 0 && *part == WELL_KNOWN) {
            return None;
        }
    }
    if configures(&parts) {
        return None;
    }
    Some(Wanted {
        name: parts.join("/"),
        folder: decoded.ends_with('/'),
    })
}

fn configures(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["Staticfile" | "Staticfile.auth" | "nginx.conf"] | ["nginx", "conf", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_served() {
        let check = |path: &str, expected: Option<(&str, bool)>| {
            let found = resolve(path);
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
        ] {
            check(path, None);
        }
    }
}

//! Names of images, as people write them: `nginx`, `ghcr.io/me/shop:1.2`, `shop@sha256:...`.

use std::fmt;

/// Where names without a registry are looked up.
const HUB: &str = "docker.io";
/// The host that answers for it.
const HUB_HOST: &str = "registry-1.docker.io";
/// Where the Hub's own images are.
const HUB_OWN: &str = "library";
/// The tag where none is given.
const LATEST: &str = "latest";

/// Longest name, without tag and digest (the distribution project's own limit).
const MAX_NAME: usize = 255;
/// Longest tag (distribution specification).
const MAX_TAG: usize = 128;

/// What makes a text not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of an image: {why}")]
pub struct InvalidReference {
    text: String,
    why: &'static str,
}

/// Which of a repository's images.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Tag(String),
    /// With `sha256:` before it. The tag beside it says nothing any more.
    Digest(String),
}

/// The name of an image, checked and in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    which: Which,
}

impl Reference {
    /// The image that `text` names.
    ///
    /// # Errors
    /// [`InvalidReference`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let refuse = |why| InvalidReference {
            text: text.chars().take(200).collect(),
            why,
        };
        if text.contains("://") {
            return Err(refuse(
                "leave out the scheme, as in registry.example.kr/shop",
            ));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is before a port.
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].split_once(':') {
            Some((name, tag)) => (&rest[..slash + name.len()], Some(tag)),
            None => (rest, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_host(first) => (first.to_ascii_lowercase(), path.to_owned()),
            _ => (HUB.to_owned(), name.to_owned()),
        };
        let registry = match registry.as_str() {
            "index.docker.io" | HUB_HOST => HUB.to_owned(),
            _ => registry,
        };
        let path = if registry == HUB && !path.contains('/') {
            format!("{HUB_OWN}/{path}")
        } else {
            path
        };
        let begins_well = registry.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        if !begins_well || registry.parse::<http::uri::Authority>().is_err() {
            return Err(refuse("its registry is not a host"));
        }
        if path.len() > MAX_NAME || !path.split('/').all(is_component) {
            return Err(refuse(
                "names are small letters, digits, \".\", \"_\" and \"-\", with \"/\" between",
            ));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse(
                "its tag may have letters, digits, \".\", \"_\" and \"-\"",
            ));
        }
        let which = match digest {
            Some(digest) if is_digest(digest) => Which::Digest(digest.to_owned()),
            Some(_) => return Err(refuse("its digest is not \"sha256:\" and 64 digits")),
            None => Which::Tag(tag.unwrap_or(LATEST).to_owned()),
        };
        Ok(Self {
            registry,
            repository: path,
            which,
        })
    }

    /// The registry as people name it, with its port.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host that answers for the registry, with its port.
    pub(super) fn host(&self) -> &str {
        match self.registry.as_str() {
            HUB => HUB_HOST,
            other => other,
        }
    }

    /// The path of the image in its registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What its manifest is asked for by: a tag or a digest.
    pub(super) fn selector(&self) -> &str {
        match &self.which {
            Which::Tag(text) | Which::Digest(text) => text,
        }
    }

    /// The digest, where it is asked for by that.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        match &self.which {
            Which::Digest(digest) => Some(digest),
            Which::Tag(_) => None,
        }
    }

    /// Path and tag, for messages that name the registry themselves.
    pub(super) fn short(&self) -> String {
        let repository = match self.repository.split_once('/') {
            Some((HUB_OWN, name)) if self.registry == HUB => name,
            _ => &self.repository,
        };
        match &self.which {
            Which::Tag(tag) => format!("{repository}:{tag}"),
            Which::Digest(digest) => format!("{repository}@{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.short())
    }
}

/// Whether the first part of a name is a registry and not the beginning of a path.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// Separators stand between letters and digits, at most two `_`.
fn is_component(part: &str) -> bool {
    let plain = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = part.as_bytes();
    plain(bytes.first())
        && plain(bytes.last())
        && bytes
            .iter()
            .all(|byte| plain(Some(byte)) || b"._-".contains(byte))
        && !part.contains("..")
        && !part.contains("___")
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_TAG).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

/// Whether `text` is a digest of the one kind that is in use.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.parse::<crate::model::LayerId>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_the_hubs() {
        let check = |text: &str, host: &str, repository: &str, selector: &str, shown: &str| {
            let found = Reference::parse(text).unwrap();
            assert_eq!(found.host(), host, "{text}");
            assert_eq!(found.repository(), repository, "{text}");
            assert_eq!(found.selector(), selector, "{text}");
            assert_eq!(found.to_string(), shown, "{text}");
        };
        let hub = "registry-1.docker.io";
        check(
            "nginx",
            hub,
            "library/nginx",
            "latest",
            "docker.io/nginx:latest",
        );
        check(
            "me/shop:1.2",
            hub,
            "me/shop",
            "1.2",
            "docker.io/me/shop:1.2",
        );
        check(
            "docker.io/nginx",
            hub,
            "library/nginx",
            "latest",
            "docker.io/nginx:latest",
        );
        check(
            "ghcr.io/me/shop",
            "ghcr.io",
            "me/shop",
            "latest",
            "ghcr.io/me/shop:latest",
        );
        check(
            "localhost:5000/a/b:c",
            "localhost:5000",
            "a/b",
            "c",
            "localhost:5000/a/b:c",
        );
        check(
            "[::1]:5000/a",
            "[::1]:5000",
            "a",
            "latest",
            "[::1]:5000/a:latest",
        );
        let digest = format!("sha256:{}", "0".repeat(64));
        check(
            &format!("r.kr/a:1@{digest}"),
            "r.kr",
            "a",
            &digest,
            &format!("r.kr/a@{digest}"),
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let check = |text: &str| assert!(Reference::parse(text).is_err(), "{text}");
        check("");
        check("https://ghcr.io/me/shop");
        check("ghcr.io/");
        check("Shop");
        check("a//b");
        check("a/../b");
        check("../b");
        check("a:");
        check("a:b c");
        check("a?x=y");
        check("a:b/c/..%2f");
        check("user@ghcr.io/shop");
        check("a@sha256:12");
        check("a@md5:00000000000000000000000000000000");
        check("a b.kr/x");
        check(&format!("a:{}", "t".repeat(129)));
        check(&"a/".repeat(200));
    }
}

//! Names that people give: parsed once at the edge, valid ever after.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};

/// What makes a text not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("{what} can't be blank")]
    Blank {
        /// Which name.
        what: &'static str,
    },
    /// More characters than allowed.
    #[error("{what} is too long (maximum is {max} characters)")]
    TooLong {
        /// Which name.
        what: &'static str,
        /// Most characters that are allowed.
        max: usize,
    },
    /// A character or shape that is not allowed; `rule` says what is.
    #[error("{what} {text:?} {rule}")]
    Shape {
        /// Which name.
        what: &'static str,
        /// The offending text.
        text: String,
        /// What would be right.
        rule: &'static str,
    },
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident($what:literal, $check:expr)),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name in `text`.
            ///
            /// # Errors
            /// [`InvalidName`] says which rule `text` breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let check: fn(&'static str, &str) -> Result<(), InvalidName> = $check;
                check($what, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

names! {
    /// The name of an organization, unique on the platform.
    OrgName("name", printable),
    /// The name of a space, unique in its organization.
    SpaceName("name", printable),
    /// The name of an isolation segment, unique on the platform.
    SegmentName("name", printable),
    /// The name of a quota, unique on the platform or in its organization.
    QuotaName("name", printable),
    /// The name of an app, unique in its space.
    AppName("name", printable),
    /// The name by which a user logs in.
    Username("username", printable),
    /// The type of a process: `web`, `worker`, ...
    ProcessType("type", process_type),
    /// A domain name in lower case, such as `apps.example.kr`.
    DomainName("name", domain_name),
    /// The host part of a route: a DNS label (or several), `*`, or nothing.
    RouteHost("host", route_host),
    /// The name of a security group, unique on the platform.
    SecurityGroupName("name", printable),
    /// The name of a service instance, unique in its space.
    ServiceName("name", printable),
    /// The path part of a route: nothing, or `/` and at least one more character.
    RoutePath("path", route_path),
}

impl ProcessType {
    /// The type that receives HTTP requests unless a route says otherwise.
    #[must_use]
    pub fn web() -> Self {
        Self("web".to_owned())
    }
}

/// Longest name of an organization, space or app (Cloud Foundry's database column).
const MAX_NAME: usize = 255;

fn length(what: &'static str, text: &str, max: usize) -> Result<(), InvalidName> {
    if text.chars().count() > max {
        return Err(InvalidName::TooLong { what, max });
    }
    Ok(())
}

fn printable(what: &'static str, text: &str) -> Result<(), InvalidName> {
    if text.trim().is_empty() {
        return Err(InvalidName::Blank { what });
    }
    length(what, text, MAX_NAME)?;
    if text.chars().any(char::is_control) {
        return Err(shape(what, text, "must not contain control characters"));
    }
    Ok(())
}

fn process_type(what: &'static str, text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Blank { what });
    }
    length(what, text, 255)?;
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return Err(shape(
            what,
            text,
            "may contain only letters, digits, '-', '_' and '.'",
        ));
    }
    Ok(())
}

fn domain_name(what: &'static str, text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Blank { what });
    }
    length(what, text, 253)?;
    if !text.split('.').all(label) {
        return Err(shape(
            what,
            text,
            "must consist of alphanumeric characters and hyphens, in lower case, \
             in labels of at most 63 characters separated by dots",
        ));
    }
    Ok(())
}

fn route_host(what: &'static str, text: &str) -> Result<(), InvalidName> {
    if text.is_empty() || text == "*" {
        return Ok(());
    }
    if !text
        .split('.')
        .all(|part| label(part) || (!part.is_empty() && host_label(part)))
    {
        return Err(shape(
            what,
            text,
            "must be either \"*\" or contain only alphanumeric characters, \"_\", or \"-\"",
        ));
    }
    length(what, text, 63)
}

fn route_path(what: &'static str, text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Ok(());
    }
    length(what, text, 128)?;
    if !text.starts_with('/') || text.len() == 1 {
        return Err(shape(
            what,
            text,
            "must start with '/' and contain more than '/'",
        ));
    }
    if text
        .bytes()
        .any(|b| b == b'?' || b == b'#' || b <= b' ' || b >= 0x7f)
    {
        return Err(shape(
            what,
            text,
            "must be a URL path without '?', '#' or spaces",
        ));
    }
    Ok(())
}

fn label(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 63
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn host_label(part: &str) -> bool {
    part.len() <= 63
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn shape(what: &'static str, text: &str, rule: &'static str) -> InvalidName {
    InvalidName::Shape {
        what,
        text: text.to_owned(),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_their_rules() {
        assert!(AppName::parse("내 앱").is_ok());
        assert!(AppName::parse("  ").is_err());
        assert!(AppName::parse("a\nb").is_err());
        assert!(AppName::parse("x".repeat(256)).is_err());
        assert!(ProcessType::parse("web").is_ok());
        assert!(ProcessType::parse("../web").is_err());
        assert!(DomainName::parse("apps.example.kr").is_ok());
        assert!(DomainName::parse("localhost").is_ok());
        assert!(DomainName::parse("-a.kr").is_err());
        assert!(DomainName::parse("a..kr").is_err());
        assert!(RouteHost::parse("").is_ok());
        assert!(RouteHost::parse("*").is_ok());
        assert!(RouteHost::parse("my_app-1").is_ok());
        assert!(RouteHost::parse("a b").is_err());
        assert!(RoutePath::parse("/v1").is_ok());
        assert!(RoutePath::parse("/").is_err());
        assert!(RoutePath::parse("v1").is_err());
    }
}

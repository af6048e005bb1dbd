//! Types of values that only the configuration has.

use std::{collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroUsize};

use crate::model::PortRange;

/// Where to listen, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Not at all.
    Off,
    /// On this address.
    On(SocketAddr),
}

impl Listen {
    /// The address, where there is one.
    #[must_use]
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::On(address) => Some(address),
        }
    }
}

/// Ports from the first to the last, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports(pub Option<PortRange>);

impl Ports {
    /// The range in `text`, such as `61000-61099`, or none for `off`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong = || {
            format!(
                "must be two ports from 1024 to 65535, such as 61000-61099, or off, not {text:?}"
            )
        };
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
        let range = PortRange {
            first: port(first)?,
            last: port(last)?,
        };
        // Below 1024 an ordinary user may not listen.
        if range.first < 1024 || range.last < range.first {
            return Err(wrong());
        }
        Ok(Self(Some(range)))
    }
}

/// How many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One for each core.
    Auto,
    /// Just so many.
    Exactly(NonZeroUsize),
}

/// How the daemon's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(String);

impl HostPort {
    /// The host and the port in `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a host and port such as ssh.example.kr:2222");
        let parsed: http::uri::Authority = text.parse().map_err(|_| wrong())?;
        if text.contains('@') || parsed.host().is_empty() || parsed.port_u16().is_none() {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scheme, host and perhaps port of a URL, nothing after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginUrl(String);

impl OriginUrl {
    /// The origin in `text`; a `/` at the end is dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address such as https://paas.example.kr");
        let bare = text.strip_suffix('/').unwrap_or(text);
        let (scheme, authority) = bare.split_once("://").ok_or_else(wrong)?;
        let parsed: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
        let plain = !authority.contains('@') && !parsed.host().is_empty();
        if !plain || !["http", "https"].contains(&scheme) {
            return Err(wrong());
        }
        Ok(Self(bare.to_owned()))
    }

    /// The origin as text, without a `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Addresses of servers by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(pub BTreeMap<String, OriginUrl>);

/// Named values that may be secret, such as addresses with passwords in them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

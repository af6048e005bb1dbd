//! Where a drain goes and what it wants, out of its URL.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;

use crate::{
    logs::{Interest, Kinds},
    model::AppId,
};

/// What a drain's URL says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) carrier: Carrier,
    pub(super) host: String,
    pub(super) port: u16,
    /// Where messages are posted, without who posts them.
    pub(super) url: String,
    /// `Authorization`.
    pub(super) login: Option<HeaderValue>,
    pub(super) lines: bool,
    pub(super) kinds: Kinds,
    /// Whether tags go with every message.
    pub(super) tags: bool,
}

// Its path and its parameters often hold keys.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown()).finish()
    }
}

/// What carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp,
    Tls,
    /// A request for each message.
    Https,
    /// A request for what came in a second.
    HttpsBatch,
}

const METRICS: Kinds = Kinds {
    gauges: true,
    counters: true,
    timers: false,
};
const TRACES: Kinds = Kinds {
    gauges: false,
    counters: false,
    timers: true,
};
const NOTHING: Kinds = Kinds {
    gauges: false,
    counters: false,
    timers: false,
};
const ALL: Kinds = Kinds {
    gauges: true,
    counters: true,
    timers: true,
};

impl Address {
    /// What `url` says; none where it is no drain.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let parsed: http::Uri = url.parse().ok()?;
        let (carrier, usual) = match parsed.scheme_str()? {
            "syslog" => (Carrier::Tcp, 514),
            "syslog-tls" => (Carrier::Tls, 6514),
            "https" => (Carrier::Https, 443),
            "https-batch" => (Carrier::HttpsBatch, 443),
            _ => return None,
        };
        let host = parsed.host().filter(|host| !host.is_empty())?;
        let port = parsed.port_u16().unwrap_or(usual);
        let rest = parsed.path_and_query().map_or("/", |rest| rest.as_str());
        let mut address = Self {
            carrier,
            host: host.to_owned(),
            port,
            url: format!("https://{host}:{port}{rest}"),
            login: login(parsed.authority()?.as_str()),
            lines: true,
            kinds: NOTHING,
            tags: true,
        };
        for (key, value) in parsed
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        {
            match (key, value) {
                ("drain-type" | "drain-data", "logs") => address.wants(true, NOTHING),
                ("drain-type" | "drain-data", "metrics") => address.wants(false, METRICS),
                ("drain-type", "all") => address.wants(true, METRICS),
                ("drain-data", "traces") => address.wants(false, TRACES),
                ("drain-data", "all") => address.wants(true, ALL),
                ("disable-metadata" | "omit-metadata", "true") => address.tags = false,
                _ => {}
            }
        }
        Some(address)
    }

    const fn wants(&mut self, lines: bool, kinds: Kinds) {
        (self.lines, self.kinds) = (lines, kinds);
    }

    /// What it wants of `app`.
    pub(super) fn interest(&self, app: AppId) -> Interest {
        Interest {
            apps: Some([app].into()),
            lines: self.lines,
            kinds: self.kinds,
        }
    }

    /// The URL without what may be secret, for messages.
    pub(super) fn shown(&self) -> String {
        let scheme = match self.carrier {
            Carrier::Tcp => "syslog",
            Carrier::Tls => "syslog-tls",
            Carrier::Https => "https",
            Carrier::HttpsBatch => "https-batch",
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

/// The header for the name and password before the host (RFC 7617).
fn login(authority: &str) -> Option<HeaderValue> {
    let (login, _) = authority.rsplit_once('@')?;
    let (name, password) = login.split_once(':').unwrap_or((login, ""));
    let plain = [name, password].map(|part| percent_decode_str(part).collect::<Vec<u8>>());
    let basic = STANDARD.encode(plain.join(&b':'));
    let mut value = HeaderValue::try_from(format!("Basic {basic}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_what() {
        let check = |url: &str, port: u16, (lines, kinds, tags): (bool, Kinds, bool)| {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.port, port, "{url}");
            let wanted = (address.lines, address.kinds, address.tags);
            assert_eq!(wanted, (lines, kinds, tags), "{url}");
        };
        check("syslog://logs.example.kr", 514, (true, NOTHING, true));
        let all = "syslog-tls://logs.example.kr?drain-data=all";
        check(all, 6514, (true, ALL, true));
        let metrics = "https://a:b@logs.example.kr/x?drain-type=metrics";
        check(metrics, 443, (false, METRICS, true));
        let traces = "https-batch://logs.example.kr?drain-data=traces";
        check(traces, 443, (false, TRACES, true));
        let bare = "syslog://h:1?drain-data=logs&disable-metadata=true";
        check(bare, 1, (true, NOTHING, false));
        for bad in ["", "logs.example.kr", "http://x", "syslog://", "ftp://x"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_sent_and_never_shown() {
        let secret = Address::parse("https-batch://a:b%40c@logs.example.kr/token?k=v").unwrap();
        assert_eq!(secret.url, "https://logs.example.kr:443/token?k=v");
        assert_eq!(secret.login.as_ref().unwrap(), "Basic YTpiQGM=");
        assert_eq!(secret.shown(), "https-batch://logs.example.kr:443");
        let debug = format!("{secret:?}");
        assert!(!debug.contains("token") && !debug.contains('@'), "{debug}");
    }
}

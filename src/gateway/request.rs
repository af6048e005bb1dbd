//! What makes a request one that can be routed.

use std::{borrow::Cow, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts, uri::Authority,
};

use super::{io::ConnState, refusal::Refusal};

/// The host that a request is for, as the client wrote it.
#[derive(Debug, Clone)]
pub(super) struct Host(HeaderValue);

impl Host {
    pub(super) const fn from_value(value: HeaderValue) -> Self {
        Self(value)
    }

    /// As a Host header.
    pub(super) const fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// With its port, where it has one.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// In lower case, without a port or a trailing dot.
    pub(super) fn name(&self) -> Cow<'_, str> {
        name_of(self.as_str())
    }
}

/// The name in a Host header, in lower case, without a port or a trailing dot.
pub(super) fn name_of(host: &str) -> Cow<'_, str> {
    let end = if host.starts_with('[') {
        host.find(']').map_or(host.len(), |end| end + 1)
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let name = host[..end].strip_suffix('.').unwrap_or(&host[..end]);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether `name` is a bare address or `localhost`, which no route can have.
pub(super) fn is_local_name(name: &str) -> bool {
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name == "localhost"
        || (address
            .as_bytes()
            .first()
            .is_some_and(|&byte| byte.is_ascii_hexdigit() || byte == b':')
            && address.parse::<IpAddr>().is_ok())
}

/// Checks the request's head and finds its host.
pub(super) fn check(parts: &Parts, conn: &ConnState) -> Result<Host, Refusal> {
    if parts.version < Version::HTTP_2 {
        check_framing(&parts.headers, conn)?;
    }
    if parts.method == Method::CONNECT {
        return Err(Refusal::BadRequest("CONNECT is not served here"));
    }
    let host = host(parts)?;
    if !host.as_bytes().iter().all(|&byte| is_host_byte(byte)) {
        return Err(Refusal::BadRequest("the host is not a host name"));
    }
    Ok(Host(host))
}

/// hyper has checked the rest: a length that is no number, several that differ, a transfer
/// coding of HTTP/1.0, one whose last is not `chunked`.
fn check_framing(headers: &HeaderMap, conn: &ConnState) -> Result<(), Refusal> {
    let has_length = conn.take_saw_length() || headers.contains_key(header::CONTENT_LENGTH);
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if has_length {
        return Err(Refusal::BadRequest(
            "a request has a length or a transfer coding, not both",
        ));
    }
    if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
        return Err(Refusal::TransferCoding);
    }
    Ok(())
}

fn host(parts: &Parts) -> Result<HeaderValue, Refusal> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Refusal::BadRequest("the request has several Host headers"));
    }
    let host = match (parts.uri.authority(), line) {
        (Some(authority), line) => {
            // HTTP/1 says that the target counts (RFC 9112, 3.2.2); HTTP/2 that both must agree.
            let agrees = |line: &HeaderValue| {
                line.as_bytes()
                    .eq_ignore_ascii_case(authority.as_str().as_bytes())
            };
            if parts.version == Version::HTTP_2 && !line.is_none_or(agrees) {
                return Err(Refusal::BadRequest(
                    "the Host header differs from :authority",
                ));
            }
            from_authority(authority)?
        }
        (None, Some(line)) => line.clone(),
        (None, None) => return Err(Refusal::EmptyHost),
    };
    if host.is_empty() {
        Err(Refusal::EmptyHost)
    } else {
        Ok(host)
    }
}

fn from_authority(authority: &Authority) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(authority.as_str())
        .map_err(|_| Refusal::BadRequest("the request's target is not a URL"))
}

/// Letters, digits and punctuation of names, addresses and ports; `@` is not among them.
pub(super) const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
}

/// The protocol that the request asks to change to. HTTP/2 is not one: it is spoken by prior
/// knowledge or not at all (RFC 9113, 3.1).
pub(super) fn upgrade(parts: &Parts) -> Option<HeaderValue> {
    if parts.version != Version::HTTP_11 || !lists(&parts.headers, header::CONNECTION, "upgrade") {
        return None;
    }
    let protocol = parts.headers.get(header::UPGRADE)?;
    let is_http = protocol
        .as_bytes()
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"h2"));
    (!is_http).then(|| protocol.clone())
}

/// Whether a header that is a list has `token`, in any case.
pub(super) fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn found(request: http::request::Builder) -> Result<String, Refusal> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let conn = ConnState::new("127.0.0.1:1".parse().unwrap(), false);
        check(&parts, &conn).map(|host| host.name().into_owned())
    }

    #[test]
    fn the_host_is_where_the_version_says() {
        let get = |uri: &str| Request::get(uri);
        assert_eq!(found(get("/").header("host", "A.kr.:80")).unwrap(), "a.kr");
        assert_eq!(
            found(get("http://b.kr/").header("host", "a.kr")).unwrap(),
            "b.kr"
        );
        assert_eq!(found(get("/").header("host", "[::1]:80")).unwrap(), "[::1]");
        let both = || get("http://b.kr/").version(Version::HTTP_2);
        assert!(found(both().header("host", "a.kr")).is_err());
        assert_eq!(found(both().header("host", "B.kr")).unwrap(), "b.kr");
        assert!(matches!(found(get("/")), Err(Refusal::EmptyHost)));
        assert!(found(get("/").header("host", "a.kr").header("host", "a.kr")).is_err());
        assert!(found(get("/").header("host", "a.kr/x")).is_err());
        assert!(found(get("http://user@b.kr/")).is_err());
    }

    #[test]
    fn a_body_has_one_kind_of_end() {
        let post = || Request::post("/").header("host", "a.kr");
        assert!(found(post().header("transfer-encoding", "Chunked")).is_ok());
        assert!(matches!(
            found(post().header("transfer-encoding", "gzip, chunked")),
            Err(Refusal::TransferCoding)
        ));
        let both = post()
            .header("transfer-encoding", "chunked")
            .header("content-length", "3");
        assert!(matches!(found(both), Err(Refusal::BadRequest(_))));
    }

    #[test]
    fn addresses_and_localhost_are_local_names() {
        for name in ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "[fe80::1]"] {
            assert!(is_local_name(name), "{name}");
        }
        for name in ["app.localhost", "1.example.kr", "a", "beef.kr", ""] {
            assert!(!is_local_name(name), "{name}");
        }
    }

    #[test]
    fn only_other_protocols_are_upgrades() {
        let ask = |protocol: &str, connection: &str| {
            let request = Request::get("/").header("upgrade", protocol);
            let request = request.header("connection", connection);
            upgrade(&request.body(()).unwrap().into_parts().0)
        };
        assert!(ask("websocket", "keep-alive, Upgrade").is_some());
        assert!(ask("websocket", "keep-alive").is_none());
        assert!(ask("h2c", "Upgrade, HTTP2-Settings").is_none());
    }
}

//! Header edits on the way to a backend and back.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use uuid::Uuid;

use super::{io::ConnState, request::lists};
use crate::routing::Backend;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Says which client certificate was verified: an app believes it, and no client is asked for
/// one here, so whatever comes is invented.
const CLIENT_CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
pub(super) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-vcap-request-id");
const APPLICATION_ID: HeaderName = HeaderName::from_static("x-cf-applicationid");
const INSTANCE_ID: HeaderName = HeaderName::from_static("x-cf-instanceid");
const INSTANCE_INDEX: HeaderName = HeaderName::from_static("x-cf-instanceindex");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
const B3: HeaderName = HeaderName::from_static("b3");
pub(super) const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");

/// Removes what concerns one connection only (RFC 9110, 7.6.1), and adds the upgrade again
/// that is asked for or granted.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let trailers = headers.contains_key(header::TE) && lists(headers, header::TE, "trailers");
    if headers.contains_key(header::CONNECTION) {
        for name in connection_options(headers) {
            headers.remove(name);
        }
    }
    for name in [
        header::CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HTTP2_SETTINGS,
    ] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Joins the lines of a cookie, which HTTP/2 may divide and HTTP/1 may not (RFC 9113, 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(joined) = HeaderValue::try_from(joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// The headers that Connection names, without those whose loss would change the message.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    names
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| {
            *name != header::HOST
                && *name != header::CONTENT_LENGTH
                && *name != header::CONTENT_TYPE
                && *name != header::AUTHORIZATION
        })
        .collect()
}

/// Adds what a backend is to know of the client and the request. Gives the request's id.
pub(super) fn add_forwarded(
    headers: &mut HeaderMap,
    conn: &ConnState,
    keep_proto: bool,
    random: impl FnMut() -> u64,
) -> HeaderValue {
    append_client(headers, conn);
    if !(keep_proto && headers.contains_key(FORWARDED_PROTO)) {
        let proto = if conn.tls { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    headers
        .entry(REQUEST_START)
        .or_insert_with(|| HeaderValue::from(now_ms()));
    let mut random = random;
    let id = request_id(&mut random);
    headers.insert(REQUEST_ID, text(&mut Uuid::encode_buffer(), id));
    add_trace(headers, id, random());
    for name in [
        APPLICATION_ID,
        INSTANCE_ID,
        INSTANCE_INDEX,
        CLIENT_CERTIFICATE,
    ] {
        headers.remove(name);
    }
    headers[REQUEST_ID].clone()
}

/// A fresh request id as a header value.
pub(super) fn fresh_request_id(mut random: impl FnMut() -> u64) -> HeaderValue {
    text(&mut Uuid::encode_buffer(), request_id(&mut random))
}

pub(super) fn request_id(random: &mut impl FnMut() -> u64) -> Uuid {
    let bits = (u128::from(random()) << 64) | u128::from(random());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

fn text(buffer: &mut [u8], id: Uuid) -> HeaderValue {
    // Hexadecimal digits and hyphens are always a value.
    HeaderValue::from_str(id.hyphenated().encode_lower(buffer))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn append_client(headers: &mut HeaderMap, conn: &ConnState) {
    let client = conn.peer.ip().to_canonical();
    let mut hops = String::new();
    for value in headers.get_all(FORWARDED_FOR) {
        if let Ok(value) = value.to_str()
            && !value.trim().is_empty()
        {
            hops.push_str(value);
            hops.push_str(", ");
        }
    }
    hops.push_str(&client.to_string());
    if let Ok(value) = HeaderValue::try_from(hops) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// The trace that a request is part of, for both notations.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) trace: [u8; 32],
    pub(super) span: [u8; 16],
    /// Whether it begins here.
    pub(super) begins: bool,
}

impl Trace {
    /// The one that the client has begun, by its `traceparent` and `x-b3-traceid`, or a new one.
    pub(super) fn of(parent: Option<&[u8]>, b3: Option<&[u8]>, id: Uuid, span: u64) -> Self {
        if let Some((trace, span)) = parent.and_then(trace_of) {
            return Self {
                trace,
                span,
                begins: false,
            };
        }
        let mut fresh = [0; 32];
        let given = b3.and_then(|b3| <[u8; 32]>::try_from(b3).ok());
        Self {
            trace: given.filter(|b3| is_hex(b3)).unwrap_or_else(|| {
                id.simple().encode_lower(&mut fresh);
                fresh
            }),
            span: hex(span),
            begins: true,
        }
    }

    /// As the value of `traceparent` (W3C Trace Context, 3.2).
    pub(super) fn parent(&self) -> [u8; 55] {
        let mut text = *b"00-................................-................-01";
        text[3..35].copy_from_slice(&self.trace);
        text[36..52].copy_from_slice(&self.span);
        text
    }

    /// As the value of `b3`.
    pub(super) fn b3(&self) -> [u8; 49] {
        let mut text = [b'-'; 49];
        text[..32].copy_from_slice(&self.trace);
        text[33..].copy_from_slice(&self.span);
        text
    }
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|at| {
        let digit = (number >> (60 - 4 * at)) & 15;
        b"0123456789abcdef"[usize::try_from(digit).unwrap_or(0)]
    })
}

/// Begins a trace where the client has not begun one, in both notations with the same ids.
fn add_trace(headers: &mut HeaderMap, id: Uuid, span: u64) {
    let bytes = |name| headers.get(name).map(HeaderValue::as_bytes);
    let trace = Trace::of(bytes(TRACE_PARENT), bytes(B3_TRACE), id, span);
    if trace.begins {
        set(headers, TRACE_PARENT, &trace.parent());
        headers.remove(TRACE_STATE);
    }
    if !headers.contains_key(B3) && !headers.contains_key(B3_TRACE) {
        set(headers, B3, &trace.b3());
        set(headers, B3_TRACE, &trace.trace);
        set(headers, B3_SPAN, &trace.span);
    }
}

/// The trace and parent ids of a `traceparent` (W3C Trace Context, 3.2).
fn trace_of(value: &[u8]) -> Option<([u8; 32], [u8; 16])> {
    let mut parts = value.split(|&byte| byte == b'-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    (version.len() == 2 && is_hex(trace) && is_hex(span)).then_some(())?;
    Some((trace.try_into().ok()?, span.try_into().ok()?))
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

/// Tells a backend which instance the gateway takes it for.
pub(super) fn name_instance(headers: &mut HeaderMap, backend: &Backend) {
    let mut buffer = Uuid::encode_buffer();
    headers.insert(APPLICATION_ID, text(&mut buffer, backend.app.uuid()));
    headers.insert(INSTANCE_ID, text(&mut buffer, backend.instance.uuid()));
    headers.insert(INSTANCE_INDEX, HeaderValue::from(backend.index));
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_concerns_one_connection_stays_there() {
        let mut map = headers(&[
            ("host", "a.kr"),
            ("connection", "close, X-Secret, host"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers, deflate"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("proxy-authorization", "Basic eA=="),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut map, None);
        assert_eq!(names(&map), ["accept", "host", "te"]);
        assert_eq!(map["te"], "trailers");
        strip_hop_by_hop(&mut map, Some(HeaderValue::from_static("websocket")));
        assert_eq!(
            (&map["connection"], &map["upgrade"]),
            (
                &HeaderValue::from_static("upgrade"),
                &HeaderValue::from_static("websocket")
            )
        );
    }

    #[test]
    fn crumbs_of_a_cookie_become_one_line() {
        let mut map = headers(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        join_cookies(&mut map);
        assert_eq!(
            map.get_all("cookie").iter().collect::<Vec<_>>(),
            ["a=1; b=2; c=3"]
        );
    }

    #[test]
    fn a_backend_learns_of_the_client_and_not_from_it() {
        let conn = ConnState::new("[::ffff:10.0.0.9]:5000".parse().unwrap(), true);
        let mut map = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2, 3.3.3.3"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-client-cert", "MIIB"),
            ("x-vcap-request-id", "mine"),
            ("x-cf-instanceid", "mine"),
            ("x-cf-applicationid", "mine"),
        ]);
        let id = add_forwarded(&mut map, &conn, false, || 0x0123_4567_89ab_cdef);
        assert_eq!(
            map["x-forwarded-for"],
            "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9"
        );
        assert_eq!(map["x-forwarded-proto"], "https");
        assert!(!map.contains_key("x-forwarded-client-cert"));
        assert_eq!(id, "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(map["x-vcap-request-id"], id);
        assert_eq!(
            map["traceparent"],
            "00-0123456789ab4def8123456789abcdef-0123456789abcdef-01"
        );
        assert_eq!(
            map["b3"],
            "0123456789ab4def8123456789abcdef-0123456789abcdef"
        );
        assert!(!map.contains_key("x-cf-instanceid") && !map.contains_key("x-cf-applicationid"));
    }

    #[test]
    fn a_trace_that_the_client_began_goes_on() {
        let conn = ConnState::new("10.0.0.9:5000".parse().unwrap(), false);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut map = headers(&[("traceparent", parent), ("x-forwarded-proto", "https")]);
        add_forwarded(&mut map, &conn, true, || 1);
        assert_eq!(map["traceparent"], parent);
        assert_eq!(map["x-b3-traceid"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(map["x-forwarded-proto"], "https");
    }
}

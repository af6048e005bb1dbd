//! Heads as they are passed on: copied once, with what the gateway takes away and adds.

use std::{io::Write as _, net::IpAddr};

use uuid::Uuid;

use super::{
    names::{Name, name},
    request, response,
    response::End,
};
use crate::{gateway::headers::Trace, model::InstanceId, routing::Backend};

/// What the gateway knows of a request, for the app.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) client: IpAddr,
    pub(super) tls: bool,
    /// Whether the client's `X-Forwarded-Proto` is believed.
    pub(super) keep_proto: bool,
    /// When it came, milliseconds since the Unix epoch.
    pub(super) at_ms: u128,
    pub(super) id: Uuid,
    /// What is random in a trace that begins here.
    pub(super) span: u64,
}

/// Values that the app is told and the access line tells.
#[derive(Debug)]
pub(super) struct Told<'b> {
    pub(super) forwarded_for: Vec<u8>,
    pub(super) forwarded_proto: &'b [u8],
    pub(super) trace: [u8; 32],
    pub(super) referer: &'b [u8],
    pub(super) user_agent: &'b [u8],
}

/// Appends the head of a request, all but what depends on the instance and the empty line.
pub(super) fn request<'b>(
    out: &mut Vec<u8>,
    head: &request::Head<'b, '_>,
    known: &Known,
) -> Told<'b> {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field(out, b"host", head.host.as_bytes());
    let mut forwarded_for = Vec::with_capacity(48);
    let (mut proto, mut start) = (None, false);
    let (mut referer, mut user_agent) = (&b""[..], &b""[..]);
    let (mut parent, mut state, mut b3, mut b3_trace, mut b3_span) =
        (None, None, false, None, None);
    for one in head.fields {
        match name(one.name.as_bytes()) {
            Name::ForwardedFor => {
                if !one.value.trim_ascii().is_empty() {
                    forwarded_for.extend_from_slice(one.value);
                    forwarded_for.extend_from_slice(b", ");
                }
                continue;
            }
            Name::ForwardedProto => {
                proto = Some(one.value);
                continue;
            }
            Name::TraceParent => {
                parent = Some(one.value);
                continue;
            }
            Name::TraceState => {
                state = Some(one.value);
                continue;
            }
            Name::B3Span => {
                b3_span = Some(one.value);
                continue;
            }
            Name::Host | Name::Connection | Name::RequestId | Name::Hop | Name::Own => continue,
            Name::RequestStart => start = true,
            Name::B3 => b3 = true,
            Name::Referer => referer = one.value,
            Name::UserAgent => user_agent = one.value,
            Name::B3Trace => b3_trace = Some(one.value),
            _ => {}
        }
        field(out, one.name.as_bytes(), one.value);
    }
    let _ = write!(forwarded_for, "{}", known.client);
    field(out, b"x-forwarded-for", &forwarded_for);
    let own: &[u8] = if known.tls { b"https" } else { b"http" };
    let proto = proto.filter(|_| known.keep_proto).unwrap_or(own);
    field(out, b"x-forwarded-proto", proto);
    if !start {
        let _ = write!(out, "x-request-start: {}\r\n", known.at_ms);
    }
    let mut id = Uuid::encode_buffer();
    let id = known.id.hyphenated().encode_lower(&mut id);
    field(out, b"x-vcap-request-id", id.as_bytes());
    let trace = Trace::of(parent, b3_trace, known.id, known.span);
    if trace.begins {
        field(out, b"traceparent", &trace.parent());
    } else {
        field(out, b"traceparent", parent.unwrap_or_default());
        if let Some(state) = state {
            field(out, b"tracestate", state);
        }
    }
    if b3 || b3_trace.is_some() {
        if let Some(span) = b3_span {
            field(out, b"x-b3-spanid", span);
        }
    } else {
        field(out, b"b3", &trace.b3());
        field(out, b"x-b3-traceid", &trace.trace);
        field(out, b"x-b3-spanid", &trace.span);
    }
    Told {
        forwarded_for,
        forwarded_proto: proto,
        // The client's own, where it began one in the other notation alone.
        trace: b3_trace
            .and_then(|trace| trace.try_into().ok())
            .unwrap_or(trace.trace),
        referer,
        user_agent,
    }
}

/// Appends what depends on the instance, and the empty line.
pub(super) fn instance(out: &mut Vec<u8>, backend: &Backend) {
    let mut buffer = Uuid::encode_buffer();
    let mut id = |name: &[u8], id: Uuid| {
        let id = id.hyphenated().encode_lower(&mut buffer);
        field(out, name, id.as_bytes());
    };
    id(b"x-cf-applicationid", backend.app.uuid());
    id(b"x-cf-instanceid", backend.instance.uuid());
    let _ = write!(out, "x-cf-instanceindex: {}\r\n\r\n", backend.index);
}

/// What the gateway adds to an answer.
#[derive(Debug)]
pub(super) struct Added<'a> {
    pub(super) id: Uuid,
    /// The time now, for answers that don't say theirs (RFC 9110, 6.6.1).
    pub(super) date: &'a [u8],
    /// The cookie that binds the session to its instance.
    pub(super) cookie: Option<String>,
    /// Whether the connection ends with it.
    pub(super) close: bool,
}

/// Appends the head of an answer.
pub(super) fn response(out: &mut Vec<u8>, head: &response::Head<'_, '_>, added: &Added<'_>) {
    status(out, head);
    let mut dated = false;
    for one in head.fields {
        let known = name(one.name.as_bytes());
        if known == Name::RequestId || head.is_hop(known, one.name) {
            continue;
        }
        dated |= known == Name::Date;
        field(out, one.name.as_bytes(), one.value);
    }
    if !dated {
        field(out, b"date", added.date);
    }
    let mut id = Uuid::encode_buffer();
    let id = added.id.hyphenated().encode_lower(&mut id);
    field(out, b"x-vcap-request-id", id.as_bytes());
    if let Some(cookie) = &added.cookie {
        field(out, b"set-cookie", cookie.as_bytes());
    }
    if matches!(head.end, End::Chunks(_) | End::Close) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if added.close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends an answer that comes before the answer.
pub(super) fn interim(out: &mut Vec<u8>, head: &response::Head<'_, '_>) {
    status(out, head);
    for one in head.fields {
        if !head.is_hop(name(one.name.as_bytes()), one.name) {
            field(out, one.name.as_bytes(), one.value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn status(out: &mut Vec<u8>, head: &response::Head<'_, '_>) {
    let _ = write!(out, "HTTP/1.1 {} ", head.status);
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The cookie that binds a session, as an answer's fields ask for.
pub(super) fn binding(
    head: &response::Head<'_, '_>,
    instance: InstanceId,
    lost: bool,
) -> Option<String> {
    let cookies = head.fields.iter().filter_map(|field| {
        let is_cookie = name(field.name.as_bytes()) == Name::SetCookie;
        is_cookie.then_some(field.value)
    });
    crate::gateway::sticky::binding(cookies, instance, lost)
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

//! The header fields that mean something to the gateway.

/// A header field, by what it means to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Cookie,
    SetCookie,
    Date,
    Referer,
    UserAgent,
    ForwardedFor,
    ForwardedProto,
    RequestStart,
    RequestId,
    TraceParent,
    TraceState,
    B3,
    B3Trace,
    B3Span,
    IdempotencyKey,
    /// Concerns one connection only (RFC 9110, 7.6.1).
    Hop,
    /// Said by the gateway alone.
    Own,
    /// Asks for something that is not ordinary.
    Special,
    /// Nothing: it is passed on.
    Other,
}

/// What the field `name` is, in any case.
pub(super) fn name(name: &[u8]) -> Name {
    // No other name is as long.
    const LONGEST: usize = 23;
    let mut lower = [0; LONGEST];
    let Some(lower) = lower.get_mut(..name.len()) else {
        return Name::Other;
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    match &*lower {
        b"host" => Name::Host,
        b"content-length" => Name::ContentLength,
        b"transfer-encoding" => Name::TransferEncoding,
        b"connection" => Name::Connection,
        b"cookie" => Name::Cookie,
        b"set-cookie" => Name::SetCookie,
        b"date" => Name::Date,
        b"referer" => Name::Referer,
        b"user-agent" => Name::UserAgent,
        b"x-forwarded-for" => Name::ForwardedFor,
        b"x-forwarded-proto" => Name::ForwardedProto,
        b"x-request-start" => Name::RequestStart,
        b"x-vcap-request-id" => Name::RequestId,
        b"traceparent" => Name::TraceParent,
        b"tracestate" => Name::TraceState,
        b"b3" => Name::B3,
        b"x-b3-traceid" => Name::B3Trace,
        b"x-b3-spanid" => Name::B3Span,
        b"idempotency-key" | b"x-idempotency-key" => Name::IdempotencyKey,
        b"keep-alive"
        | b"proxy-connection"
        | b"proxy-authenticate"
        | b"proxy-authorization"
        | b"http2-settings" => Name::Hop,
        b"x-forwarded-client-cert"
        | b"x-cf-applicationid"
        | b"x-cf-instanceid"
        | b"x-cf-instanceindex" => Name::Own,
        b"expect" | b"upgrade" | b"te" | b"x-cf-app-instance" => Name::Special,
        _ => Name::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (text, expected) in [
            ("Host", Name::Host),
            ("X-FORWARDED-Client-Cert", Name::Own),
            ("TE", Name::Special),
            ("x-b3-parentspanid", Name::Other),
            ("", Name::Other),
            ("x-forwarded-client-certs", Name::Other),
        ] {
            assert_eq!(name(text.as_bytes()), expected, "{text}");
        }
    }
}

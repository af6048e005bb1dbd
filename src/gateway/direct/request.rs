//! The head of a request that is passed on as it is, or the finding that it is not one.

use std::mem::MaybeUninit;

use super::names::{Name, name};
use crate::gateway::request::is_host_byte;

/// What the bytes at the beginning of a connection or after a request are.
#[derive(Debug)]
pub(super) enum Parsed<'b, 'h> {
    /// The end of the head is not there yet.
    Partial,
    /// A message that only the whole of HTTP can deal with, or no message at all.
    Unusual,
    /// A request that goes to an app as it is.
    Ordinary(Head<'b, 'h>),
}

/// An ordinary request's head: HTTP/1.1, for a path, with one host, with a length or without a
/// body, and nothing in it that changes what the connection is.
#[derive(Debug)]
pub(super) struct Head<'b, 'h> {
    pub(super) method: &'b str,
    /// The path and the query, as they came.
    pub(super) target: &'b str,
    /// As it came, maybe with a port.
    pub(super) host: &'b str,
    /// Every field in its order.
    pub(super) fields: &'h [httparse::Header<'b>],
    /// Bytes of the body.
    pub(super) length: u64,
    /// Whether the client wants no further answer on the connection.
    pub(super) close: bool,
    /// Bytes of the head itself.
    pub(super) size: usize,
}

impl<'b> Head<'b, '_> {
    /// The target without its query.
    pub(super) fn path(&self) -> &'b str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The first field that is `wanted`.
    pub(super) fn field(&self, wanted: Name) -> Option<&'b [u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|field| name(field.name.as_bytes()) == wanted)?;
        Some(field.value)
    }

    /// Whether it does no harm to send it twice (RFC 9110, 9.2.2), and is possible.
    pub(super) fn is_repeatable(&self) -> bool {
        let idempotent = matches!(
            self.method,
            "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
        );
        self.length == 0 && (idempotent || self.field(Name::IdempotencyKey).is_some())
    }
}

/// Takes the head of a request apart.
pub(super) fn parse<'b, 'h>(
    bytes: &'b [u8],
    slots: &'h mut [MaybeUninit<httparse::Header<'b>>],
) -> Parsed<'b, 'h> {
    let mut request = httparse::Request::new(&mut []);
    let size = match request.parse_with_uninit_headers(bytes, slots) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Unusual,
    };
    let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version)
    else {
        return Parsed::Unusual;
    };
    let fields: &'h [httparse::Header<'b>] = request.headers;
    match read(method, target, fields, size) {
        Some(head) => Parsed::Ordinary(head),
        None => Parsed::Unusual,
    }
}

fn read<'b, 'h>(
    method: &'b str,
    target: &'b str,
    fields: &'h [httparse::Header<'b>],
    size: usize,
) -> Option<Head<'b, 'h>> {
    if method == "CONNECT" || !is_path(target) {
        return None;
    }
    let (mut host, mut length, mut cookie, mut close) = (None, None, false, false);
    for field in fields {
        match name(field.name.as_bytes()) {
            Name::Host if host.is_none() => host = Some(field.value),
            Name::ContentLength if length.is_none() => length = Some(number(field.value)?),
            // Several lines are joined where they have to be.
            Name::Cookie if !cookie => cookie = true,
            Name::Connection if field.value.eq_ignore_ascii_case(b"keep-alive") => {}
            Name::Connection if field.value.eq_ignore_ascii_case(b"close") => close = true,
            Name::Host
            | Name::ContentLength
            | Name::Cookie
            | Name::Connection
            | Name::TransferEncoding
            | Name::Special => return None,
            _ => {}
        }
    }
    let host = std::str::from_utf8(host?).ok()?;
    let is_host = !host.is_empty() && host.bytes().all(is_host_byte);
    is_host.then_some(Head {
        method,
        target,
        host,
        fields,
        length: length.unwrap_or(0),
        close,
        size,
    })
}

/// A path in origin form (RFC 9112, 3.2.1) without anything that needs another look.
fn is_path(target: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?' | b'@'..=b'_' | b'a'..=b'z' | b'|' | b'~');
    target.starts_with('/') && target.bytes().all(is_plain)
}

/// A length as RFC 9110, 8.6 has it, and none that a disk could not hold.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    if !digits {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, look: impl FnOnce(Parsed<'_, '_>) -> T) -> T {
        let mut slots = [const { MaybeUninit::uninit() }; 4];
        look(parse(text.as_bytes(), &mut slots))
    }

    #[test]
    fn an_ordinary_head_is_taken_apart() {
        let text = "POST /a/b?c=d HTTP/1.1\r\nHost: A.kr:80\r\nCONTENT-length: 12\r\n\
                    Connection: Close\r\nCookie: a=1\r\n\r\nbody";
        with(text, |parsed| {
            let Parsed::Ordinary(head) = parsed else {
                panic!("{parsed:?}");
            };
            assert_eq!(
                (head.method, head.target, head.path(), head.host),
                ("POST", "/a/b?c=d", "/a/b", "A.kr:80")
            );
            assert_eq!((head.length, head.close), (12, true));
            assert_eq!(head.size, text.len() - 4);
            assert_eq!(head.field(Name::Cookie), Some(&b"a=1"[..]));
            assert!(!head.is_repeatable() && !head.is_head());
        });
    }

    #[test]
    fn a_head_can_come_in_pieces() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 1..text.len() {
            with(&text[..end], |parsed| {
                assert!(matches!(parsed, Parsed::Partial), "{parsed:?}");
            });
        }
        with(text, |parsed| {
            assert!(matches!(&parsed, Parsed::Ordinary(head) if head.is_repeatable()));
        });
    }

    #[test]
    fn what_needs_another_look_is_left_to_those_who_take_it() {
        let head = |line: &str, fields: &str| format!("{line}\r\n{fields}\r\n");
        let get = |fields: &str| head("GET / HTTP/1.1", fields);
        for text in [
            head("GET / HTTP/1.0", "Host: a\r\n"),
            head("PRI * HTTP/2.0", ""),
            head("CONNECT a:1 HTTP/1.1", "Host: a\r\n"),
            head("OPTIONS * HTTP/1.1", "Host: a\r\n"),
            head("GET http://a/ HTTP/1.1", "Host: a\r\n"),
            head("GET /# HTTP/1.1", "Host: a\r\n"),
            head("GET /\u{e9} HTTP/1.1", "Host: a\r\n"),
            get(""),
            get("Host:\r\n"),
            get("Host: a\r\nhost: a\r\n"),
            get("Host: a@b\r\n"),
            get("Host : a\r\n"),
            get(" Host: a\r\n"),
            get("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"),
            get("Host: a\r\nContent-Length: +1\r\n"),
            get("Host: a\r\nContent-Length: 1,1\r\n"),
            get("Host: a\r\nContent-Length: 9999999999999999999\r\n"),
            get("Host: a\r\nTransfer-Encoding: chunked\r\n"),
            get("Host: a\r\nConnection: keep-alive, x\r\n"),
            get("Host: a\r\nUpgrade: websocket\r\n"),
            get("Host: a\r\nExpect: 100-continue\r\n"),
            get("Host: a\r\nX-Cf-App-Instance: a:0\r\n"),
            get("Host: a\r\nCookie: a\r\nCookie: b\r\n"),
            get("Host: a\r\nX: \0\r\n"),
            get("Host: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
        ] {
            with(&text, |parsed| {
                assert!(matches!(parsed, Parsed::Unusual), "{text:?}: {parsed:?}");
            });
        }
    }
}

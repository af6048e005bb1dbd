//! The head of an app's answer.

use std::mem::MaybeUninit;

use super::{
    chunked::Chunked,
    names::{Name, name},
    request::number,
};

/// The head of an app's answer.
#[derive(Debug)]
pub(super) struct Head<'b, 'h> {
    pub(super) status: u16,
    pub(super) reason: &'b str,
    /// Every field in its order.
    pub(super) fields: &'h [httparse::Header<'b>],
    pub(super) end: End,
    /// Whether the connection may carry another request once the answer is there.
    pub(super) keep: bool,
    /// Bytes of the head itself.
    pub(super) size: usize,
}

/// How a body ends (RFC 9112, 6.3).
#[derive(Debug)]
pub(super) enum End {
    /// After so many bytes; 0 where there is no body.
    Length(u64),
    /// With its last chunk.
    Chunks(Chunked),
    /// With the connection.
    Close,
}

/// What the bytes that an app sends are.
#[derive(Debug)]
pub(super) enum Parsed<'b, 'h> {
    /// The end of the head is not there yet.
    Partial,
    /// No answer that could be passed on.
    Invalid,
    /// An answer, or one that comes before it (RFC 9110, 15.2).
    Answer(Head<'b, 'h>),
}

/// Takes the head of an answer apart. `to_head` is whether HEAD was asked for.
pub(super) fn parse<'b, 'h>(
    bytes: &'b [u8],
    slots: &'h mut [MaybeUninit<httparse::Header<'b>>],
    to_head: bool,
) -> Parsed<'b, 'h> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let size = match config.parse_response_with_uninit_headers(&mut response, bytes, slots) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Invalid,
    };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Parsed::Invalid;
    };
    let reason = response.reason.unwrap_or_default();
    let fields: &'h [httparse::Header<'b>] = response.headers;
    let (mut length, mut chunks, mut keep) = (None, false, version == 1);
    for field in fields {
        match name(field.name.as_bytes()) {
            Name::ContentLength => {
                let said = number(field.value);
                if said.is_none() || length.is_some_and(|length| Some(length) != said) {
                    return Parsed::Invalid;
                }
                length = said;
            }
            // Another coding could not be passed on as it is.
            Name::TransferEncoding
                if version == 1 && !chunks && field.value.eq_ignore_ascii_case(b"chunked") =>
            {
                chunks = true;
            }
            Name::TransferEncoding if !field.value.eq_ignore_ascii_case(b"identity") => {
                return Parsed::Invalid;
            }
            Name::Connection => {
                for option in field.value.split(|&byte| byte == b',') {
                    let is = |text: &[u8]| option.trim_ascii().eq_ignore_ascii_case(text);
                    keep &= !is(b"close");
                    keep |= version == 0 && is(b"keep-alive");
                }
            }
            _ => {}
        }
    }
    let end = if to_head || matches!(status, 100..=199 | 204 | 304) {
        End::Length(0)
    } else if chunks {
        // The coding counts (RFC 9112, 6.3).
        End::Chunks(Chunked::default())
    } else {
        length.map_or(End::Close, End::Length)
    };
    Parsed::Answer(Head {
        status,
        reason,
        fields,
        keep: keep && !matches!(end, End::Close),
        end,
        size,
    })
}

impl Head<'_, '_> {
    /// Whether a field is one of the connection's: also those that Connection names, without
    /// those whose loss would change the message.
    pub(super) fn is_hop(&self, known: Name, field: &str) -> bool {
        match known {
            Name::Hop | Name::Connection | Name::TransferEncoding => true,
            Name::ContentLength => matches!(self.end, End::Chunks(_)),
            Name::Special => !field.eq_ignore_ascii_case("expect"),
            Name::Other => self
                .options()
                .any(|option| option.eq_ignore_ascii_case(field.as_bytes()) && !is_kept(field)),
            _ => false,
        }
    }

    fn options(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.fields.iter().filter(|field| {
            // Shorter than asking what every field is.
            field.name.len() == 10 && field.name.eq_ignore_ascii_case("connection")
        });
        lines.flat_map(|field| {
            let options = field.value.split(|&byte| byte == b',');
            options.map(<[u8]>::trim_ascii)
        })
    }
}

fn is_kept(field: &str) -> bool {
    ["content-type", "authorization"]
        .iter()
        .any(|kept| field.eq_ignore_ascii_case(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, to_head: bool, look: impl FnOnce(Parsed<'_, '_>) -> T) -> T {
        let mut slots = [const { MaybeUninit::uninit() }; 4];
        look(parse(text.as_bytes(), &mut slots, to_head))
    }

    /// How the body ends, and whether the connection may be used again.
    fn end(text: &str, to_head: bool) -> Option<(String, bool)> {
        with(
            &text.replace('\n', "\r\n"),
            to_head,
            |parsed| match parsed {
                Parsed::Answer(head) => {
                    let end = match head.end {
                        End::Length(length) => length.to_string(),
                        End::Chunks(_) => "chunks".to_owned(),
                        End::Close => "close".to_owned(),
                    };
                    Some((end, head.keep))
                }
                Parsed::Invalid => None,
                Parsed::Partial => panic!("{text:?} is partial"),
            },
        )
    }

    #[test]
    fn a_body_ends_as_rfc_9112_says() {
        let check = |text: &str, to_head, expected: &str, keep| {
            let expected = Some((expected.to_owned(), keep));
            assert_eq!(end(text, to_head), expected, "{text:?}");
        };
        check("HTTP/1.1 200 OK\nContent-Length: 5\n\n", false, "5", true);
        check("HTTP/1.1 200 OK\nContent-Length: 5\n\n", true, "0", true);
        check("HTTP/1.1 204 \n\n", false, "0", true);
        check(
            "HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n",
            false,
            "0",
            true,
        );
        check(
            "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\nContent-Length: 5\n\n",
            false,
            "chunks",
            true,
        );
        check("HTTP/1.1 200\n\n", false, "close", false);
        check("HTTP/1.0 200 OK\nContent-Length: 5\n\n", false, "5", false);
        check(
            "HTTP/1.0 200 OK\nConnection: Keep-Alive\nContent-Length: 5\n\n",
            false,
            "5",
            true,
        );
        check(
            "HTTP/1.1 200 OK\nConnection: x, close\nContent-Length: 5\n\n",
            false,
            "5",
            false,
        );
        check(
            "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\n",
            false,
            "5",
            true,
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_answer() {
        for text in [
            "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\n",
            "HTTP/1.1 200 OK\nContent-Length: -5\n\n",
            "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n",
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n",
            "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n",
            "HTTP/2.0 200 OK\n\n",
            "200 OK\n\n",
            "HTTP/1.1 200 OK\nA : b\n\n",
            "HTTP/1.1 200 OK\nA: b\n c\n\n",
        ] {
            assert_eq!(end(text, false), None, "{text:?}");
        }
    }

    #[test]
    fn fields_of_the_connection_stay_on_it() {
        let text = "HTTP/1.1 200 OK\r\nConnection: X-Hop, content-type\r\nX-Hop: 1\r\n\
                    Content-Type: a\r\nKeep-Alive: 5\r\n\r\n";
        with(text, false, |parsed| {
            let Parsed::Answer(head) = parsed else {
                panic!("{parsed:?}");
            };
            let kept = head.fields.iter().map(|field| field.name);
            let kept = kept.filter(|field| !head.is_hop(name(field.as_bytes()), field));
            assert_eq!(kept.collect::<Vec<_>>(), ["Content-Type"]);
        });
    }
}

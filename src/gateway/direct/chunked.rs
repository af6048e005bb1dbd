//! Where a chunked body ends (RFC 9112, 7.1).

use std::fmt;

/// Most bytes of a chunk's size line, with its extensions.
const SIZE_LINE: usize = 256;
/// Most bytes of trailers.
const TRAILERS: usize = 16 * 1024;
/// Most digits of a size: what a `u64` holds, and more than any disk does.
const DIGITS: u8 = 15;

/// What trailers must not say, since it would change what the message is (RFC 9110, 6.5.1).
const FORBIDDEN: [&[u8]; 9] = [
    b"content-length",
    b"transfer-encoding",
    b"trailer",
    b"connection",
    b"host",
    b"content-type",
    b"content-encoding",
    b"set-cookie",
    b"upgrade",
];

/// Reads a chunked body as it comes, in pieces of any size, and takes nothing that two readers
/// could understand in two ways.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    /// Bytes of data so far.
    pub(super) data: u64,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Start,
    /// In the digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    /// After the digits; so many bytes of the line so far.
    Extension {
        size: u64,
        length: usize,
    },
    /// A CR was there, so an LF has to come.
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailers.
    Line {
        all: usize,
    },
    /// In a trailer; the line so far.
    Trailer {
        line: Vec<u8>,
        all: usize,
    },
    TrailerLf {
        line: Vec<u8>,
        all: usize,
    },
    LastLf,
    Done,
}

/// The bytes are no chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chunked body is malformed")
    }
}

impl Chunked {
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.at, At::Done)
    }

    /// Reads on. Says how many of `bytes` belong to the body: all of them unless it has ended.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        while used < bytes.len() && !self.is_done() {
            if let At::Data { left } = &mut self.at {
                let rest = bytes.len() - used;
                let count = usize::try_from(*left).map_or(rest, |left| left.min(rest));
                *left -= count as u64;
                self.data += count as u64;
                if *left == 0 {
                    self.at = At::DataCr;
                }
                used += count;
            } else {
                self.at = std::mem::take(&mut self.at).byte(bytes[used])?;
                used += 1;
            }
        }
        Ok(used)
    }
}

impl At {
    fn byte(self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            (Self::Start, _) => Self::Size {
                size: digit(byte)?,
                digits: 1,
            },
            (Self::Size { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { size, length: 1 },
            (Self::Size { size, digits }, _) if digits < DIGITS => Self::Size {
                size: size * 16 + digit(byte)?,
                digits: digits + 1,
            },
            (Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { size, length }, _) if length < SIZE_LINE && is_text(byte) => {
                Self::Extension {
                    size,
                    length: length + 1,
                }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Line { all: 0 },
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Start,
            (Self::Line { .. }, b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => Self::Done,
            (Self::Line { all }, _) if is_text(byte) => Self::Trailer {
                line: vec![byte],
                all: all + 1,
            },
            (Self::Trailer { line, all }, b'\r') => Self::TrailerLf { line, all },
            (Self::Trailer { mut line, all }, _) if all < TRAILERS && is_text(byte) => {
                line.push(byte);
                Self::Trailer { line, all: all + 1 }
            }
            (Self::TrailerLf { line, all }, b'\n') if is_trailer(&line) => Self::Line { all },
            _ => return Err(Malformed),
        })
    }
}

fn digit(byte: u8) -> Result<u64, Malformed> {
    let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
    Ok(u64::from(digit))
}

/// What may stand in a line: no control character but a tab.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn is_trailer(line: &[u8]) -> bool {
    let Some(end) = line.iter().position(|&byte| byte == b':') else {
        return false;
    };
    let name = &line[..end];
    http::HeaderName::from_bytes(name).is_ok()
        && !FORBIDDEN.iter().any(|one| name.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of `text` is body, read in pieces of any size, and how much of that is data.
    fn read(text: &str) -> Result<(usize, u64), Malformed> {
        let whole = |piece: usize| {
            let mut body = Chunked::default();
            let mut used = 0;
            for part in text.as_bytes().chunks(piece) {
                used += body.read(part)?;
            }
            Ok((used, if body.is_done() { body.data } else { u64::MAX }))
        };
        let outcome = whole(text.len());
        for piece in 1..text.len() {
            assert_eq!(whole(piece), outcome, "{text:?} in pieces of {piece}");
        }
        outcome
    }

    #[test]
    fn a_body_ends_where_it_says() {
        assert_eq!(read("3\r\nabc\r\n0\r\n\r\nGET"), Ok((13, 3)));
        assert_eq!(read("0\r\n\r\n"), Ok((5, 0)));
        let long = "00a;name=\"v\"\r\n0123456789\r\n0\r\nX-Sum: 4\r\nB:\r\n\r\n";
        assert_eq!(read(long), Ok((long.len(), 10)));
        assert_eq!(read("3\r\nab"), Ok((5, u64::MAX)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+3\r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\rabc",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3;a=\nb\r\nabc\r\n",
            "1000000000000000\r\n",
            "0\r\n\n",
            "0\r\nX: a\n\r\n",
            "0\r\nContent-Length: 5\r\n\r\n",
            "0\r\nTransfer-Encoding : x\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n X: folded\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
        ] {
            assert_eq!(read(text), Err(Malformed), "{text:?}");
        }
        let endless = format!("0\r\nX: {}", "x".repeat(TRAILERS));
        assert_eq!(Chunked::default().read(endless.as_bytes()), Err(Malformed));
        let wide = format!("1;{}", "x".repeat(SIZE_LINE));
        assert_eq!(Chunked::default().read(wide.as_bytes()), Err(Malformed));
    }
}

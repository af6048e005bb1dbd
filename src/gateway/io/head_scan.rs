//! Finds in a head what hyper does not tell of it.

/// Looks for a Content-Length line in heads as they arrive, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    /// Requests that had ended when this head began.
    after: u32,
    line: [u8; CONTENT_LENGTH.len()],
    length: usize,
    began: bool,
    done: bool,
}

const CONTENT_LENGTH: &[u8; 15] = b"content-length:";

impl HeadScan {
    /// Whether a Content-Length line ended in `bytes`.
    pub(super) fn feed(&mut self, bytes: &[u8], ended: u32) -> bool {
        if ended != self.after {
            *self = Self {
                after: ended,
                ..Self::default()
            };
        }
        let mut found = false;
        let mut rest = bytes;
        while !self.done && !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (part, next) = rest.split_at(end.unwrap_or(rest.len()));
            let room = (self.line.len() - self.length).min(part.len());
            self.line[self.length..][..room].copy_from_slice(&part[..room]);
            self.length += room;
            if end.is_none() {
                break;
            }
            found |= self.line_ended();
            rest = &next[1..];
        }
        found
    }

    fn line_ended(&mut self) -> bool {
        let line = &self.line[..self.length];
        let blank = matches!(line, b"" | b"\r");
        let found = line.eq_ignore_ascii_case(CONTENT_LENGTH);
        // Blank lines before a request are skipped (RFC 9112, 2.2).
        self.done = blank && self.began;
        self.began |= !blank;
        self.length = 0;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> bool {
        let mut scan = HeadScan::default();
        text.as_bytes()
            .chunks(piece)
            .fold(false, |found, piece| scan.feed(piece, 0) | found)
    }

    #[test]
    fn a_length_is_seen_in_the_head_only_however_it_is_cut() {
        let check = |text: &str, expected: bool| {
            for piece in 1..=text.len() {
                assert_eq!(scan(text, piece), expected, "{text:?} in pieces of {piece}");
            }
        };
        check(
            "POST / HTTP/1.1\r\nContent-LENGTH: 3\r\nHost: a\r\n\r\nabc",
            true,
        );
        check(
            "\r\nPOST / HTTP/1.1\nHost: a\ncontent-length:3\n\nabc",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n9\r\nContent-Length: 5\r\n",
            false,
        );
        check("POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n", false);
    }
}

//! The command's stdout and stderr, cut into lines.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::sandbox::log::{MAX_LINE, Stream, encode};

/// One pipe, until it is closed.
pub(super) struct Output {
    pipe: File,
    stream: Stream,
    partial: Vec<u8>,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, stream: Stream) -> Self {
        Self {
            pipe: pipe.into(),
            stream,
            partial: Vec::new(),
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads what is there, at most one buffer of it, and adds its lines to `batch`; false
    /// at the end of the pipe or where nothing more is there.
    pub(super) fn read(&mut self, buffer: &mut [u8], at_ns: u64, batch: &mut Vec<u8>) -> Read1 {
        match self.pipe.read(buffer) {
            Ok(0) => Read1::End,
            Ok(read) => {
                self.feed(&buffer[..read], at_ns, batch);
                Read1::Some
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Read1::None
            }
            Err(_) => Read1::End,
        }
    }

    fn feed(&mut self, mut chunk: &[u8], at_ns: u64, batch: &mut Vec<u8>) {
        while !chunk.is_empty() {
            let room = MAX_LINE - self.partial.len();
            let window = &chunk[..chunk.len().min(room)];
            let newline = window.iter().position(|byte| *byte == b'\n');
            let taken = newline.unwrap_or(window.len());
            let full = newline.is_some() || taken == room;
            if full && self.partial.is_empty() {
                encode(batch, at_ns, self.stream, &window[..taken]);
            } else {
                self.partial.extend_from_slice(&window[..taken]);
                if full {
                    self.flush(at_ns, batch);
                }
            }
            chunk = &chunk[taken + usize::from(newline.is_some())..];
        }
    }

    /// Adds the line that has no end yet.
    pub(super) fn flush(&mut self, at_ns: u64, batch: &mut Vec<u8>) {
        if !self.partial.is_empty() {
            encode(batch, at_ns, self.stream, &self.partial);
            // Lines are short as a rule: a long one's room is not kept.
            self.partial = Vec::new();
        }
    }
}

/// What reading once gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read1 {
    Some,
    None,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that come of `chunks` and a final flush.
    fn check(chunks: &[&[u8]], expected: &[&[u8]]) {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let mut output = Output::new(reader, Stream::Out);
        let (mut batch, mut wanted) = (Vec::new(), Vec::new());
        for chunk in chunks {
            output.feed(chunk, 5, &mut batch);
        }
        output.flush(5, &mut batch);
        for line in expected {
            encode(&mut wanted, 5, Stream::Out, line);
        }
        assert!(batch == wanted);
    }

    #[test]
    fn output_is_cut_at_line_ends_wherever_the_chunks_end() {
        check(&[b"a\nbc", b"d\n", b"\ne"], &[b"a", b"bcd", b"", b"e"]);
    }

    #[test]
    fn a_long_line_is_split() {
        let long = vec![b'x'; MAX_LINE + 10];
        check(
            &[&long, b"\nshort\n"],
            &[&long[..MAX_LINE], &long[MAX_LINE..], b"short"],
        );
    }

    #[test]
    fn a_line_of_just_the_longest_length_is_one() {
        let mut long = vec![b'x'; MAX_LINE - 1];
        long.push(b'\n');
        check(&[&long], &[&long[..MAX_LINE - 1]]);
    }
}

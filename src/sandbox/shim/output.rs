//! The command's stdout and stderr, cut into lines.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use super::flood::Flood;
use crate::sandbox::log::{MAX_LINE, Stream, encode};

/// One pipe, until it is closed.
pub(super) struct Output {
    pipe: File,
    stream: Stream,
    partial: Vec<u8>,
    /// Whether the line that has no end yet is being dropped.
    cut: bool,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, stream: Stream) -> Self {
        Self {
            pipe: pipe.into(),
            stream,
            partial: Vec::new(),
            cut: false,
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads what is there, at most one buffer of it, and adds its lines to `batch`; false
    /// at the end of the pipe or where nothing more is there.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        at_ns: u64,
        flood: &mut Flood,
        batch: &mut Vec<u8>,
    ) -> Read1 {
        let now = Instant::now();
        flood.read(now);
        match self.pipe.read(buffer) {
            Ok(0) => Read1::End,
            Ok(read) => {
                self.feed(&buffer[..read], (at_ns, now), flood, batch);
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

    fn feed(
        &mut self,
        mut chunk: &[u8],
        (at_ns, now): (u64, Instant),
        flood: &mut Flood,
        batch: &mut Vec<u8>,
    ) {
        while !chunk.is_empty() {
            if flood.silences(now) {
                self.skip(chunk, now, flood);
                return;
            }
            let room = MAX_LINE - self.partial.len();
            let window = &chunk[..chunk.len().min(room)];
            let newline = window.iter().position(|byte| *byte == b'\n');
            let taken = newline.unwrap_or(window.len());
            let was_cut = self.cut;
            self.cut = was_cut && newline.is_none();
            if was_cut {
                // The rest of a line whose beginning was dropped.
            } else if newline.is_none() && taken < room {
                self.partial.extend_from_slice(&window[..taken]);
            } else if flood.keeps(self.partial.len() + taken, now) {
                if self.partial.is_empty() {
                    encode(batch, at_ns, self.stream, &window[..taken]);
                } else {
                    self.partial.extend_from_slice(&window[..taken]);
                    self.flush(at_ns, batch);
                }
            } else {
                self.partial = Vec::new();
                self.cut = newline.is_none();
            }
            chunk = &chunk[taken + usize::from(newline.is_some())..];
        }
    }

    /// Drops a whole chunk, without a look at each of its lines.
    fn skip(&mut self, chunk: &[u8], now: Instant, flood: &mut Flood) {
        let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
        flood.drop(u64::try_from(lines).unwrap_or(u64::MAX), now);
        self.partial = Vec::new();
        self.cut = chunk.last() != Some(&b'\n');
    }

    /// Adds the line that never got an end, unless it is too much.
    pub(super) fn finish(&mut self, at_ns: u64, flood: &mut Flood, batch: &mut Vec<u8>) {
        if !self.partial.is_empty() && flood.keeps(self.partial.len(), Instant::now()) {
            self.flush(at_ns, batch);
        }
    }

    /// Adds the line that has no end yet.
    fn flush(&mut self, at_ns: u64, batch: &mut Vec<u8>) {
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
        let mut flood = Flood::new(false, None);
        let (mut batch, mut wanted) = (Vec::new(), Vec::new());
        for chunk in chunks {
            output.feed(chunk, (5, Instant::now()), &mut flood, &mut batch);
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

    #[test]
    fn a_flood_is_dropped_whole_lines_at_a_time() {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let mut output = Output::new(reader, Stream::Out);
        let mut flood = Flood::new(false, None);
        let (now, mut batch) = (Instant::now(), Vec::new());
        while flood.keeps(MAX_LINE, now) {}
        output.feed(b"dropped\nhalf", (5, now), &mut flood, &mut batch);
        assert!(batch.is_empty());
        // A second later there is room again, but not for the other half of that line.
        let later = now + std::time::Duration::from_secs(2);
        let told: Vec<_> = flood.notices(later).collect();
        assert!(told[0].ends_with(": 2 lines were dropped"), "{told:?}");
        output.feed(b"of it\nkept\n", (5, later), &mut flood, &mut batch);
        let mut wanted = Vec::new();
        encode(&mut wanted, 5, Stream::Out, b"kept");
        assert_eq!(batch, wanted);
    }
}

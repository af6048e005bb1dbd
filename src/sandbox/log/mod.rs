//! What a sandbox wrote to stdout and stderr, kept in two bounded files of its folder.
//!
//! The shim writes ([`Writer`]), the daemon reads ([`Reader`]); a reader that remembers its
//! [`offset`](Reader::offset) goes on exactly there after a restart, without a line twice.
//!
//! `log.0` and `log.1` alternate: when one is full the other is replaced. Each begins with a
//! magic and the offset of its first record, so that the offsets of a sandbox's log only ever
//! grow. A record is `length: u32, time: u64, stream: u8` (little-endian) and the line's bytes.

mod reader;
mod writer;

pub use reader::Reader;
pub(super) use writer::{Writer, encode};

use bytes::Bytes;

/// Longer lines are split here.
pub const MAX_LINE: usize = 64 << 10;

const FILES: [&str; 2] = ["log.0", "log.1"];
const MAGIC: &[u8; 8] = b"PSTLOG1\n";
const FILE_HEADER: usize = 16;
const RECORD_HEADER: usize = 13;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Standard output of the sidecar of this number, from 0.
    SidecarOut(u8),
    /// Standard error of the sidecar of this number.
    SidecarErr(u8),
}

/// Sidecars that a log can tell from each other.
pub const SIDECARS: usize = 100;

/// The number of a sidecar's first stream; what is below is the command's.
const FIRST_SIDECAR: u8 = 3;

impl Stream {
    /// As it is written.
    const fn number(self) -> u8 {
        match self {
            Self::Out => 1,
            Self::Err => 2,
            Self::SidecarOut(sidecar) => FIRST_SIDECAR.saturating_add(sidecar.saturating_mul(2)),
            Self::SidecarErr(sidecar) => {
                FIRST_SIDECAR.saturating_add(sidecar.saturating_mul(2).saturating_add(1))
            }
        }
    }

    /// As it is read.
    const fn of(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Out),
            2 => Some(Self::Err),
            FIRST_SIDECAR.. => {
                let at = number - FIRST_SIDECAR;
                Some(if at.is_multiple_of(2) {
                    Self::SidecarOut(at / 2)
                } else {
                    Self::SidecarErr(at / 2)
                })
            }
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where the record begins in the sandbox's log.
    pub offset: u64,
    /// When it was read from the command, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Where it was written.
    pub stream: Stream,
    /// The text without its line end; not always UTF-8. At most [`MAX_LINE`] bytes.
    pub line: Bytes,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn write(writer: &mut Writer, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let mut batch = Vec::new();
            encode(&mut batch, 7, Stream::Out, line.as_bytes());
            writer.append(&batch);
        }
    }

    fn read(reader: &mut Reader) -> Vec<String> {
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|record| String::from_utf8(record.line.to_vec()).unwrap())
            .collect()
    }

    fn lines(range: std::ops::Range<u32>) -> Vec<String> {
        range
            .map(|n| format!("line {n} {}", "x".repeat(1000)))
            .collect()
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn writer(dir: &Path) -> Writer {
        Writer::create(dir, 0).unwrap()
    }

    #[test]
    fn every_stream_is_read_as_written() {
        let last = u8::try_from(SIDECARS).unwrap();
        let sidecars = (0..last).flat_map(|n| [Stream::SidecarOut(n), Stream::SidecarErr(n)]);
        for stream in [Stream::Out, Stream::Err].into_iter().chain(sidecars) {
            assert_eq!(Stream::of(stream.number()), Some(stream));
        }
        assert_eq!(Stream::of(0), None);
    }

    #[test]
    fn a_reader_resumes_at_its_offset() {
        let dir = folder();
        let mut writer = writer(dir.path());
        write(&mut writer, lines(0..3));
        let mut reader = Reader::open(dir.path(), 0).unwrap();
        assert_eq!(read(&mut reader), lines(0..3));
        assert_eq!(reader.offset(), writer.end());
        write(&mut writer, lines(3..5));
        assert_eq!(
            read(&mut Reader::open(dir.path(), reader.offset()).unwrap()),
            lines(3..5)
        );
        assert_eq!(read(&mut reader), lines(3..5));
    }

    #[test]
    fn a_reader_follows_over_the_change_of_files() {
        let dir = folder();
        let mut writer = writer(dir.path());
        let mut reader = Reader::open(dir.path(), 0).unwrap();
        for start in (0..1000).step_by(50) {
            write(&mut writer, lines(start..start + 50));
            assert_eq!(read(&mut reader), lines(start..start + 50));
        }
        assert_eq!(reader.skipped(), 0);
    }

    #[test]
    fn a_late_reader_gets_what_is_kept_and_is_told_what_is_not() {
        let dir = folder();
        let mut writer = writer(dir.path());
        write(&mut writer, lines(0..1000));
        let mut reader = Reader::open(dir.path(), 0).unwrap();
        let kept = read(&mut reader);
        assert!(kept.len() > 100 && kept.len() < 400, "{}", kept.len());
        assert_eq!(kept, lines(1000 - u32::try_from(kept.len()).unwrap()..1000));
        assert!(reader.skipped() > 0);
    }

    #[test]
    fn a_torn_record_is_not_yet_there() {
        let dir = folder();
        let mut writer = writer(dir.path());
        write(&mut writer, lines(0..2));
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(dir.path().join("log.0"))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() - 3).unwrap();
        assert_eq!(read(&mut Reader::open(dir.path(), 0).unwrap()), lines(0..1));
    }

    #[test]
    fn what_a_full_disk_took_is_told_once_when_there_is_room() {
        let dir = folder();
        let mut writer = writer(dir.path());
        write(&mut writer, lines(0..1));
        let file = writer.fill_disk();
        write(&mut writer, lines(1..4));
        writer.make_room(file);
        write(&mut writer, lines(4..6));
        let mut reader = Reader::open(dir.path(), 0).unwrap();
        let found = read(&mut reader);
        let bytes = 3 * (RECORD_HEADER + lines(1..2)[0].len());
        let told = format!("Here the platform lost {bytes} bytes of output: the disk was full");
        let expected = [lines(0..1), vec![told], lines(4..6)].concat();
        assert_eq!(found, expected);
        assert_eq!(reader.offset(), writer.end());
    }

    #[test]
    fn a_folder_without_a_log_has_no_records() {
        assert_eq!(
            Reader::open(folder().path(), 0).unwrap().next().unwrap(),
            None
        );
    }
}

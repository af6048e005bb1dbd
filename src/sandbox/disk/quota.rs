//! How many inodes go with how many bytes.

use crate::{model::Megabytes, sandbox::Quota};

/// The unit that file systems here count in.
pub(super) const BLOCK: u64 = 4096;

/// Bytes for which there is an inode: as mke2fs gives them, and enough for a `node_modules`,
/// whose files have 10 KiB on average, to fill half of what there is.
const BYTES_PER_INODE: u64 = 16 << 10;

/// Inodes that there are however small the quota is: a small app of many files.
const FEWEST: u64 = 4096;

/// What an inode takes of the quota.
pub(super) const INODE: u64 = 256;

/// What inodes may take of a quota: a sixteenth.
const LARGEST_SHARE: u64 = 16;

/// Less is no file system.
const SMALLEST: u64 = 1 << 20;

impl Quota {
    /// Its bytes, as people know them.
    #[must_use]
    pub fn megabytes(self) -> Megabytes {
        Megabytes(u32::try_from(self.bytes >> 20).unwrap_or(u32::MAX))
    }

    /// The quota for `bytes`, which is made no larger than `most`: no file can be larger than
    /// the file system that it is on.
    pub(super) fn of(bytes: u64, most: u64) -> Self {
        let bytes = bytes.min(most).max(SMALLEST) / BLOCK * BLOCK;
        let fewest = FEWEST.min(bytes / LARGEST_SHARE / INODE);
        Self {
            bytes,
            inodes: fewest.max(bytes / BYTES_PER_INODE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_go_with_bytes() {
        let check = |bytes: u64, most: u64, expected: (u64, u64)| {
            let quota = Quota::of(bytes, most);
            assert_eq!((quota.bytes, quota.inodes), expected, "{bytes}");
        };
        check(1 << 30, u64::MAX, (1 << 30, 65_536));
        check(32 << 20, u64::MAX, (32 << 20, 4096));
        check(2 << 20, u64::MAX, (2 << 20, 512));
        check(0, u64::MAX, (1 << 20, 256));
        check(1 << 40, 8 << 30, (8 << 30, 524_288));
    }
}

//! How much is kept.

/// How much is kept, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk of one app; the oldest quarter goes when it is full.
    pub app: u64,
    /// Bytes in memory of one app whose log is being read.
    pub ring: usize,
    /// Bytes in memory of all apps together.
    pub rings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Some 30,000 lines of 140 bytes: more than the 1,000 that `cf logs --recent` shows,
            // and 4 GB where a thousand apps all talk without end.
            app: 4 << 20,
            // Holds the 1,000 lines of `cf logs --recent`.
            ring: 256 << 10,
            // Thirty people may look at once before the disk is read for each look.
            rings: 8 << 20,
        }
    }
}

//! How long processes run at a stretch while others wait for the processor.
//!
//! A kernel with EEVDF lets a thread that wakes up go first if its slice is shorter than that of
//! the one that runs (Documentation/scheduler/sched-eevdf.rst); else it waits for the end of a
//! turn, which a host that ticks 250 times a second may notice as late as 4 ms after. Slices say
//! nothing about shares: those stay in proportion to weights.

use std::io;

use super::sys;

/// How long a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turns {
    /// For threads that sleep most of the time and whose work others wait for: the least that
    /// the kernel takes.
    Shortest,
    /// For processes of apps: short beside what a person notices, long beside the microseconds
    /// that a change of processes takes.
    Short,
    /// For what uses all the processor that it can get: the most that the kernel takes. It is
    /// interrupted by everything else that wakes up, and loses nothing of its share.
    Long,
}

impl Turns {
    const fn slice_ns(self) -> u64 {
        match self {
            Self::Shortest => 100_000,
            Self::Short => 500_000,
            Self::Long => 100_000_000,
        }
    }

    /// Takes such turns from now on, this thread and what it will start.
    ///
    /// # Errors
    /// Where the host refuses it; then turns are as long as the kernel likes.
    pub fn take(self) -> io::Result<()> {
        self.give(0)
    }

    /// Has another thread take them. That it has ended is no error.
    pub(super) fn give(self, tid: i32) -> io::Result<()> {
        match sys::set_time_slice(tid, self.slice_ns()) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => Ok(()),
            other => other,
        }
    }
}

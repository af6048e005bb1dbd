//! One line, and how lines are asked for.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Measured;
use crate::model::{AppId, ProcessId, ProcessType};

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line of an app's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Whose log it is in.
    pub app: AppId,
    /// Cloud Foundry's source type: `APP/PROC/WEB`, `STG`, `RTR`, `API`, `CELL`, `HEALTH`, `LGR`.
    pub source: String,
    /// The instance's index, or `0`.
    pub instance: String,
    /// The process it came from, where it came from one.
    pub process: Option<(ProcessId, ProcessType)>,
    /// Where it was written.
    pub stream: Stream,
    /// The text, without its line end; not always UTF-8.
    pub text: Bytes,
}

impl Line {
    /// What it takes in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        // The counts of references, and the room between allocations.
        let overhead = size_of::<Self>() + 64;
        self.text.len() + self.source.len() + self.instance.len() + overhead
    }
}

/// A line or a measurement.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A line.
    Line(Arc<Line>),
    /// A measurement.
    Measured(Arc<Measured>),
}

impl Entry {
    /// Whose it is.
    #[must_use]
    pub fn app(&self) -> AppId {
        match self {
            Self::Line(line) => line.app,
            Self::Measured(measured) => measured.app,
        }
    }

    /// What it takes in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Line(line) => line.weight(),
            Self::Measured(measured) => measured.weight(),
        }
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn at_ns(&self) -> u64 {
        match self {
            Self::Line(line) => line.at_ns,
            Self::Measured(measured) => measured.at_ns,
        }
    }
}

/// Which lines to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// First time, inclusive, nanoseconds since the epoch; may be far in the past.
    pub start_ns: i64,
    /// Last time, exclusive.
    pub end_ns: i64,
    /// At most this many.
    pub limit: usize,
    /// The newest first, and the newest where the limit cuts; else the oldest.
    pub descending: bool,
}

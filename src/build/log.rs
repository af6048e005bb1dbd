//! The build's lines in the app's log.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::{
    logs::{Line, Logs, Stream},
    model::AppId,
};

/// Writes `STG` lines of one app.
#[derive(Debug, Clone)]
pub(super) struct StagingLog {
    logs: Logs,
    app: AppId,
}

impl StagingLog {
    pub(super) const fn new(logs: Logs, app: AppId) -> Self {
        Self { logs, app }
    }

    /// The platform's own words, now.
    pub(super) fn say(&self, text: impl Into<String>) {
        self.forward(now_ns(), Stream::Out, Bytes::from(text.into()));
    }

    /// The platform's own words about a failure, a line of the log for each of them.
    pub(super) fn complain(&self, text: &str) {
        for line in text.lines() {
            let line = Bytes::copy_from_slice(line.as_bytes());
            self.forward(now_ns(), Stream::Err, line);
        }
    }

    /// A line of the build.
    pub(super) fn forward(&self, at_ns: u64, stream: Stream, text: Bytes) {
        self.logs.append(Line {
            at_ns,
            app: self.app,
            source: "STG".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream,
            text,
        });
    }
}

fn now_ns() -> u64 {
    // Before 1970 and after 2554 there are no builds.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

//! Log lines through log-cache's API.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize};

use crate::cli::failure::Outcome;

use super::Api;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LogLine {
    /// Nanoseconds since the Unix epoch.
    pub(crate) timestamp: i64,
    /// `APP/PROC/WEB`, `STG`, `RTR`, ...
    pub(crate) source: String,
    pub(crate) instance: String,
    /// `OUT` or `ERR`.
    pub(crate) stream: String,
    pub(crate) text: String,
}

/// Which lines to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    /// The newest ones, at most so many.
    Newest(u32),
    /// Those after this time in nanoseconds, in order.
    After(i64),
}

#[derive(Deserialize)]
struct Read {
    envelopes: Envelopes,
}

#[derive(Deserialize)]
struct Envelopes {
    #[serde(default)]
    batch: Vec<Envelope>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(deserialize_with = "integer")]
    timestamp: i64,
    #[serde(default)]
    instance_id: String,
    #[serde(default)]
    tags: Tags,
    log: Option<Log>,
}

#[derive(Deserialize, Default)]
struct Tags {
    #[serde(default)]
    source_type: String,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    payload: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// Protobuf's JSON writes 64-bit integers as strings, and readers take both.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl Api<'_> {
    /// Lines of an app's log, oldest first.
    pub(crate) async fn log_lines(&self, app: &str, since: Since) -> Outcome<Vec<LogLine>> {
        let base = self.profile.borrow().log_cache.clone();
        let query = match since {
            Since::Newest(count) => format!("limit={count}&descending=true"),
            Since::After(time) => format!("limit=1000&start_time={}", time.saturating_add(1)),
        };
        let url = format!("{base}/api/v1/read/{app}?envelope_types=LOG&{query}");
        let read: Read = self.get(&url).await?;
        let mut lines: Vec<LogLine> = read.envelopes.batch.into_iter().filter_map(line).collect();
        if matches!(since, Since::Newest(_)) {
            // Lines of one moment come in the order of the answer, which is the other one here.
            lines.reverse();
        }
        lines.sort_by_key(|line| line.timestamp);
        Ok(lines)
    }
}

fn line(envelope: Envelope) -> Option<LogLine> {
    let log = envelope.log?;
    let bytes = BASE64_STANDARD.decode(log.payload).ok()?;
    Some(LogLine {
        timestamp: envelope.timestamp,
        source: envelope.tags.source_type,
        instance: envelope.instance_id,
        stream: if log.kind == "ERR" { "ERR" } else { "OUT" }.to_owned(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

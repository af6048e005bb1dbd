//! Follows an instance's own log into the app's.

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::{sync::watch, task::spawn_blocking};

use super::{runtime::Running, voice::Voice};
use crate::{
    logs::{Line, Logs, Origin, Stream},
    model::{AppId, InstanceId},
    sandbox::{Status, log},
};

/// Lines that are handed on together, and their bytes.
const BATCH_LINES: usize = 512;
const BATCH_BYTES: usize = 128 << 10;
const SECOND_NS: u64 = 1_000_000_000;

/// Follows until the instance has ended and its last line is kept. `wrote` hears how many
/// bytes came.
pub(super) async fn follow(
    logs: Logs,
    app: AppId,
    running: Arc<dyn Running>,
    voice: Voice,
    rate_limit: i64,
    wrote: impl Fn(u64),
) -> io::Result<()> {
    let instance = voice.instance;
    let mut status = running.status();
    let opened = spawn_blocking({
        let logs = logs.clone();
        move || running.log(logs.position(app, instance)?)
    });
    let Some((mut reader, mut logged)) = opened.await.map_err(io::Error::other)?? else {
        return Ok(());
    };
    let mut gate = Gate::new(rate_limit);
    let mut skipped = 0;
    loop {
        // Before reading, so that what comes after the reading wakes.
        let ended = matches!(*status.borrow_and_update(), Status::Ended(_));
        logged.borrow_and_update();
        let batch;
        (reader, batch) = spawn_blocking(move || {
            let batch = read(&mut reader);
            (reader, batch)
        })
        .await
        .map_err(io::Error::other)?;
        let batch = batch?;
        if reader.skipped() > skipped {
            let lost = reader.skipped() - skipped;
            skipped = reader.skipped();
            voice.gap(format!(
                "{lost} bytes of output were lost because they came too fast"
            ));
        }
        if batch.is_empty() {
            if ended {
                return Ok(());
            }
            more(&mut logged, &mut status).await;
            continue;
        }
        wrote(
            batch
                .iter()
                .map(|(record, _)| record.line.len() as u64 + 1)
                .sum(),
        );
        let lines = admitted(batch, &mut gate, &voice, instance);
        if !lines.is_empty() {
            logs.ingest(lines).await;
        }
    }
}

/// Waits until there may be more.
async fn more(logged: &mut watch::Receiver<u64>, status: &mut watch::Receiver<Status>) {
    tokio::select! {
        changed = logged.changed() => if changed.is_err() {
            // Nobody tells any more; the status still does.
            let _ = status.changed().await;
        },
        _ = status.changed() => {}
    }
}

/// Records with where the next one begins.
type Batch = Vec<(log::Record, u64)>;

fn read(reader: &mut log::Reader) -> io::Result<Batch> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
        let Some(record) = reader.next()? else {
            break;
        };
        bytes += record.line.len();
        batch.push((record, reader.offset()));
    }
    Ok(batch)
}

fn admitted(
    batch: Batch,
    gate: &mut Gate,
    voice: &Voice,
    instance: InstanceId,
) -> Vec<(Line, Origin)> {
    let mut lines = Vec::with_capacity(batch.len());
    for (record, position) in batch {
        let origin = Origin { instance, position };
        match gate.pass(record.at_ns, record.line.len() as u64 + 1) {
            Verdict::Pass => {
                let stream = match record.stream {
                    log::Stream::Out => Stream::Out,
                    log::Stream::Err => Stream::Err,
                };
                lines.push((voice.own(record.at_ns, stream, record.line), origin));
            }
            Verdict::FirstDrop => {
                let text = format!(
                    "app instance exceeded log rate limit ({} bytes/sec)",
                    gate.limit.unwrap_or(0)
                );
                lines.push((
                    voice.own(record.at_ns, Stream::Err, Bytes::from(text)),
                    origin,
                ));
            }
            Verdict::Drop => {}
        }
    }
    lines
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// The first in its second that is one too many.
    FirstDrop,
    Drop,
}

/// Counts an instance's bytes by the second in which it wrote them.
#[derive(Debug)]
struct Gate {
    limit: Option<u64>,
    second: u64,
    bytes: u64,
    told: bool,
}

impl Gate {
    fn new(limit: i64) -> Self {
        let limit = u64::try_from(limit).ok();
        Self {
            limit,
            second: 0,
            bytes: 0,
            told: false,
        }
    }

    fn pass(&mut self, at_ns: u64, bytes: u64) -> Verdict {
        let Some(limit) = self.limit else {
            return Verdict::Pass;
        };
        if at_ns / SECOND_NS != self.second {
            (self.second, self.bytes, self.told) = (at_ns / SECOND_NS, 0, false);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= limit {
            Verdict::Pass
        } else if std::mem::replace(&mut self.told, true) {
            Verdict::Drop
        } else {
            Verdict::FirstDrop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_second_is_dropped_and_said_once() {
        let mut gate = Gate::new(10);
        let verdicts: Vec<_> = [(0, 6), (1, 6), (2, 1), (SECOND_NS, 6), (SECOND_NS, 6)]
            .map(|(at, bytes)| gate.pass(at, bytes))
            .into();
        use Verdict::{Drop, FirstDrop, Pass};
        assert_eq!(verdicts, [Pass, FirstDrop, Drop, Pass, FirstDrop]);
        assert_eq!(Gate::new(-1).pass(0, u64::MAX), Pass);
    }
}

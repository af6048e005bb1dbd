//! Follows an instance's own log into the app's.

use std::{io, sync::Arc};

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

/// Follows until the instance has ended and its last line is kept. `wrote` hears how many
/// bytes came.
pub(super) async fn follow(
    logs: Logs,
    app: AppId,
    running: Arc<dyn Running>,
    voice: Voice,
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
        logs.ingest(lines(batch, &voice, instance)).await;
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

fn lines(batch: Batch, voice: &Voice, instance: InstanceId) -> Vec<(Line, Origin)> {
    let each = batch.into_iter().map(|(record, position)| {
        let (at_ns, line) = (record.at_ns, record.line);
        let line = match record.stream {
            log::Stream::Out => voice.own(at_ns, Stream::Out, line),
            log::Stream::Err => voice.own(at_ns, Stream::Err, line),
            log::Stream::SidecarOut(at) => voice.sidecar(at, at_ns, Stream::Out, line),
            log::Stream::SidecarErr(at) => voice.sidecar(at, at_ns, Stream::Err, line),
        };
        (line, Origin { instance, position })
    });
    each.collect()
}

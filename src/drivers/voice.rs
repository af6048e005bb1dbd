//! What the platform says in an app's log, in Cloud Foundry's words.

use bytes::Bytes;

use super::record::Record;
use crate::{
    logs::{Line, Logs, Stream},
    model::{AppId, InstanceId, ProcessId, ProcessType},
    stdx::clock::Clock,
};

/// Speaks of one instance.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    logs: Logs,
    clock: Clock,
    cell: String,
    app: AppId,
    /// What its own lines come from.
    source: String,
    /// What those of sidecars come from.
    sidecars: Vec<String>,
    process: Option<(ProcessId, ProcessType)>,
    pub(super) instance: InstanceId,
    index: String,
}

impl Voice {
    pub(super) fn new(logs: Logs, clock: Clock, cell: &str, record: &Record) -> Self {
        let source = match &record.task {
            Some(task) => format!("APP/TASK/{}", task.name),
            None => format!("APP/PROC/{}", record.process_type.to_uppercase()),
        };
        let sidecars = record.sidecars.iter();
        let sidecars = sidecars.map(|name| format!("{source}/SIDECAR/{}", name.to_uppercase()));
        Self {
            logs,
            clock,
            cell: cell.to_owned(),
            app: record.app,
            sidecars: sidecars.collect(),
            source,
            process: match record.task {
                Some(_) => None,
                None => Some((record.slot.process, record.process_type.clone())),
            },
            instance: record.instance,
            index: record.slot.index.to_string(),
        }
    }

    /// A line of the instance's own, which it wrote at `at_ns`.
    pub(super) fn own(&self, at_ns: u64, stream: Stream, text: Bytes) -> Line {
        Line {
            at_ns,
            app: self.app,
            source: self.source.clone(),
            instance: self.index.clone(),
            process: self.process.clone(),
            stream,
            text,
        }
    }

    /// A line of the sidecar of this number.
    pub(super) fn sidecar(&self, number: u8, at_ns: u64, stream: Stream, text: Bytes) -> Line {
        let source = self.sidecars.get(usize::from(number));
        Line {
            source: source.unwrap_or(&self.source).clone(),
            ..self.own(at_ns, stream, text)
        }
    }

    fn say(&self, source: &str, stream: Stream, text: String) {
        let line = self.own(self.clock.wall_ns(), stream, text.into());
        self.logs.append(Line {
            source: source.to_owned(),
            ..line
        });
    }

    /// Says what the machine does with the instance: "Cell `cell` `does` instance `id`".
    pub(super) fn cell(&self, does: &str) {
        let text = format!("Cell {} {does} instance {}", self.cell, self.instance);
        self.say("CELL", Stream::Out, text);
    }

    /// Says how the instance is watched.
    pub(super) fn monitor(&self, text: &str) {
        self.say("CELL", Stream::Out, text.to_owned());
    }

    /// Says why the instance is not well.
    pub(super) fn health(&self, text: &str) {
        self.say("HEALTH", Stream::Err, text.to_owned());
    }

    /// Says how the process ended.
    pub(super) fn exit(&self, text: &str) {
        self.logs.append(self.own(
            self.clock.wall_ns(),
            Stream::Out,
            Bytes::copy_from_slice(text.as_bytes()),
        ));
    }

    /// Says that the log itself has a gap.
    pub(super) fn gap(&self, text: String) {
        self.say("LGR", Stream::Err, text);
    }
}

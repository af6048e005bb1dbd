//! What is on disk of an instance, so that the next daemon can take it over.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Order, Phase, Slot, TaskMark, Version};
use crate::{
    certs::Bearer,
    model::{
        APP_PORT, AppId, DropletKind, HealthCheck, InstanceId, LayerId, ProcessType, ReadinessCheck,
    },
};

/// The version of [`Record`] that this binary writes and reads.
const FORMAT: u32 = 1;
/// The record's file in the instance's folder.
const FILE: &str = "instance.json";

/// One instance: what it is, and where it stood when this was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// The boot that the record's times belong to.
    pub(crate) boot: String,
    pub(crate) instance: InstanceId,
    pub(crate) app: AppId,
    pub(crate) slot: Slot,
    pub(crate) process_type: ProcessType,
    pub(crate) version: Version,
    /// Crashes in a row before it.
    pub(crate) crashes: u32,
    /// What it takes from the machine's budget.
    pub(crate) memory_mb: u64,
    pub(crate) kind: DropletKind,
    /// The served folder of a static one, once that is known.
    pub(crate) static_root: Option<PathBuf>,
    pub(crate) health: HealthCheck,
    pub(crate) readiness: ReadinessCheck,
    pub(crate) phase: Phase,
    /// Whether its crash is in the audit events.
    pub(crate) reported: bool,
    /// The port that it listens on.
    #[serde(default = "app_port")]
    pub(crate) port: u16,
    /// What it may write, in mebibytes; 0 where an earlier release did not say.
    #[serde(default)]
    pub(crate) disk_mb: u64,
    /// Bytes of log that it may write in a second; -1 for any number.
    #[serde(default = "unlimited")]
    pub(crate) log_rate_limit: i64,
    /// The layers of images that it runs in: they stay while it does.
    #[serde(default)]
    pub(crate) layers: Vec<LayerId>,
    /// The names of what runs beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sidecars: Vec<String>,
    /// The task that it is, in place of an instance of a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskMark>,
    /// Whose its certificate says that it is; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bearer: Option<Bearer>,
}

const fn app_port() -> u16 {
    APP_PORT
}

const fn unlimited() -> i64 {
    -1
}

/// What the environment of an instance calls it: a task has its own name.
pub(crate) fn guid(instance: InstanceId, task: Option<&TaskMark>) -> String {
    task.map_or_else(|| instance.to_string(), |task| task.id.to_string())
}

impl Record {
    /// The record of what `order` asks for.
    pub(crate) fn new(boot: &str, order: &Order, phase: Phase) -> Self {
        let (process, droplet) = (&order.process, &order.droplet);
        let kind = order.kind();
        let memory_mb = match kind {
            DropletKind::Process | DropletKind::Wasm | DropletKind::Image | DropletKind::Cnb => {
                u64::from(process.memory.0)
            }
            DropletKind::Static => 0,
        };
        Self {
            format: FORMAT,
            boot: boot.to_owned(),
            instance: order.instance,
            app: process.app,
            slot: order.slot,
            process_type: process.process_type.clone(),
            version: order.version,
            crashes: order.crashes,
            memory_mb,
            kind,
            static_root: None,
            health: process.health.clone(),
            readiness: process.readiness.clone(),
            phase,
            reported: false,
            port: droplet.port(),
            disk_mb: u64::from(process.disk.0),
            log_rate_limit: process.log_rate_limit,
            layers: droplet.layers().to_vec(),
            sidecars: order.sidecars.iter().map(|one| one.name.clone()).collect(),
            task: order.task.clone(),
            bearer: Some(order.bearer),
        }
    }

    /// What its environment calls it.
    pub(crate) fn guid(&self) -> String {
        guid(self.instance, self.task.as_ref())
    }

    /// Writes the record into the instance's folder, whole or not at all. Blocks on the disk.
    ///
    /// It is not synced: after a power cut nothing runs, and then it tells nothing.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let new = dir.join("instance.json.new");
        fs::write(&new, text)?;
        fs::rename(&new, dir.join(FILE))
    }

    /// The record in the instance's folder; none where there is none. Blocks on the disk.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let record: Self = serde_json::from_slice(&text)?;
        if record.format != FORMAT {
            let what = format!("instance.json is of format {}, not {FORMAT}", record.format);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Some(record))
    }
}

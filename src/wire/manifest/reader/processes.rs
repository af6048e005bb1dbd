//! The processes of a manifest.

use serde_json::Value;

use super::{super::ProcessManifest, Reader};
use crate::{
    model::ProcessType,
    wire::process::{HealthData, HealthPatch},
};

impl Reader<'_> {
    /// The processes: the keys at the top are the web process's, unless it has an own entry.
    pub(super) fn processes(&mut self) -> Vec<ProcessManifest> {
        let mut processes: Vec<ProcessManifest> = Vec::new();
        for entry in self.list("processes").unwrap_or_default() {
            let Some(map) = entry.as_object() else {
                self.wrong("processes", "a list of maps with a 'type'", entry);
                continue;
            };
            let kind = match map.get("type") {
                Some(Value::String(kind)) => ProcessType::parse(kind.as_str()),
                _ => {
                    self.wrong("processes", "a list of maps with a 'type'", entry);
                    continue;
                }
            };
            let kind = match kind {
                Ok(kind) => kind,
                Err(error) => {
                    self.errors.push(format!("Process {error}"));
                    continue;
                }
            };
            if processes
                .iter()
                .any(|other| other.process_type.as_ref() == Some(&kind))
            {
                self.errors
                    .push(format!("Process \"{kind}\" may only be present once"));
                continue;
            }
            let mut inner = Reader {
                map,
                errors: Vec::new(),
            };
            let process = ProcessManifest {
                process_type: Some(kind.clone()),
                ..inner.process()
            };
            let errors = inner.errors.into_iter();
            self.errors
                .extend(errors.map(|error| format!("Process \"{kind}\": {error}")));
            processes.push(process);
        }
        let web = ProcessType::web();
        if !processes
            .iter()
            .any(|process| process.process_type.as_ref() == Some(&web))
        {
            let top = self.process();
            if top != ProcessManifest::default() {
                processes.insert(
                    0,
                    ProcessManifest {
                        process_type: Some(web),
                        ..top
                    },
                );
            }
        }
        processes
    }

    fn process(&mut self) -> ProcessManifest {
        if let Some(Some(user)) = self.string("user")
            && user != "vcap"
        {
            self.errors
                .push(format!("'user' must be vcap, not \"{user}\""));
        }
        let command = self.string("command").map(|command| {
            // Cloud Foundry reads these as "whatever the buildpack says".
            command.filter(|text| !["", "null", "default"].contains(&text.as_str()))
        });
        ProcessManifest {
            process_type: None,
            command,
            instances: self.number("instances", 0),
            memory: self.size("memory"),
            disk: self.size("disk_quota"),
            log_rate_limit: self.log_rate("log_rate_limit_per_second"),
            health: self.check("health_check", true),
            readiness: self.check("readiness_health_check", false),
        }
    }

    fn check(&mut self, prefix: &str, liveness: bool) -> Option<HealthPatch> {
        let kind = match self.string(&format!("{prefix}_type")).flatten().as_deref() {
            None => None,
            // An old word for the same.
            Some("none") => Some("process".to_owned()),
            Some(kind @ ("port" | "http" | "process")) => Some(kind.to_owned()),
            Some(other) => {
                self.errors.push(format!(
                    "'{}-type' must be port, http or process, not \"{other}\"",
                    prefix.replace('_', "-")
                ));
                None
            }
        };
        let patch = HealthPatch {
            kind,
            data: HealthData {
                endpoint: self.string(&format!("{prefix}_http_endpoint")).flatten(),
                timeout: liveness
                    .then(|| self.number("timeout", 1))
                    .flatten()
                    .map(|seconds| Some(i64::from(seconds))),
                invocation_timeout: self.seconds(&format!("{prefix}_invocation_timeout")),
                interval: self.seconds(&format!("{prefix}_interval")),
            },
        };
        (patch != HealthPatch::default()).then_some(patch)
    }

    fn seconds(&mut self, key: &str) -> Option<Option<i64>> {
        self.number(key, 1).map(|seconds| Some(i64::from(seconds)))
    }
}

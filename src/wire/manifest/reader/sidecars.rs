//! The sidecars of a manifest.

use serde_json::Value;

use super::{super::SidecarManifest, Reader};
use crate::wire::shared::Hidden;

impl Reader<'_> {
    pub(super) fn sidecars(&mut self) -> Vec<SidecarManifest> {
        let mut sidecars: Vec<SidecarManifest> = Vec::new();
        for entry in self.list("sidecars").unwrap_or_default() {
            let named = entry
                .as_object()
                .zip(entry.get("name").and_then(Value::as_str));
            let Some((map, name)) = named else {
                self.wrong("sidecars", "a list of maps with a 'name'", entry);
                continue;
            };
            if sidecars.iter().any(|other| other.name == name) {
                self.errors
                    .push(format!("Sidecar \"{name}\" may only be present once"));
                continue;
            }
            let mut inner = Reader {
                map,
                errors: Vec::new(),
            };
            let sidecar = SidecarManifest {
                name: name.to_owned(),
                command: Hidden(inner.string("command").flatten()),
                process_types: inner.process_types(),
                memory: inner.size("memory"),
            };
            let errors = inner.errors.into_iter();
            self.errors
                .extend(errors.map(|error| format!("Sidecar \"{name}\": {error}")));
            sidecars.push(sidecar);
        }
        sidecars
    }

    fn process_types(&mut self) -> Option<Vec<String>> {
        let list = self.list("process_types")?;
        let mut types = Vec::new();
        for value in list {
            match value {
                Value::String(kind) => types.push(kind.clone()),
                other => self.wrong("process_types", "a list of strings", other),
            }
        }
        Some(types)
    }
}

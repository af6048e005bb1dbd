//! From a map of YAML to a checked manifest; every complaint names the app and the key.

mod processes;
mod routes;
mod sidecars;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{AppManifest, ServiceManifest};
use crate::{
    model::{AppName, Credentials, Megabytes, parse_bytes},
    wire::{MetadataPatch, app::RegistryCredentials, shared::Hidden},
};

/// The manifest of one app, out of the entry number `index` of `applications`.
///
/// # Errors
/// Everything that is wrong with it, in words for the user.
pub fn read(index: usize, entry: &Map<String, Value>) -> Result<AppManifest, Vec<String>> {
    let name = match entry.get("name") {
        Some(Value::String(name)) => AppName::parse(name.as_str()).map_err(|e| e.to_string()),
        None | Some(Value::Null) => Err("'name' must be given".to_owned()),
        Some(other) => Err(format!("'name' must be a string, not {}", shown(other))),
    };
    let name = name.map_err(|e| vec![format!("For application at index {index}: {e}")])?;
    let mut reader = Reader {
        map: entry,
        errors: Vec::new(),
    };
    let manifest = AppManifest {
        buildpacks: reader.buildpacks(),
        stack: reader.string("stack").flatten(),
        kind: reader.string("lifecycle").flatten(),
        credentials: reader.credentials(),
        docker: reader.docker(),
        env: Hidden(reader.env()),
        metadata: reader.metadata(),
        services: reader.services(),
        routing: reader.routing(),
        features: reader.features(),
        processes: reader.processes(),
        sidecars: reader.sidecars(),
        name,
    };
    if reader.errors.is_empty() {
        return Ok(manifest);
    }
    let name = &manifest.name;
    Err(reader
        .errors
        .into_iter()
        .map(|error| format!("For application '{name}': {error}"))
        .collect())
}

struct Reader<'a> {
    map: &'a Map<String, Value>,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The value of `key`, which is written with underscores here and with hyphens or
    /// underscores in manifests.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map
            .get(key)
            .or_else(|| self.map.get(&key.replace('_', "-")))
    }

    fn wrong(&mut self, key: &str, rule: &str, value: &Value) {
        let key = key.replace('_', "-");
        self.errors
            .push(format!("'{key}' must be {rule}, not {}", shown(value)));
    }

    /// The text of `key`: none where it is absent, `Some(None)` where it is null.
    fn string(&mut self, key: &str) -> Option<Option<String>> {
        match self.get(key)? {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            other => {
                self.wrong(key, "a string", other);
                None
            }
        }
    }

    fn boolean(&mut self, key: &str) -> bool {
        match self.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.wrong(key, "true or false", other);
                false
            }
        }
    }

    fn number(&mut self, key: &str, least: u32) -> Option<u32> {
        let value = self.get(key)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if number >= least => Some(number),
            _ if value.is_null() => None,
            _ => {
                let rule = format!("a whole number of at least {least}");
                self.wrong(key, &rule, value);
                None
            }
        }
    }

    fn size(&mut self, key: &str) -> Option<Megabytes> {
        let value = self.get(key)?;
        let size = match value {
            Value::Null => return None,
            Value::String(text) => text.parse().ok().filter(|size: &Megabytes| size.0 > 0),
            _ => None,
        };
        if size.is_none() {
            self.wrong(
                key,
                "a size above zero such as 64M or 1G, in whole megabytes \
                 (units B, K, KB, M, MB, G, GB, T, TB)",
                value,
            );
        }
        size
    }

    fn log_rate(&mut self, key: &str) -> Option<i64> {
        let value = self.get(key)?;
        let rate = match value {
            Value::Null => return None,
            Value::Number(number) => number.as_i64().filter(|rate| [-1, 0].contains(rate)),
            Value::String(text) => match text.trim() {
                "-1" => Some(-1),
                "0" => Some(0),
                text => parse_bytes(text).and_then(|bytes| i64::try_from(bytes).ok()),
            },
            _ => None,
        };
        if rate.is_none() {
            self.wrong(key, "-1 for no limit, 0, or a size such as 64K", value);
        }
        rate
    }

    fn list(&mut self, key: &str) -> Option<&'a [Value]> {
        match self.get(key)? {
            Value::Null => None,
            Value::Array(list) => Some(list),
            other => {
                self.wrong(key, "a list", other);
                None
            }
        }
    }

    fn map(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        match self.get(key)? {
            Value::Null => None,
            Value::Object(map) => Some(map),
            other => {
                self.wrong(key, "a map", other);
                None
            }
        }
    }

    fn buildpacks(&mut self) -> Option<Vec<String>> {
        let one = self.string("buildpack");
        let many = self.get("buildpacks").filter(|value| !value.is_null());
        if matches!(one, Some(Some(_))) && many.is_some() {
            self.errors
                .push("Buildpack and Buildpacks fields cannot be used together.".to_owned());
            return None;
        }
        if let Some(one) = one {
            // Both words ask for detection, as does null itself.
            let named = one.filter(|name| name != "default" && name != "null");
            return Some(named.into_iter().collect());
        }
        self.get("buildpacks")?;
        let list = self.list("buildpacks").unwrap_or_default();
        let mut names = Vec::new();
        for value in list {
            match value {
                Value::String(name) => names.push(name.clone()),
                other => self.wrong("buildpacks", "a list of strings", other),
            }
        }
        Some(names)
    }

    /// Who asks registries, by their names.
    fn credentials(&mut self) -> Option<Hidden<RegistryCredentials>> {
        let value = self
            .get("cnb_credentials")
            .filter(|value| !value.is_null())?;
        let read = serde_json::from_value(value.clone());
        if read.is_err() {
            // Without what is in it.
            let rule = "a map of registries, each with 'username' and 'password'";
            self.errors
                .push(format!("'cnb-credentials' must be {rule}"));
        }
        read.ok().map(Hidden)
    }

    /// Whether an image is named, and rightly.
    fn docker(&mut self) -> bool {
        let Some(map) = self.map("docker") else {
            return false;
        };
        let mut inner = Reader {
            map,
            errors: Vec::new(),
        };
        if inner.string("image").flatten().is_none() {
            inner.errors.push("'image' must be given".to_owned());
        }
        let _ = inner.string("username");
        if inner.get("password").is_some() {
            inner.errors.push(
                "a password does not belong into a manifest; put it into CF_DOCKER_PASSWORD"
                    .to_owned(),
            );
        }
        let errors = inner.errors.into_iter().map(|e| format!("Docker: {e}"));
        self.errors.extend(errors);
        for key in ["buildpack", "buildpacks"] {
            if self.get(key).is_some_and(|value| !value.is_null()) {
                self.errors
                    .push("Cannot specify both buildpack(s) and docker keys".to_owned());
            }
        }
        true
    }

    fn env(&mut self) -> BTreeMap<String, Option<String>> {
        let variables = self.map("env").into_iter().flatten();
        variables
            .map(|(name, value)| {
                let value = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                };
                (name.clone(), value)
            })
            .collect()
    }

    fn metadata(&mut self) -> MetadataPatch {
        let Some(map) = self.map("metadata") else {
            return MetadataPatch::default();
        };
        let mut inner = Reader {
            map,
            errors: Vec::new(),
        };
        let patch = MetadataPatch {
            labels: inner.texts("labels"),
            annotations: inner.texts("annotations"),
        };
        let errors = inner.errors.into_iter().map(|e| format!("Metadata: {e}"));
        self.errors.extend(errors);
        patch
    }

    fn texts(&mut self, key: &str) -> BTreeMap<String, Option<String>> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.map(key).into_iter().flatten() {
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                other => {
                    self.wrong(key, "a map of strings", other);
                    continue;
                }
            };
            texts.insert(name.clone(), text);
        }
        texts
    }

    fn services(&mut self) -> Vec<ServiceManifest> {
        let mut services = Vec::new();
        for value in self.list("services").unwrap_or_default() {
            let given = |key: &str| value.get(key).filter(|value| !value.is_null());
            let named = match (value, given("name")) {
                (Value::String(name), _) | (_, Some(Value::String(name))) => Some(name),
                _ => None,
            };
            let binding_name = match given("binding_name") {
                None => Some(None),
                Some(Value::String(name)) => Some(Some(name.clone())),
                Some(_) => None,
            };
            let parameters = match given("parameters") {
                None => Some(None),
                Some(Value::Object(members)) => {
                    let members = Some(members).filter(|members| !members.is_empty());
                    Some(members.map(|members| Credentials(members.clone())))
                }
                Some(_) => None,
            };
            match (named, binding_name, parameters) {
                (Some(name), Some(binding_name), Some(parameters)) => {
                    services.push(ServiceManifest {
                        name: name.clone(),
                        binding_name,
                        parameters,
                    });
                }
                _ => self.wrong(
                    "services",
                    "a list of names, or of maps with a 'name', and perhaps a 'binding_name' and \
                     'parameters'",
                    value,
                ),
            }
        }
        services
    }

    fn features(&mut self) -> BTreeMap<String, bool> {
        let mut features = BTreeMap::new();
        for (name, value) in self.map("features").into_iter().flatten() {
            match value {
                Value::Bool(enabled) => {
                    features.insert(name.clone(), *enabled);
                }
                other => self.wrong("features", "a map of true and false", other),
            }
        }
        features
    }
}

/// A value for a complaint, cut short.
fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}

//! What a manifest would change, as JSON patches that `cf push` prints beside the manifest.

use serde_json::{Map, Value, json};

use crate::model::{Megabytes, parse_bytes};

/// Keys whose elements are found by a member of theirs rather than by position.
const KEYED: [(&str, &str); 4] = [
    ("processes", "type"),
    ("routes", "route"),
    ("sidecars", "name"),
    ("services", "name"),
];

/// Keys that mean something here; others are ignored when applied, so they change nothing.
const KNOWN: [&str; 34] = [
    "name",
    "buildpack",
    "buildpacks",
    "command",
    "default_route",
    "disk_quota",
    "docker",
    "env",
    "features",
    "health_check_http_endpoint",
    "health_check_interval",
    "health_check_invocation_timeout",
    "health_check_type",
    "instances",
    "lifecycle",
    "log_rate_limit_per_second",
    "memory",
    "metadata",
    "no_route",
    "processes",
    "random_route",
    "readiness_health_check_http_endpoint",
    "readiness_health_check_interval",
    "readiness_health_check_invocation_timeout",
    "readiness_health_check_type",
    "routes",
    "services",
    "sidecars",
    "stack",
    "timeout",
    "type",
    "labels",
    "annotations",
    "user",
];

/// The differences of the entry number `index` from `existing`, the app's own manifest; none
/// for an app that does not exist, of which everything is new. Only keys that the entry has
/// are compared.
#[must_use]
pub fn diff(
    index: usize,
    entry: &Map<String, Value>,
    existing: Option<&Map<String, Value>>,
) -> Vec<Value> {
    let mut changes = Changes(Vec::new());
    let existing = existing.map(with_web);
    for (key, value) in entry {
        let plain = key.replace('-', "_");
        if !KNOWN.contains(&plain.as_str()) {
            continue;
        }
        let path = format!("/applications/{index}/{}", escape(key));
        let Some(existing) = &existing else {
            changes.add(&path, value);
            continue;
        };
        match plain.as_str() {
            "default_route" | "random_route" | "no_route" => {
                let routed = existing.contains_key("routes");
                let given = entry.get("routes").and_then(Value::as_array);
                let changing = match plain.as_str() {
                    "no_route" => routed,
                    _ => !routed && given.is_none_or(Vec::is_empty),
                };
                if changing && value == &Value::Bool(true) {
                    changes.add(&path, value);
                }
            }
            "buildpack" => {
                let was = existing.get("buildpacks").and_then(|list| list.get(0));
                changes.value(&path, "buildpack", was, value);
            }
            _ => changes.value(&path, &plain, find(existing, &plain), value),
        }
    }
    changes.0
}

/// The existing manifest with the keys of its web process at the top, where requests may have
/// them too.
fn with_web(existing: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = existing.clone();
    let web = existing
        .get("processes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|process| process.get("type").and_then(Value::as_str) == Some("web"));
    for (key, value) in web.and_then(Value::as_object).into_iter().flatten() {
        if key != "type" {
            merged.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    merged
}

/// The value under `key`, whether it is written with hyphens or underscores.
fn find<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.iter()
        .find(|(name, _)| name.replace('-', "_") == key)
        .map(|(_, value)| value)
}

struct Changes(Vec<Value>);

impl Changes {
    fn add(&mut self, path: &str, value: &Value) {
        self.0
            .push(json!({ "op": "add", "path": path, "value": value }));
    }

    fn value(&mut self, path: &str, key: &str, was: Option<&Value>, new: &Value) {
        let was = was.filter(|was| !was.is_null());
        match (was, new) {
            (None, Value::Null) => {}
            (None, _) => self.add(path, new),
            (Some(was), Value::Null) => {
                self.0
                    .push(json!({ "op": "remove", "path": path, "was": was }));
            }
            (Some(Value::Object(was)), Value::Object(new)) => {
                for (name, value) in new {
                    let path = format!("{path}/{}", escape(name));
                    self.value(&path, name, was.get(name), value);
                }
            }
            (Some(Value::Array(was)), Value::Array(new)) => self.list(path, key, was, new),
            (Some(was), new) => {
                if normal(key, was) != normal(key, new) {
                    self.0
                        .push(json!({ "op": "replace", "path": path, "was": was, "value": new }));
                }
            }
        }
    }

    fn list(&mut self, path: &str, key: &str, was: &[Value], new: &[Value]) {
        if let Some((_, by)) = KEYED.iter().find(|(list, _)| *list == key) {
            for (index, value) in new.iter().enumerate() {
                let path = format!("{path}/{index}");
                let same = |other: &&Value| identity(other, by) == identity(value, by);
                match (was.iter().find(same), value) {
                    (Some(Value::Object(was)), Value::Object(value)) => {
                        for (name, value) in value {
                            let plain = name.replace('-', "_");
                            let path = format!("{path}/{}", escape(name));
                            self.value(&path, &plain, find(was, &plain), value);
                        }
                    }
                    (Some(_), _) => {}
                    (None, value) => self.add(&path, value),
                }
            }
            return;
        }
        for (index, value) in new.iter().enumerate() {
            self.value(&format!("{path}/{index}"), key, was.get(index), value);
        }
        for (index, gone) in was.iter().enumerate().skip(new.len()) {
            self.0
                .push(json!({ "op": "remove", "path": format!("{path}/{index}"), "was": gone }));
        }
    }
}

/// What an element of a keyed list is known by; services may be plain names.
fn identity<'a>(value: &'a Value, by: &str) -> Option<&'a str> {
    value.as_str().or_else(|| value.get(by)?.as_str())
}

/// A value in the form in which two ways to write the same are equal.
fn normal(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("memory" | "disk_quota", Value::String(text)) => text
            .parse::<Megabytes>()
            .map_or_else(|_| value.clone(), |size| json!(size.0)),
        ("log_rate_limit_per_second", Value::String(text)) => {
            parse_bytes(text).map_or_else(|| value.clone(), |bytes| json!(bytes))
        }
        ("health_check_type", Value::String(kind)) if kind == "none" => json!("process"),
        // `env` and labels are kept as text.
        (_, Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_)) => {
            json!(value.to_string())
        }
        _ => value.clone(),
    }
}

/// A key as a segment of a JSON pointer (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

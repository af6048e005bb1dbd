//! The keys that mean something. A manifest may have others, as in Cloud Foundry, so this is
//! for clients that want to warn their users.

use serde_json::{Map, Value};

/// A key without a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// Where it stands, in words that follow "in".
    pub place: String,
    /// The key as it is written.
    pub key: String,
    /// The one that was probably meant.
    pub meant: Option<&'static str>,
}

/// With hyphens; underscores are as good.
const APP: &[&str] = &[
    "name",
    "path",
    "buildpack",
    "buildpacks",
    "stack",
    "env",
    "metadata",
    "services",
    "features",
    "routes",
    "default-route",
    "random-route",
    "no-route",
    "processes",
    "sidecars",
    "lifecycle",
    "docker",
    "cnb-credentials",
];

/// Of a process, and of an app for its web process.
const PROCESS: &[&str] = &[
    "command",
    "instances",
    "memory",
    "disk-quota",
    "log-rate-limit-per-second",
    "timeout",
    "user",
    "health-check-type",
    "health-check-http-endpoint",
    "health-check-invocation-timeout",
    "health-check-interval",
    "readiness-health-check-type",
    "readiness-health-check-http-endpoint",
    "readiness-health-check-invocation-timeout",
    "readiness-health-check-interval",
];

const TYPE: &[&str] = &["type"];
const SIDECAR: &[&str] = &["name", "command", "process-types", "memory"];
const ROUTE: &[&str] = &["route", "protocol", "options"];
const METADATA: &[&str] = &["labels", "annotations"];

/// Less alike than this, and a suggestion would be a guess.
const ALIKE: f64 = 0.7;

/// The keys of one app's entry, and of what is in it, that mean nothing.
#[must_use]
pub fn unknown_keys(entry: &Map<String, Value>) -> Vec<UnknownKey> {
    let mut found = Vec::new();
    let app = match entry.get("name").and_then(Value::as_str) {
        Some(name) => format!("app {name}"),
        None => "an app".to_owned(),
    };
    look(&app, entry, &[APP, PROCESS], &mut found);
    let maps = |key: &str| {
        let list = entry.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object)
    };
    for process in maps("processes") {
        let kind = process.get("type").and_then(Value::as_str).unwrap_or("?");
        let place = format!("process {kind} of {app}");
        look(&place, process, &[TYPE, PROCESS], &mut found);
    }
    for sidecar in maps("sidecars") {
        let name = sidecar.get("name").and_then(Value::as_str).unwrap_or("?");
        let place = format!("sidecar {name} of {app}");
        look(&place, sidecar, &[SIDECAR], &mut found);
    }
    for route in maps("routes") {
        look(&format!("a route of {app}"), route, &[ROUTE], &mut found);
    }
    if let Some(metadata) = entry.get("metadata").and_then(Value::as_object) {
        look(
            &format!("metadata of {app}"),
            metadata,
            &[METADATA],
            &mut found,
        );
    }
    found
}

fn look(
    place: &str,
    map: &Map<String, Value>,
    known: &[&[&'static str]],
    found: &mut Vec<UnknownKey>,
) {
    for key in map.keys() {
        let plain = key.replace('_', "-").to_lowercase();
        let all = || known.iter().copied().flatten().copied();
        // Upper-case letters count, though they are no reason not to know what was meant.
        if all().any(|one| one == key.replace('_', "-")) {
            continue;
        }
        let meant = all()
            .map(|one| (strsim::normalized_damerau_levenshtein(&plain, one), one))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        found.push(UnknownKey {
            place: place.to_owned(),
            key: key.clone(),
            meant: meant.map(|(_, one)| one),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(entry: Value, expected: &[(&str, &str, Option<&str>)]) {
        let Value::Object(entry) = entry else {
            panic!("not a map")
        };
        let found = unknown_keys(&entry);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.place.as_str(), one.key.as_str(), one.meant))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_means_something_is_known_in_either_spelling() {
        check(
            json!({"name": "a", "disk_quota": "1G", "disk-quota": "1G", "no-route": true,
                "processes": [{"type": "worker", "health-check-type": "process"}],
                "routes": [{"route": "a.b", "protocol": "http2"}],
                "metadata": {"labels": {"anything": "goes"}}, "env": {"ANY": "thing"}}),
            &[],
        );
    }

    #[test]
    fn what_does_not_is_told_with_what_was_meant() {
        check(
            json!({"name": "a", "memmory": "1G", "Instances": 2, "helath-check-type": "http",
                "colour": "red",
                "processes": [{"type": "worker", "comand": "x", "routes": []}],
                "routes": [{"url": "a.b"}], "metadata": {"lables": {}}}),
            &[
                ("app a", "memmory", Some("memory")),
                ("app a", "Instances", Some("instances")),
                ("app a", "helath-check-type", Some("health-check-type")),
                ("app a", "colour", None),
                ("process worker of app a", "comand", Some("command")),
                ("process worker of app a", "routes", None),
                ("a route of app a", "url", None),
                ("metadata of app a", "lables", Some("labels")),
            ],
        );
    }
}

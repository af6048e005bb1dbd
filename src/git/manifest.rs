//! What of a repository is pushed, and as what: its manifest, as the client's own push reads it.

use serde_json::{Map, Value, json};

use crate::wire::manifest::{Document, unknown_keys};

/// What is pushed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    /// The manifest of the app alone.
    pub(super) document: Document,
    /// The folder or file of the repository that is the app; none for all of it.
    pub(super) path: Option<String>,
    /// What who pushes should know.
    pub(super) warnings: Vec<String>,
}

/// What is pushed as the app `name` out of a repository that has `manifest`.
///
/// # Errors
/// What is wrong with the manifest.
pub(super) fn plan(name: &str, manifest: Option<&[u8]>) -> Result<Planned, String> {
    let mut entry = match manifest {
        Some(text) => chosen(name, text)?,
        None => Map::new(),
    };
    if let Some(asked) = entry.values().find_map(asks) {
        return Err(format!(
            "manifest.yml asks for a value for {asked}, which git push cannot give: write it \
             there, or set it as a variable of the app (pastina set-env)"
        ));
    }
    if entry.get("docker").is_some_and(|docker| !docker.is_null()) {
        return Err(
            "manifest.yml says that the app is an image: `pastina push` deploys it".to_owned(),
        );
    }
    let path = match entry.shift_remove("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => inside(&path)?,
        Some(_) => return Err("path in manifest.yml is not a text".to_owned()),
    };
    entry.insert("name".to_owned(), json!(name));
    let decided = |key: &str| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
    if !decided("no-route") && !decided("random-route") {
        entry.insert("default-route".to_owned(), json!(true));
    }
    let warnings = unknown_keys(&entry).into_iter().map(|unknown| {
        let meant = match unknown.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "it has no effect".to_owned(),
        };
        let (place, key) = (unknown.place, unknown.key);
        format!("the manifest has an unknown key `{key}` in {place}: {meant}")
    });
    Ok(Planned {
        warnings: warnings.collect(),
        document: of(entry),
        path,
    })
}

/// A manifest that makes the app `name`, and nothing else.
pub(super) fn bare(name: &str) -> Document {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(name));
    of(entry)
}

fn of(entry: Map<String, Value>) -> Document {
    let mut document = Document {
        applications: Default::default(),
    };
    document.applications.0.push(entry);
    document
}

/// The entry of the app, or the only one under another name.
fn chosen(name: &str, text: &[u8]) -> Result<Map<String, Value>, String> {
    let document = Document::parse(text);
    let document =
        document.map_err(|error| format!("manifest.yml is not right: {}", error.detail))?;
    let mut entries = document.applications.0;
    let name_of = |entry: &Map<String, Value>| {
        let name = entry.get("name").and_then(Value::as_str);
        name.map(str::to_owned)
    };
    let at = entries
        .iter()
        .position(|entry| name_of(entry).as_deref() == Some(name));
    match at {
        Some(at) => Ok(entries.swap_remove(at)),
        None if entries.len() == 1 => Ok(entries.remove(0)),
        None => {
            let names: Vec<String> = entries.iter().filter_map(name_of).collect();
            Err(format!(
                "there is no application {name} in manifest.yml, which has {}",
                names.join(", ")
            ))
        }
    }
}

/// The first `((name))` in a value.
fn asks(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(asks),
        Value::Object(entries) => entries.values().find_map(asks),
        Value::String(text) => {
            let (_, rest) = text.split_once("((")?;
            let (name, _) = rest.split_once("))")?;
            Some(format!("(({name}))"))
        }
        _ => None,
    }
}

/// A path in the repository, without `.`; none for all of it.
fn inside(path: &str) -> Result<Option<String>, String> {
    let wrong = || {
        Err(format!(
            "path in manifest.yml leads out of the repository: {path}"
        ))
    };
    if path.starts_with('/') || path.contains('\0') {
        return wrong();
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return wrong();
                }
            }
            part => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(name: &str, manifest: &str) -> Result<(Value, Option<String>), String> {
        let planned = plan(name, Some(manifest.as_bytes()))?;
        let mut entries = planned.document.applications.0;
        Ok((Value::Object(entries.remove(0)), planned.path))
    }

    const TWO: &str =
        "applications:\n- name: a\n  path: ./code/\n  memory: 64M\n- name: b\n  no-route: true\n";

    #[test]
    fn the_apps_own_entry_counts_or_the_only_one() {
        let a = json!({"name": "a", "memory": "64M", "default-route": true});
        assert_eq!(planned("a", TWO), Ok((a, Some("code".to_owned()))));
        let b = json!({"name": "b", "no-route": true});
        assert_eq!(planned("b", TWO), Ok((b, None)));
        let z = json!({"name": "z", "random-route": true});
        let one = "applications:\n- name: a\n  random-route: true\n  path: .\n";
        assert_eq!(planned("z", one), Ok((z, None)));
        let bare = plan("app", None).unwrap().document.applications.0;
        assert_eq!(json!(bare), json!([{"name": "app", "default-route": true}]));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_words() {
        let check = |name: &str, manifest: &str, part: &str| {
            let error = planned(name, manifest).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        };
        check("z", TWO, "there is no application z");
        check("a", "applications: [", "is not right");
        check("a", "applications: []", "is not right");
        check("a", "applications: [{name: a, path: ../x}]", "leads out");
        check("a", "applications: [{name: a, path: /x}]", "leads out");
        check("a", "applications: [{name: a, path: [x]}]", "not a text");
        check(
            "a",
            "applications: [{name: a, docker: {image: x}}]",
            "image",
        );
        check(
            "a",
            "applications: [{name: a, env: {K: ((key))}}]",
            "((key))",
        );
    }

    #[test]
    fn unknown_keys_are_told() {
        let planned = plan("a", Some(b"applications: [{name: a, memroy: 1G}]")).unwrap();
        assert!(
            planned.warnings[0].contains("memroy"),
            "{:?}",
            planned.warnings
        );
    }
}

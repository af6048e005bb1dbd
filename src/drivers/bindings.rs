//! What an app is bound to, told in files in place of `VCAP_SERVICES`, where its features ask for
//! that (Cloud Foundry RFC 0030, and the Service Binding Specification for Kubernetes 1.1, which
//! libraries of frameworks read).

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value};

use crate::{
    model::{App, BindingForm},
    sandbox::Files,
};

/// Where the files are inside.
const FOLDER: &str = "/etc/cf-service-bindings";

/// The file with what would be `VCAP_SERVICES`.
const VCAP_FILE: &str = "vcap_services";

/// Bytes of all files together (RFC 0030).
const MOST: usize = 1024 * 1024;

/// Letters of the name of a binding or a file.
const LONGEST_NAME: usize = 253;

type Contents = BTreeMap<String, String>;

/// The variable by which an app finds what it is bound to.
pub(super) fn variable(app: &App, services: &Value) -> (&'static str, String) {
    match app.binding_form() {
        BindingForm::Variable => ("VCAP_SERVICES", services.to_string()),
        BindingForm::VcapFile => ("VCAP_SERVICES_FILE_PATH", format!("{FOLDER}/{VCAP_FILE}")),
        BindingForm::Folders => ("SERVICE_BINDING_ROOT", FOLDER.to_owned()),
    }
}

/// What stands in the files of an app that is bound to `services`, which has the form of
/// `VCAP_SERVICES`. None where the app is told in its environment.
///
/// # Errors
/// Why it cannot be told so, for whoever starts the app.
pub fn files(app: &App, services: &Value) -> Result<Option<Files>, String> {
    let files = match app.binding_form() {
        BindingForm::Variable => return Ok(None),
        BindingForm::VcapFile => Contents::from([(VCAP_FILE.to_owned(), services.to_string())]),
        BindingForm::Folders => folders(services)?,
    };
    let bytes: usize = files
        .iter()
        .map(|(path, text)| path.len() + text.len())
        .sum();
    if bytes > MOST {
        return Err(
            "what the app is bound to exceeds the 1 MB that files of it may have".to_owned(),
        );
    }
    let folder = PathBuf::from(FOLDER);
    Ok(Some(Files { folder, files }))
}

fn folders(services: &Value) -> Result<Contents, String> {
    let all = services.as_object().into_iter().flatten();
    let bindings = all.flat_map(|(_, bindings)| bindings.as_array().into_iter().flatten());
    let mut files = Contents::new();
    for binding in bindings {
        let Some(binding) = binding.as_object() else {
            continue;
        };
        let name = binding
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !is_name(name, |_| false) {
            return Err(format!(
                "the binding {name:?} cannot be a folder: names are of a-z, 0-9, '-' and '.'; \
                 bind the service again with another --binding-name"
            ));
        }
        let folder = format!("{name}/");
        if files.keys().any(|path| path.starts_with(&folder)) {
            return Err(format!("two bindings are called {name:?}"));
        }
        for (file, text) in told(binding) {
            if !is_name(&file, |c| c.is_ascii_uppercase() || c == '_') {
                return Err(format!(
                    "the credential {file:?} of the binding {name:?} cannot be a file: names are \
                     of letters, digits, '-', '_' and '.'"
                ));
            }
            files.insert(format!("{folder}{file}"), text);
        }
    }
    Ok(files)
}

/// The files of one binding: its credentials, and over them what the platform says of it.
fn told(binding: &Map<String, Value>) -> Contents {
    let credentials = binding.get("credentials").and_then(Value::as_object);
    let own = binding.iter().filter(|(key, _)| *key != "credentials");
    let all = credentials.into_iter().flatten().chain(own);
    let mut files: Contents = all
        .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
        .collect();
    // By these the specification's libraries recognise a service.
    if let Some(label) = files.get("label").cloned() {
        files.insert("provider".to_owned(), label.clone());
        files.insert("type".to_owned(), label);
    }
    files
}

/// A value as the content of a file; none where there is nothing to say.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Object(members) if members.is_empty() => None,
        other => Some(other.to_string()),
    }
}

/// Whether a name is safe as a file's, and one that the specification allows, in which `more`
/// letters than those of folders may be.
fn is_name(name: &str, more: fn(char) -> bool) -> bool {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' || more(c);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn services(name: &str, credentials: &Value) -> Value {
        json!({ "postgres": [{
            "label": "postgres", "provider": null, "plan": "small", "name": name, "tags": ["sql"],
            "instance_name": "db", "binding_name": null, "volume_mounts": [],
            "credentials": credentials,
        }] })
    }

    #[test]
    fn each_binding_is_a_folder_and_each_credential_a_file() {
        let credentials = json!({
            "uri": "postgres://u:p@h/d", "port": 5432, "hosts": ["a", "b"], "label": "mine",
        });
        let files = folders(&services("db", &credentials)).unwrap();
        let expected = [
            ("db/hosts", "[\"a\",\"b\"]"),
            ("db/instance_name", "db"),
            ("db/label", "postgres"),
            ("db/name", "db"),
            ("db/plan", "small"),
            ("db/port", "5432"),
            ("db/provider", "postgres"),
            ("db/tags", "[\"sql\"]"),
            ("db/type", "postgres"),
            ("db/uri", "postgres://u:p@h/d"),
        ];
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        assert_eq!(files, expected);
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["", "..", ".hidden", "a/b", "Upper", "under_score", "ünı"] {
            assert!(folders(&services(name, &json!({}))).is_err(), "{name}");
        }
        for key in ["", "..", "a/b", "a b", ".ssh"] {
            let credentials = json!({ key: "x" });
            assert!(folders(&services("db", &credentials)).is_err(), "{key}");
        }
        assert!(folders(&services("db.main-1", &json!({ "A_b-1.c": 1 }))).is_ok());
        let twice = json!({ "a": services("db", &json!({}))["postgres"],
                            "b": services("db", &json!({}))["postgres"] });
        assert!(folders(&twice).unwrap_err().contains("two bindings"));
    }
}

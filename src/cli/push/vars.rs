//! `((name))` in a manifest, filled in from `--var` and `--vars-file`.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::cli::{args::Push, failure::Outcome};

use super::usage;

/// The values that were given; later ones win, and `--var` wins over files.
pub(super) fn given(args: &Push) -> Outcome<Map<String, Value>> {
    let mut values = Map::new();
    for file in &args.vars_file {
        match yaml(file)? {
            Value::Object(more) => values.extend(more),
            _ => return usage(format!("{} is not a table of values", file.display())),
        }
    }
    for pair in &args.var {
        let Some((name, value)) = pair.split_once('=') else {
            return usage(format!("--var {pair} must be NAME=VALUE"));
        };
        values.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Ok(values)
}

/// A YAML file's content.
pub(super) fn yaml(file: &Path) -> Outcome<Value> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    match serde_saphyr::from_str(&text) {
        Ok(value) => Ok(value),
        Err(error) => usage(format!("{name} is not right: {error}")),
    }
}

/// Fills in every `((name))`, in keys' values only.
pub(super) fn fill(value: &mut Value, values: &Map<String, Value>) -> Outcome<()> {
    let mut missing = BTreeSet::new();
    walk(value, values, &mut missing);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.into_iter().collect();
    let names = names.join(", ");
    usage(format!(
        "the manifest asks for values that were not given: {names}; give each with --var NAME=VALUE"
    ))
}

fn walk(value: &mut Value, values: &Map<String, Value>, missing: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| walk(item, values, missing)),
        Value::Object(entries) => entries
            .values_mut()
            .for_each(|entry| walk(entry, values, missing)),
        Value::String(text) => {
            if let Some(filled) = filled(text, values, missing) {
                *value = filled;
            }
        }
        _ => {}
    }
}

/// `text` with its names filled in; a text that is one name becomes the value as it is.
fn filled(
    text: &str,
    values: &Map<String, Value>,
    missing: &mut BTreeSet<String>,
) -> Option<Value> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("((") {
        let Some(length) = rest[start..].find("))") else {
            break;
        };
        let name = rest[start + 2..start + length].trim();
        match values.get(name) {
            Some(value) if start == 0 && length + 2 == text.len() => return Some(value.clone()),
            Some(Value::String(value)) => {
                result.push_str(&rest[..start]);
                result.push_str(value);
            }
            Some(value) => {
                result.push_str(&rest[..start]);
                result.push_str(&value.to_string());
            }
            None => {
                missing.insert(name.to_owned());
            }
        }
        rest = &rest[start + length + 2..];
    }
    if rest.len() == text.len() {
        return None;
    }
    result.push_str(rest);
    Some(Value::String(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_in() {
        let values = json!({"host": "shop", "count": 3});
        let mut manifest = json!({
            "a": "((host)).kr",
            "b": "((count))",
            "c": ["x((count))((host))y", "((", "plain"],
        });
        fill(&mut manifest, values.as_object().unwrap()).unwrap();
        assert_eq!(
            manifest,
            json!({"a": "shop.kr", "b": 3, "c": ["x3shopy", "((", "plain"]})
        );
        let error = fill(&mut json!("((b)) ((a))"), &Map::new()).unwrap_err();
        assert!(error.to_string().contains("a, b"), "{error}");
    }
}

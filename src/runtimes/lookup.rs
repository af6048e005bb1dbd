//! Values inside an app's own files: a JSON pointer into JSON, TOML or YAML, or a pattern.

use regex::Regex;
use serde_json::Value;

/// How a file's text is looked into.
#[derive(Debug, Clone)]
pub(super) enum Lookup {
    /// A pointer into JSON.
    Json(String),
    /// A pointer into TOML.
    Toml(String),
    /// A pointer into YAML.
    Yaml(String),
    /// A pattern; its first group is the value, or else the whole match.
    Matches(Regex),
}

impl Lookup {
    /// The value, where there is one: text as it is, numbers and truth values in words, and
    /// for a list or table that is not empty, nothing but the fact.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        match self {
            Self::Json(pointer) => value(&serde_json::from_str(text).ok()?, pointer),
            Self::Toml(pointer) => value(&toml::from_str(text).ok()?, pointer),
            Self::Yaml(pointer) => value(&serde_saphyr::from_str(text).ok()?, pointer),
            Self::Matches(pattern) => {
                let found = pattern.captures(text)?;
                let part = found.get(1).or_else(|| found.get(0))?;
                Some(part.as_str().trim().to_owned())
            }
        }
    }
}

fn value(document: &Value, pointer: &str) -> Option<String> {
    match document.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => (!items.is_empty()).then(String::new),
        Value::Object(fields) => (!fields.is_empty()).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_values_in_every_notation() {
        let check = |lookup: Lookup, text: &str, expected: Option<&str>| {
            assert_eq!(lookup.find(text).as_deref(), expected, "{text}");
        };
        let json = |pointer: &str| Lookup::Json(pointer.to_owned());
        check(
            json("/scripts/start"),
            r#"{"scripts":{"start":"node ."}}"#,
            Some("node ."),
        );
        check(json("/scripts/start"), r#"{"scripts":{"start":""}}"#, None);
        check(json("/dependencies"), r#"{"dependencies":{}}"#, None);
        check(
            json("/dependencies"),
            r#"{"dependencies":{"a":"1"}}"#,
            Some(""),
        );
        check(json("/a"), "no json", None);
        check(
            Lookup::Toml("/component".to_owned()),
            "component = \"a.wasm\"",
            Some("a.wasm"),
        );
        check(
            Lookup::Yaml("/root".to_owned()),
            "root: public\nx: 1\n",
            Some("public"),
        );
        let pattern = Regex::new(r"(?m)^Main-Class: *(\S+)").unwrap();
        check(
            Lookup::Matches(pattern),
            "Manifest-Version: 1.0\r\nMain-Class: a.B\r\n",
            Some("a.B"),
        );
    }
}

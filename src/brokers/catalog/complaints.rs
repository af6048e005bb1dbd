//! What is wrong with a catalog, and where.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Why a catalog cannot be used: a line for each complaint, indented under what it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Service broker catalog is invalid: {0}")]
pub struct Invalid(pub String);

/// Longest value that is shown in a complaint.
const SHOWN: usize = 200;
/// Longest description.
const LONGEST: usize = 10_000;

/// Complaints about one thing and what is in it.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    own: Vec<String>,
    nested: Vec<(String, Complaints)>,
}

impl Complaints {
    pub(super) fn add(&mut self, text: impl Into<String>) {
        self.own.push(text.into());
    }

    pub(super) fn nest(&mut self, name: String, complaints: Self) {
        if !complaints.is_empty() {
            self.nested.push((name, complaints));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.own.is_empty() && self.nested.is_empty()
    }

    fn write(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        for line in &self.own {
            let _ = writeln!(text, "{indent}{line}");
        }
        for (name, complaints) in &self.nested {
            let _ = writeln!(text, "{indent}{name}");
            complaints.write(depth + 1, text);
        }
    }

    /// A text that has to be there.
    pub(super) fn text(&mut self, of: &Value, key: &str, name: &str) -> String {
        match of.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
            None | Some(Value::Null | Value::String(_)) => {
                self.add(format!("{name} is required"));
                String::new()
            }
            Some(other) => {
                let shown = shown(other);
                self.add(format!("{name} must be a string, but has value {shown}"));
                String::new()
            }
        }
    }

    /// A description that has to be there.
    pub(super) fn description(&mut self, of: &Value, name: &str) -> String {
        let text = self.text(of, "description", name);
        if text.chars().count() > LONGEST {
            self.add(format!("{name} may not have more than 10000 characters"));
        }
        text
    }

    /// A text that may be there.
    pub(super) fn text_or_none(&mut self, of: &Value, key: &str, name: &str) -> Option<String> {
        match of.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                let shown = shown(other);
                self.add(format!("{name} must be a string, but has value {shown}"));
                None
            }
        }
    }

    /// Yes, no, or nothing.
    pub(super) fn flag(&mut self, of: &Value, key: &str, name: &str) -> Option<bool> {
        match of.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(other) => {
                let shown = shown(other);
                self.add(format!("{name} must be a boolean, but has value {shown}"));
                None
            }
        }
    }

    /// Texts, which may be missing.
    pub(super) fn texts(&mut self, of: &Value, key: &str, name: &str) -> Vec<String> {
        let value = match of.get(key) {
            None => return Vec::new(),
            Some(value) => value,
        };
        let texts = value.as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        texts.unwrap_or_else(|| {
            let shown = shown(value);
            self.add(format!(
                "{name} must be an array of strings, but has value {shown}"
            ));
            Vec::new()
        })
    }

    /// An object that may be there.
    pub(super) fn object(&mut self, of: &Value, key: &str, name: &str) -> Map<String, Value> {
        match of.get(key) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(other) => {
                let shown = shown(other);
                self.add(format!("{name} must be a hash, but has value {shown}"));
                Map::new()
            }
        }
    }
}

impl From<Complaints> for Invalid {
    fn from(complaints: Complaints) -> Self {
        let mut text = "\n".to_owned();
        complaints.write(0, &mut text);
        Self(text)
    }
}

/// A value for people, not longer than they read.
pub(super) fn shown(value: &Value) -> String {
    let text = if value.is_null() {
        "nil".to_owned()
    } else {
        value.to_string()
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

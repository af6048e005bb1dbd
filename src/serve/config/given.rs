//! Values as they were given, before anybody knows what they mean.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    error::{Place, Problem},
    keys::KEYS,
};

/// A value and where it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value of one of the kinds that keys have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(String),
    Boolean(bool),
    List(Vec<String>),
    Table(BTreeMap<String, String>),
    /// Truth values in them are their texts.
    Tables(BTreeMap<String, BTreeMap<String, String>>),
    /// Something that no key takes; its name.
    Other(&'static str),
}

/// Everything that was given, and what is wrong with it so far.
#[derive(Debug, Default)]
pub(super) struct Givens {
    values: BTreeMap<&'static str, Given>,
    pub(super) problems: Vec<Problem>,
}

impl Givens {
    /// What was given for `key`.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Given> {
        self.values.remove(key)
    }

    pub(super) fn complain(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem {
            place,
            message: message.into(),
        });
    }

    /// Puts `text` over whatever was given for `key` before.
    pub(super) fn put(&mut self, key: &str, text: String, place: Place) {
        match KEYS.iter().find(|known| **known == key) {
            Some(known) => {
                let value = Value::Text(text);
                self.values.insert(known, Given { value, place });
            }
            None => self.complain(place, unknown("key", key, KEYS.iter().copied())),
        }
    }

    /// Reads a file's text.
    pub(super) fn put_file(&mut self, path: &Path, text: &str) {
        let spot = |offset: usize| place_in(path, text, offset);
        match DeTable::parse(text) {
            Ok(table) => self.put_table("", table.get_ref(), &spot),
            Err(error) => {
                let place = spot(error.span().map_or(0, |span| span.start));
                self.complain(place, error.message());
            }
        }
    }

    fn put_table(&mut self, prefix: &str, table: &DeTable<'_>, spot: &dyn Fn(usize) -> Place) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let inside = format!("{key}.");
            let place = spot(name.span().start);
            if let Some(known) = KEYS.iter().find(|known| **known == key) {
                let place = spot(value.span().start);
                let value = read(value.get_ref());
                self.values.insert(known, Given { value, place });
            } else if KEYS.iter().any(|known| known.starts_with(&inside)) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.put_table(&inside, inner, spot),
                    other => {
                        let kind = other.type_str();
                        self.complain(
                            place,
                            format!("{key} is a table of keys, not of type {kind}"),
                        );
                    }
                }
            } else if value.get_ref().is_table() {
                self.complain(place, unknown("table", &key, tables()));
            } else {
                self.complain(place, unknown("key", &key, KEYS.iter().copied()));
            }
        }
    }
}

fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A text, or whether something is so.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Boolean(value) => Some(value.to_string()),
        other => text(other),
    }
}

/// A table whose every value `read` understands.
fn texts(
    table: &DeTable<'_>,
    read: impl Fn(&DeValue<'_>) -> Option<String>,
) -> Option<BTreeMap<String, String>> {
    let each = table.iter();
    each.map(|(name, value)| Some((name.get_ref().to_string(), read(value.get_ref())?)))
        .collect()
}

fn read(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Value::Integer(number.as_str().to_owned())
        }
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => items
            .iter()
            .map(|item| text(item.get_ref()))
            .collect::<Option<_>>()
            .map_or(
                Value::Other("array of something else than strings"),
                Value::List,
            ),
        DeValue::Table(entries) => {
            let plain = texts(entries, text).map(Value::Table);
            let tables = || {
                let each = entries.iter();
                let each = each.map(|(name, value)| {
                    let inner = value.get_ref().as_table()?;
                    Some((name.get_ref().to_string(), texts(inner, word)?))
                });
                each.collect::<Option<_>>().map(Value::Tables)
            };
            plain
                .or_else(tables)
                .unwrap_or(Value::Other("table of something else than strings"))
        }
        other => Value::Other(other.type_str()),
    }
}

fn place_in(path: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        path: PathBuf::from(path),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The tables that keys stand in.
fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter_map(|key| key.rsplit_once('.').map(|(table, _)| table))
}

/// Less alike than this, and a suggestion would be a guess.
const ALIKE: f64 = 0.75;

/// Says that `key` is not known, and which of `known` was probably meant.
fn unknown(what: &str, key: &str, known: impl Iterator<Item = &'static str>) -> String {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let likeness = |candidate: &str| {
        let whole = strsim::normalized_damerau_levenshtein(key, candidate);
        // The right name in the wrong table.
        let moved = last(key) == last(candidate);
        if moved { whole.max(ALIKE) } else { whole }
    };
    let best = known
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, meant)) => format!("there is no {what} {key}; did you mean {meant}?"),
        None => format!("there is no {what} {key}; docs/configuration.md lists what there is"),
    }
}

//! Shapes that many resources share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::Metadata;

/// The address under which the client reached the API, without a slash at its end:
/// `https://api.example.kr`. Every link in an answer starts with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// The base for a scheme and an authority (host and port).
    #[must_use]
    pub fn new(scheme: &str, authority: &str) -> Self {
        Self(format!("{scheme}://{authority}"))
    }

    /// `{"href": base + path}`.
    #[must_use]
    pub fn link(&self, path: &str) -> Value {
        json!({ "href": format!("{}{path}", self.0) })
    }

    /// The same with a method, as Cloud Foundry marks links that are not to be fetched.
    #[must_use]
    pub fn action(&self, path: &str, method: &str) -> Value {
        json!({ "href": format!("{}{path}", self.0), "method": method })
    }

    /// The whole address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The host name or address in it, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or("", |(_, rest)| rest);
        match authority.rsplit_once(':') {
            // The last colon of `[::1]` is not before a port.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }

    /// The base as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Builder for a resource's `links`.
#[derive(Debug)]
pub struct Links<'a> {
    base: &'a Base,
    map: Map<String, Value>,
}

impl<'a> Links<'a> {
    /// No links yet.
    #[must_use]
    pub fn new(base: &'a Base) -> Self {
        Self {
            base,
            map: Map::new(),
        }
    }

    /// With a link to `path` under `name`.
    #[must_use]
    pub fn to(mut self, name: &str, path: &str) -> Self {
        self.map.insert(name.to_owned(), self.base.link(path));
        self
    }

    /// With an action at `path` under `name`.
    #[must_use]
    pub fn action(mut self, name: &str, path: &str, method: &str) -> Self {
        self.map
            .insert(name.to_owned(), self.base.action(path, method));
        self
    }

    /// The JSON object.
    #[must_use]
    pub fn json(self) -> Value {
        Value::Object(self.map)
    }
}

/// `{"guid": "..."}` as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Relationship {
    /// The other object's guid.
    pub guid: String,
}

/// `{"data": {"guid": "..."} | null}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToOne {
    /// The other object, if any.
    #[serde(default, deserialize_with = "some_guid")]
    pub data: Option<Relationship>,
}

/// Reads `{"guid": null}`, which Cloud Foundry takes and Terraform's provider sends, as `null`.
fn some_guid<'de, D>(deserializer: D) -> Result<Option<Relationship>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Given {
        guid: Option<String>,
    }
    let given: Option<Given> = Option::deserialize(deserializer)?;
    Ok(given
        .and_then(|given| given.guid)
        .map(|guid| Relationship { guid }))
}

/// `{"data": [{"guid": "..."}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToMany {
    /// The other objects.
    pub data: Vec<Relationship>,
}

/// Reads `null` as if nothing had been said, as Go clients send it.
///
/// # Errors
/// Where the value is of another type.
pub fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A member that may be missing (nothing changes), `null` (it is removed) or a value.
///
/// # Errors
/// Where the value is of another type.
pub fn maybe_null<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl Relationship {
    /// The other object's identifier, where the text is one.
    #[must_use]
    pub fn id<T: std::str::FromStr>(&self) -> Option<T> {
        self.guid.parse().ok()
    }
}

impl ToOne {
    /// The other object's identifier, where there is one.
    #[must_use]
    pub fn id<T: std::str::FromStr>(&self) -> Option<T> {
        self.data.as_ref()?.id()
    }
}

/// `{"data": {"guid": id} | null}`.
#[must_use]
pub fn to_maybe(id: Option<impl std::fmt::Display>) -> Value {
    id.map_or_else(|| json!({ "data": null }), to_one)
}

/// `{"data": [{"guid": id}, ...]}`.
#[must_use]
pub fn to_many<T: std::fmt::Display>(ids: impl IntoIterator<Item = T>) -> Value {
    let data: Vec<_> = ids
        .into_iter()
        .map(|id| json!({ "guid": id.to_string() }))
        .collect();
    json!({ "data": data })
}

/// `{"data": {"guid": id}}`.
#[must_use]
pub fn to_one(id: impl std::fmt::Display) -> Value {
    json!({ "data": { "guid": id.to_string() } })
}

/// Changes to labels and annotations: a value sets, `null` removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MetadataPatch {
    /// Labels by name.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations by name.
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, Option<String>>,
}

impl MetadataPatch {
    /// Checks every key and value and applies them to `metadata`.
    ///
    /// # Errors
    /// Words for the user about the first key or value that is not allowed
    /// (Cloud Foundry API v3, "Metadata": keys `[prefix/]name`, name at most 63 characters,
    /// prefix a DNS name of at most 253; label values at most 63, annotations 5,000).
    pub fn apply(&self, metadata: &mut Metadata) -> Result<(), String> {
        for (key, value) in &self.labels {
            check_key(key)?;
            if let Some(value) = value
                && !value.is_empty()
                && !is_name(value)
            {
                return Err(format!(
                    "Metadata label value error: '{value}' must be at most 63 letters, digits, \
                     '-', '_' or '.', starting and ending with a letter or digit"
                ));
            }
            set(&mut metadata.labels, key, value.as_ref());
        }
        for (key, value) in &self.annotations {
            check_key(key)?;
            if value
                .as_ref()
                .is_some_and(|value| value.chars().count() > 5000)
            {
                return Err(format!(
                    "Metadata annotation value error: the value of '{key}' is longer than 5000 \
                     characters"
                ));
            }
            set(&mut metadata.annotations, key, value.as_ref());
        }
        Ok(())
    }
}

fn set(map: &mut BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        None => {
            map.remove(key);
        }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(p, n)| (Some(p), n));
    let prefix_ok = prefix.is_none_or(|prefix| {
        prefix.len() <= 253 && prefix.contains('.') && prefix.split('.').all(is_name)
    });
    if prefix_ok && is_name(name) {
        return Ok(());
    }
    Err(format!(
        "Metadata key error: '{key}' must be [prefix/]name, the name at most 63 letters, digits, \
         '-', '_' or '.', the prefix a DNS name"
    ))
}

fn is_name(text: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && alphanumeric(text.chars().next())
        && alphanumeric(text.chars().last())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A resource's metadata as JSON.
#[must_use]
pub fn metadata(metadata: &Metadata) -> Value {
    json!({ "labels": metadata.labels, "annotations": metadata.annotations })
}

/// Something that no log and no `Debug` output may show, such as environment variables.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Hidden<T>(pub T);

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

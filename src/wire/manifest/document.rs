//! The YAML of a manifest.

use serde_json::{Map, Value};

use crate::wire::{Error, shared::Hidden};

/// Largest manifest, in bytes (Cloud Foundry's own limit).
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of lists and maps; a manifest needs five levels, `env` values a few more.
const MAX_DEPTH: usize = 32;

/// A manifest whose form is right: a list of maps.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The entries of `applications`, with their keys as they were written.
    pub applications: Hidden<Vec<Map<String, Value>>>,
}

impl Document {
    /// The manifest in `yaml`.
    ///
    /// # Errors
    /// 400 where it is too large, not YAML, or uses anchors; 422 where it is no manifest.
    pub fn parse(yaml: &[u8]) -> Result<Self, Error> {
        if yaml.len() > MAX_BYTES {
            return Err(Error::bad_request(
                "Bad request: Manifest size is too large. The maximum supported size is 1MB.",
            ));
        }
        let mut root = match syntax(yaml)? {
            Value::Object(root) => root,
            _ => return Err(no_applications()),
        };
        match root.get("version") {
            None | Some(Value::Null) => {}
            Some(version) if version.as_u64() == Some(1) => {}
            Some(_) => {
                return Err(Error::unprocessable(
                    "Unsupported manifest schema version. Currently supported versions: [1].",
                ));
            }
        }
        let Some(Value::Array(list)) = root.remove("applications") else {
            return Err(no_applications());
        };
        if list.is_empty() {
            return Err(no_applications());
        }
        let mut applications = Vec::with_capacity(list.len());
        for (index, entry) in list.into_iter().enumerate() {
            let Value::Object(entry) = entry else {
                return Err(Error::unprocessable(format!(
                    "For application at index {index}: must be a map with at least a 'name'"
                )));
            };
            applications.push(entry);
        }
        Ok(Self {
            applications: Hidden(applications),
        })
    }
}

fn no_applications() -> Error {
    Error::unprocessable("Cannot parse manifest with no 'applications' field.")
}

fn syntax(yaml: &[u8]) -> Result<Value, Error> {
    use serde_saphyr::budget::BudgetBreach;

    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_depth: MAX_DEPTH,
        },
        // `0123` and `1_000` in `env` are meant as they are written.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_slice_with_options(yaml, options).map_err(|error| {
        match error.without_snippet() {
            serde_saphyr::Error::Budget {
                breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
                ..
            } => Error::bad_request("Bad request: Manifest does not support Anchors and Aliases"),
            other => {
                Error::bad_request(format!("Bad request: Manifest is not valid YAML: {other}"))
            }
        }
    })
}

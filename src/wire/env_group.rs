//! Environment variables of every app or build.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::{EnvGroup, Workload};

/// The name of a group in the API.
#[must_use]
pub const fn name(workload: Workload) -> &'static str {
    match workload {
        Workload::Running => "running",
        Workload::Staging => "staging",
    }
}

/// One group; none has never been set.
#[must_use]
pub fn present(workload: Workload, group: Option<&EnvGroup>, base: &Base) -> Value {
    let name = name(workload);
    let path = format!("/v3/environment_variable_groups/{name}");
    json!({
        "name": name,
        "var": group.map_or_else(|| json!({}), |group| json!(group.var)),
        "updated_at": group.map(|group| group.updated_at.to_string()),
        "links": Links::new(base).to("self", &path).json(),
    })
}

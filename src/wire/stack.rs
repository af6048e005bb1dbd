//! Stacks.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, platform::STACK_NAME, shared};
use crate::model::{Stack, StackState};

/// Body of `POST /v3/stacks`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Words for people.
    #[serde(default)]
    pub description: Option<String>,
    /// What it may be used for.
    #[serde(default)]
    pub state: Option<String>,
    /// Why.
    #[serde(default)]
    pub state_reason: Option<String>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/stacks/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// What it may be used for.
    #[serde(default)]
    pub state: Option<String>,
    /// Why; `null` for no reason.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub state_reason: Option<Option<String>>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// States as the API spells them.
const STATES: [(&str, StackState); 4] = [
    ("ACTIVE", StackState::Active),
    ("RESTRICTED", StackState::Restricted),
    ("DEPRECATED", StackState::Deprecated),
    ("DISABLED", StackState::Disabled),
];

/// The state that is spelt so.
///
/// # Errors
/// Words for the user.
pub fn parse_state(text: &str) -> Result<StackState, String> {
    let known = STATES.iter().find(|(name, _)| *name == text);
    known.map(|(_, state)| *state).ok_or_else(|| {
        let all = STATES.map(|(name, _)| name);
        format!("State must be one of {}", all.join(", "))
    })
}

/// How a state is spelt.
#[must_use]
pub fn state(state: StackState) -> &'static str {
    let known = STATES.iter().find(|(_, known)| *known == state);
    known.map_or("ACTIVE", |(name, _)| name)
}

/// One stack.
#[must_use]
pub fn present(stack: &Stack, base: &Base) -> Value {
    json!({
        "guid": stack.id.to_string(),
        "created_at": stack.created_at.to_string(),
        "updated_at": stack.updated_at.to_string(),
        "name": stack.name,
        "description": stack.description,
        "state": state(stack.state),
        "state_reason": stack.state_reason,
        "default": stack.name == STACK_NAME,
        "build_rootfs_image": stack.name,
        "run_rootfs_image": stack.name,
        "metadata": shared::metadata(&stack.metadata),
        "links": Links::new(base).to("self", &format!("/v3/stacks/{}", stack.id)).json(),
    })
}

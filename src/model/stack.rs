//! Stacks: what apps are built and run on, by name.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Metadata, StackId, Timestamp};

/// A stack. All are the host's own toolchains and libraries: a further one is another name for
/// them, by which apps and classic buildpacks can be kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Identity.
    pub id: StackId,
    /// Unique, with regard to case.
    pub name: String,
    /// Words for people.
    pub description: Option<String>,
    /// What it may still be used for.
    pub state: StackState,
    /// Why, in words for people.
    pub state_reason: Option<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a stack may still be used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StackState {
    /// For everything.
    #[default]
    Active,
    /// For apps that use it already.
    Restricted,
    /// For everything, but not for much longer.
    Deprecated,
    /// Nothing is built for it any more.
    Disabled,
}

impl Stack {
    /// The guid of the stack that every platform has.
    pub const FIRST: StackId = StackId::from_uuid(Uuid::from_u128(0x4000_8000_0000_0000_0003));

    /// The stack that every platform has, as long as nobody has changed it.
    #[must_use]
    pub fn first(name: &str, made: Timestamp) -> Self {
        Self {
            id: Self::FIRST,
            name: name.to_owned(),
            description: Some("The host's own toolchains and libraries".to_owned()),
            state: StackState::Active,
            state_reason: None,
            metadata: Metadata::default(),
            created_at: made,
            updated_at: made,
        }
    }
}

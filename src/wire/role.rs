//! Roles.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, ToOne, shared};
use crate::model::{Role, RoleScope};

/// Body of `POST /v3/roles`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The kind of role.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who gets it where.
    pub relationships: Relationships,
}

/// Who gets a role where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationships {
    /// Who.
    pub user: ToUser,
    /// Where, for roles of organizations.
    pub organization: Option<ToOne>,
    /// Where, for roles of spaces.
    pub space: Option<ToOne>,
}

/// `{"data": {"guid"} | {"username", "origin"?}}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ToUser {
    /// The user.
    pub data: UserData,
}

/// A user by guid, or by name and origin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UserData {
    /// The guid.
    pub guid: Option<String>,
    /// The name, whatever its case.
    pub username: Option<String>,
    /// The identity provider that knows them.
    pub origin: Option<String>,
}

/// One role.
#[must_use]
pub fn present(role: &Role, base: &Base) -> Value {
    let (org, space) = match role.scope {
        RoleScope::Org(org) => (Some(org), None),
        RoleScope::Space(space) => (None, Some(space)),
    };
    let mut links = Links::new(base)
        .to("self", &format!("/v3/roles/{}", role.id))
        .to("user", &format!("/v3/users/{}", role.user));
    if let Some(org) = org {
        links = links.to("organization", &format!("/v3/organizations/{org}"));
    }
    if let Some(space) = space {
        links = links.to("space", &format!("/v3/spaces/{space}"));
    }
    json!({
        "guid": role.id.to_string(),
        "created_at": role.created_at.to_string(),
        "updated_at": role.created_at.to_string(),
        "type": role.kind.as_str(),
        "relationships": {
            "user": shared::to_one(role.user),
            "organization": shared::to_maybe(org),
            "space": shared::to_maybe(space),
        },
        "links": links.json(),
    })
}

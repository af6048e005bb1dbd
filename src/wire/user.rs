//! Users, as the control API and as UAA show them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::{Group, User};

/// Body of `POST /v3/users`: a guid, or a name and an origin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The guid of a user that UAA's part made.
    pub guid: Option<String>,
    /// The name of a user whom another identity provider knows.
    pub username: Option<String>,
    /// That provider.
    pub origin: Option<String>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/users/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// One user of the control API.
#[must_use]
pub fn present(user: &User, base: &Base) -> Value {
    json!({
        "guid": user.id.to_string(),
        "created_at": user.created_at.to_string(),
        "updated_at": user.updated_at.to_string(),
        "username": user.username,
        "presentation_name": user.username,
        "origin": user.origin,
        "metadata": shared::metadata(&user.metadata),
        "links": Links::new(base).to("self", &format!("/v3/users/{}", user.id)).json(),
    })
}

/// Body of UAA's `POST /Users`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ScimCreate {
    /// The name to log in by.
    #[serde(rename = "userName")]
    pub username: String,
    /// The password; not for users of another origin.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The identity provider.
    #[serde(default)]
    pub origin: Option<String>,
}

/// Body of UAA's `PUT /Users/:id/password`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PasswordChange {
    /// The one until now; admins may leave it out for others.
    #[serde(rename = "oldPassword", default)]
    pub old: Option<Secret>,
    /// The one from now on.
    pub password: Secret,
}

/// Text that never shows itself.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One user as SCIM shows it, with the groups that they are in.
#[must_use]
pub fn scim<'a>(user: &User, groups: impl IntoIterator<Item = &'a Group>) -> Value {
    let groups: Vec<_> = groups
        .into_iter()
        .map(|group| {
            json!({
                "value": group.id.to_string(), "display": group.name, "type": "DIRECT",
            })
        })
        .collect();
    json!({
        "id": user.id.to_string(),
        "externalId": "",
        "meta": {
            "version": 0,
            "created": user.created_at.to_string(),
            "lastModified": user.updated_at.to_string(),
        },
        "userName": user.username,
        "name": { "familyName": user.username, "givenName": user.username },
        "emails": [{ "value": user.username, "primary": true }],
        "groups": groups,
        "active": true,
        "verified": true,
        "origin": user.origin,
        "zoneId": "uaa",
        "schemas": ["urn:scim:schemas:core:1.0"],
    })
}

/// The text between quotation marks at the start, and what is after it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| "\"'".contains(*c))?;
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            value.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some((value, &text[at + 1..]));
        } else {
            value.push(c);
        }
    }
    None
}

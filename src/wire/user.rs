//! Users, as the control API and as UAA show them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::User;

/// Body of `POST /v3/users`: a guid, or a name and an origin.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
pub struct PasswordChange {
    /// The one until now; admins may leave it out for others.
    #[serde(rename = "oldPassword", default)]
    pub old: Option<Secret>,
    /// The one from now on.
    pub password: Secret,
}

/// Text that never shows itself.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One user as SCIM shows it.
#[must_use]
pub fn scim(user: &User) -> Value {
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
        "groups": [],
        "active": true,
        "verified": true,
        "origin": user.origin,
        "zoneId": "uaa",
        "schemas": ["urn:scim:schemas:core:1.0"],
    })
}

/// What a SCIM filter asks for: `userName eq "x" and origin eq "y"`; attributes that are not
/// there are not asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ScimFilter {
    /// The user's name.
    pub username: Option<String>,
    /// The user's origin.
    pub origin: Option<String>,
    /// The user's guid.
    pub id: Option<String>,
}

impl ScimFilter {
    /// The filter in `text`; none where it is not of this kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (name, after) = rest.split_once(char::is_whitespace)?;
            let (operator, after) = after.trim_start().split_once(char::is_whitespace)?;
            if !operator.eq_ignore_ascii_case("eq") {
                return None;
            }
            let (value, after) = quoted(after.trim_start())?;
            match name.to_ascii_lowercase().as_str() {
                "username" => filter.username = Some(value),
                "origin" => filter.origin = Some(value),
                "id" => filter.id = Some(value),
                _ => return None,
            }
            rest = after.trim_start();
            if !rest.is_empty() {
                let (word, after) = rest.split_once(char::is_whitespace)?;
                if !word.eq_ignore_ascii_case("and") {
                    return None;
                }
                rest = after.trim_start();
            }
        }
        Some(filter)
    }
}

/// The text between quotation marks at the start, and what is after it.
fn quoted(text: &str) -> Option<(String, &str)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_filters_that_clients_send() {
        let check = |text: &str, expected: Option<(Option<&str>, Option<&str>)>| {
            let got = ScimFilter::parse(text).map(|filter| (filter.username, filter.origin));
            let expected =
                expected.map(|(a, b)| (a.map(ToOwned::to_owned), b.map(ToOwned::to_owned)));
            assert_eq!(got, expected, "{text}");
        };
        check(r#"userName eq "ann""#, Some((Some("ann"), None)));
        check(
            r#"userName Eq "a\"n" and origin eq "uaa""#,
            Some((Some("a\"n"), Some("uaa"))),
        );
        check("", Some((None, None)));
        check(r#"userName co "a""#, None);
        check(r#"userName eq "a" or origin eq "b""#, None);
        check(r#"userName eq "a"#, None);
    }
}

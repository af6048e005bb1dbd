//! Users, as the control API and as UAA show them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::{Group, Profile, User};

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
        "username": user.name(),
        "presentation_name": user.username,
        "origin": user.name().map(|_| &user.origin),
        "metadata": shared::metadata(&user.metadata),
        "links": Links::new(base).to("self", &format!("/v3/users/{}", user.id)).json(),
    })
}

/// Body of UAA's `POST`, `PUT` and `PATCH` of users. What a `PUT` leaves out is gone, what a
/// `PATCH` leaves out stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scim {
    /// The name to log in by.
    #[serde(rename = "userName")]
    pub username: Option<String>,
    /// The password; not for users of another origin, and only of a new user.
    pub password: Option<Secret>,
    /// The identity provider.
    pub origin: Option<String>,
    /// What they are called.
    pub name: Option<ScimName>,
    /// Their addresses, of which one is kept: the primary one, or the first.
    pub emails: Option<Vec<ScimValue>>,
    /// Their telephone numbers, of which the first is kept.
    #[serde(rename = "phoneNumbers")]
    pub phones: Option<Vec<ScimValue>>,
    /// Whether they may log in.
    pub active: Option<bool>,
    /// What a `PATCH` removes.
    pub meta: Option<ScimMeta>,
}

/// A person's name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScimName {
    /// The given name.
    #[serde(rename = "givenName")]
    pub given: Option<String>,
    /// The family name.
    #[serde(rename = "familyName")]
    pub family: Option<String>,
}

/// One of several values.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ScimValue {
    /// The value.
    pub value: String,
    /// Whether it is the one that counts.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub primary: bool,
}

/// What a `PATCH` says of the resource.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScimMeta {
    /// Attributes that are removed.
    #[serde(deserialize_with = "shared::or_default")]
    pub attributes: Vec<String>,
}

impl Scim {
    /// The profile that a `PUT` or `POST` makes of `old`, for a user of this name.
    ///
    /// # Errors
    /// What is too long.
    pub fn whole(&self, old: &Profile, username: &str) -> Result<Profile, String> {
        let fresh = Profile {
            inactive: old.inactive,
            version: old.version,
            ..Profile::default()
        };
        self.patched(&fresh, username)
    }

    /// The profile that a `PATCH` makes of `old`, for a user of this name.
    ///
    /// # Errors
    /// What is too long.
    pub fn patched(&self, old: &Profile, username: &str) -> Result<Profile, String> {
        let mut new = old.clone();
        let removed = self.meta.iter().flat_map(|meta| &meta.attributes);
        for attribute in removed {
            match attribute.to_ascii_lowercase().as_str() {
                "name" => (new.given_name, new.family_name) = (None, None),
                "name.givenname" => new.given_name = None,
                "name.familyname" => new.family_name = None,
                "emails" => new.email = None,
                "phonenumbers" => new.phone = None,
                _ => {}
            }
        }
        if let Some(name) = &self.name {
            set(&mut new.given_name, name.given.as_deref(), "given name")?;
            set(&mut new.family_name, name.family.as_deref(), "family name")?;
        }
        if let Some(emails) = &self.emails {
            let primary = emails.iter().find(|email| email.primary);
            let email = primary.or(emails.first()).map(|email| email.value.as_str());
            set(&mut new.email, email, "address")?;
        }
        // One that is the name goes on being the name when that changes.
        new.email = new.email.filter(|email| email != username);
        if let Some(phones) = &self.phones {
            let phone = phones.first().map(|phone| phone.value.as_str());
            set(&mut new.phone, phone, "telephone number")?;
        }
        if let Some(active) = self.active {
            new.inactive = !active;
        }
        Ok(new)
    }
}

/// Longest text of a profile in characters (UAA's columns).
const LONGEST: usize = 255;

fn set(place: &mut Option<String>, text: Option<&str>, what: &str) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > LONGEST {
        return Err(format!(
            "The {what} must have at most {LONGEST} characters."
        ));
    }
    *place = (!text.is_empty()).then(|| text.to_owned());
    Ok(())
}

/// Body of UAA's `PATCH /Users/:id/status`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Status {
    /// Whether wrong passwords have shut them out.
    #[serde(default)]
    pub locked: Option<bool>,
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
    let profile = &user.profile;
    let mut name = Map::new();
    for (key, part) in [
        ("familyName", &profile.family_name),
        ("givenName", &profile.given_name),
    ] {
        if let Some(part) = part {
            name.insert(key.to_owned(), json!(part));
        }
    }
    let mut document = json!({
        "id": user.id.to_string(),
        "externalId": "",
        "meta": {
            "version": profile.version,
            "created": user.created_at.to_string(),
            "lastModified": user.updated_at.to_string(),
        },
        "userName": user.username,
        "name": name,
        "emails": [{ "value": user.email(), "primary": true }],
        "groups": groups,
        "approvals": [],
        "active": !profile.inactive,
        "verified": true,
        "origin": user.origin,
        "zoneId": "uaa",
        "schemas": ["urn:scim:schemas:core:1.0"],
    });
    if let Some(phone) = &profile.phone {
        document["phoneNumbers"] = json!([{ "value": phone }]);
    }
    document
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scim(value: Value) -> Scim {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_put_replaces_and_a_patch_changes() {
        let full = scim(json!({
            "userName": "ann", "name": { "givenName": "Ann", "familyName": "Kim" },
            "emails": [{ "value": "b@x.kr" }, { "value": "a@x.kr", "primary": true }],
            "phoneNumbers": [{ "value": "+82 2" }], "active": false,
        }));
        let made = full.whole(&Profile::default(), "ann").unwrap();
        assert_eq!(made.email.as_deref(), Some("a@x.kr"));
        assert!(made.inactive);
        let put = scim(json!({ "name": {}, "emails": [{ "value": "ann" }] }));
        let put = put.whole(&made, "ann").unwrap();
        assert_eq!(
            (&put.email, &put.given_name, put.inactive),
            (&None, &None, true)
        );
        let patch = scim(json!({
            "active": true, "name": { "familyName": "Lee" },
            "meta": { "attributes": ["phoneNumbers"] },
        }));
        let patched = patch.patched(&made, "ann").unwrap();
        let expected = Profile {
            family_name: Some("Lee".to_owned()),
            phone: None,
            inactive: false,
            ..made
        };
        assert_eq!(patched, expected);
        let long = scim(json!({ "name": { "givenName": "x".repeat(256) } }));
        assert!(long.patched(&expected, "ann").is_err());
    }
}

//! Clients of UAA's part.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::user::Secret;
use crate::model::Client;

/// Body of `POST` and `PUT` of clients.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Body {
    /// The name that it logs in by.
    #[serde(rename = "client_id")]
    pub id: String,
    /// Its secret; only where it is made.
    #[serde(rename = "client_secret", default)]
    pub secret: Option<Secret>,
    /// What people read of it.
    #[serde(default)]
    pub name: Option<String>,
    /// How it may get tokens.
    #[serde(default)]
    pub authorized_grant_types: Words,
    /// What its tokens for users are good for at most.
    #[serde(default)]
    pub scope: Words,
    /// What its own tokens are good for.
    #[serde(default)]
    pub authorities: Words,
    /// Where users may be sent back to.
    #[serde(default)]
    pub redirect_uri: Words,
    /// What users need not be asked about.
    #[serde(default)]
    pub autoapprove: Approved,
    /// Seconds that its access tokens work.
    #[serde(default)]
    pub access_token_validity: Option<u64>,
    /// Seconds that its refresh tokens work.
    #[serde(default)]
    pub refresh_token_validity: Option<u64>,
}

/// Words: a list, or one text with commas between.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(from = "RawWords")]
pub struct Words(pub Vec<String>);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawWords {
    List(Vec<String>),
    Text(String),
    Nothing(()),
}

impl From<RawWords> for Words {
    fn from(raw: RawWords) -> Self {
        Self(match raw {
            RawWords::List(words) => words,
            RawWords::Text(text) => {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                words.map(ToOwned::to_owned).collect()
            }
            RawWords::Nothing(()) => Vec::new(),
        })
    }
}

/// What users need not be asked about: all, or a list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(from = "RawApproved")]
pub struct Approved(pub Vec<String>);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawApproved {
    All(bool),
    Some(Words),
}

impl From<RawApproved> for Approved {
    fn from(raw: RawApproved) -> Self {
        Self(match raw {
            RawApproved::All(true) => vec!["true".to_owned()],
            RawApproved::All(false) => Vec::new(),
            RawApproved::Some(words) => words.0,
        })
    }
}

/// One client, without its secrets.
#[must_use]
pub fn present(client: &Client) -> Value {
    let or_none = |words: &[String]| match words {
        [] => json!(["uaa.none"]),
        words => json!(words),
    };
    let mut document = json!({
        "client_id": client.name,
        "name": client.title,
        "scope": or_none(&client.scope),
        "resource_ids": ["none"],
        "authorized_grant_types": client.grant_types,
        "redirect_uri": client.redirect_uris,
        "autoapprove": client.autoapprove,
        "authorities": or_none(&client.authorities),
        "lastModified": client.updated_at.millis(),
    });
    if let Some(seconds) = client.access_seconds {
        document["access_token_validity"] = json!(seconds);
    }
    if let Some(seconds) = client.refresh_seconds {
        document["refresh_token_validity"] = json!(seconds);
    }
    document
}

/// What filters may ask about, in lower case.
pub const ATTRIBUTES: [&str; 4] = [
    "client_id",
    "scope",
    "authorities",
    "authorized_grant_types",
];

/// The values of a client's attribute.
#[must_use]
pub fn values(client: &Client, attribute: &str) -> Vec<String> {
    match attribute {
        "client_id" => vec![client.name.clone()],
        "scope" => client.scope.clone(),
        "authorities" => client.authorities.clone(),
        "authorized_grant_types" => client.grant_types.clone(),
        _ => Vec::new(),
    }
}

//! Service brokers.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToOne, shared, shared::Hidden};
use crate::model::{Broker, BrokerLogin};

/// Longest name.
const LONGEST_NAME: usize = 255;
/// Longest URL.
const LONGEST_URL: usize = 2 * 1024;

/// Body of `POST /v3/service_brokers`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How we log in.
    pub authentication: Authentication,
    /// The space that it serves.
    pub relationships: Option<Relationships>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/service_brokers/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The name.
    pub name: Option<String>,
    /// Where it is.
    pub url: Option<String>,
    /// How we log in.
    pub authentication: Option<Authentication>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// The space of a broker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationships {
    /// The space.
    pub space: Option<ToOne>,
}

/// How we log in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// `basic`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name and password.
    pub credentials: Login,
}

/// Name and password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Hidden<String>,
}

impl Authentication {
    /// The login.
    ///
    /// # Errors
    /// Words for the user.
    pub fn login(self) -> Result<BrokerLogin, String> {
        if self.kind != "basic" {
            return Err("Authentication type must be one of [\"basic\"]".to_owned());
        }
        Ok(BrokerLogin {
            username: self.credentials.username,
            password: self.credentials.password.0,
        })
    }
}

/// The name, if it can be one.
///
/// # Errors
/// Words for the user.
pub fn name(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("Name must not be empty string".to_owned());
    }
    if text.chars().count() > LONGEST_NAME {
        return Err(format!(
            "Name is too long (maximum is {LONGEST_NAME} characters)"
        ));
    }
    Ok(text)
}

/// The address without a slash at its end, if it can be a broker's.
///
/// # Errors
/// Words for the user.
pub fn url(text: &str) -> Result<String, String> {
    let wrong = || Err(format!("Url '{text}' must be a valid url"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong();
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return wrong();
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("Url must not contain authentication".to_owned());
    }
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    let bad = authority.is_empty() || authority.starts_with(':') || rest.contains(['?', '#']);
    if bad || !printable || text.len() > LONGEST_URL || text.parse::<http::Uri>().is_err() {
        return wrong();
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// One broker, without its password.
#[must_use]
pub fn present(broker: &Broker, base: &Base) -> Value {
    let path = format!("/v3/service_brokers/{}", broker.id);
    let mut links = Links::new(base).to("self", &path).to(
        "service_offerings",
        &format!("/v3/service_offerings?service_broker_guids={}", broker.id),
    );
    let mut relationships = json!({});
    if let Some(space) = broker.space {
        relationships["space"] = shared::to_one(space);
        links = links.to("space", &format!("/v3/spaces/{space}"));
    }
    json!({
        "guid": broker.id.to_string(),
        "created_at": broker.created_at.to_string(),
        "updated_at": broker.updated_at.to_string(),
        "name": broker.name,
        "url": broker.url,
        "relationships": relationships,
        "metadata": shared::metadata(&broker.metadata),
        "links": links.json(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_address_is_a_url_without_secrets() {
        let check = |text: &str, expected: Result<&str, &str>| match (url(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080"));
        check("https://b.example.kr/osb/", Ok("https://b.example.kr/osb"));
        check("b.example.kr", Err("valid url"));
        check("ftp://b.example.kr", Err("valid url"));
        check("http://", Err("valid url"));
        check("http://a b", Err("valid url"));
        check("http://x/?a=b", Err("valid url"));
        check("http://u:p@x", Err("authentication"));
    }
}

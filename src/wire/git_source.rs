//! Where an app's code is kept, as `/pastina/v1` has it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, shared, shared::Hidden};
use crate::model::{AppId, GitSource};

/// Longest address.
const LONGEST: usize = 1024;

/// Body of `PUT /pastina/v1/apps/:guid/git_source`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The address of the repository, by HTTP or HTTPS.
    pub url: String,
    /// The user's name at its host.
    pub username: Option<String>,
    /// The password, or a token in its place.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub password: Hidden<Option<String>>,
    /// What its host shows that it knows; without it, the one that there is, or a new one.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub secret: Hidden<Option<String>>,
}

/// The path of an app's source.
#[must_use]
pub fn path(app: AppId) -> String {
    format!("/pastina/v1/apps/{app}/git_source")
}

/// The source of an app. Its secret is told where it was made just now, and never again.
#[must_use]
pub fn present(app: AppId, source: &GitSource, made: bool, base: &Base) -> Value {
    let path = path(app);
    let mut view = json!({
        "url": source.url,
        "username": source.login.as_ref().map(|login| &login.username),
        "webhook": base.url(&format!("{path}/webhook")),
        "updated_at": source.updated_at.to_string(),
    });
    if made {
        view["secret"] = json!(source.secret);
    }
    view
}

/// Passes where `url` is an address that may be asked.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), String> {
    let plain = url.len() <= LONGEST && url.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        Some(host) if host.contains('@') => Err(
            "Url must not have a name or a password in it: there are fields for them".to_owned(),
        ),
        Some(host) if plain && !host.is_empty() && !host.starts_with('-') => Ok(()),
        _ => Err(
            "Url must be the address of a repository by HTTP or HTTPS, such as \
             https://github.com/me/shop.git"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_by_http_are_taken() {
        check_url("https://github.com/me/shop.git").unwrap();
        check_url("http://git.example.kr:3000/a/b").unwrap();
        for bad in [
            "",
            "git@github.com:me/shop.git",
            "ssh://git@host/x",
            "file:///etc",
            "ext::sh -c id",
            "https://",
            "https:///x",
            "https://me:secret@host/x",
            "https://-oProxyCommand=id/x",
            "https://host/a b",
            "https://host/\n",
            "--upload-pack=id",
        ] {
            assert!(check_url(bad).is_err(), "{bad:?}");
        }
    }
}

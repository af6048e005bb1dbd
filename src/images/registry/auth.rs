//! Logging in: what a registry asks for, and what it then lets one do.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header::WWW_AUTHENTICATE};
use serde::Deserialize;

use super::{Place, Registry};
use crate::{
    images::{ImageError, error::quoted},
    model::RegistryLogin,
    wire::query::encode,
};

/// Bytes of the answer of a token server.
const MAX_TOKEN: usize = 256 * 1024;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Basic,
    /// A token that this server gives out.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// What lets in. Never shown.
#[derive(Clone)]
pub(super) enum Grant {
    Basic(RegistryLogin),
    Bearer(String),
}

impl Grant {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> String {
        match self {
            Self::Basic(login) => {
                let both = format!("{}:{}", login.username, login.password);
                format!("Basic {}", STANDARD.encode(both))
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        }
    }
}

impl Said {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::Nothing;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let parameters = parameters(rest);
                let get = |name: &str| {
                    let found = parameters
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone())
                };
                if let Some(realm) = get("realm") {
                    return Self::Bearer {
                        realm,
                        service: get("service"),
                    };
                }
            }
            if scheme.eq_ignore_ascii_case("basic") {
                found = Self::Basic;
            }
        }
        found
    }
}

/// `a="b c",d=e` (RFC 9110, 11.2).
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut characters = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = characters.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(characters.next().map(|(_, c)| c)),
                        c => value.push(c),
                    }
                }
                (value, &quoted[end..])
            }
            None => {
                let (value, next) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), next)
            }
        };
        found.push((name, value));
        rest = next;
    }
    found
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What an error of a registry says, for people, with a colon before it; empty where nothing.
pub(super) fn words(text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let first = serde_json::from_slice::<Errors>(text).ok();
    let first = first.and_then(|all| all.errors.into_iter().next());
    let text = first.map(|one| {
        if one.message.is_empty() {
            one.code
        } else {
            one.message
        }
    });
    match text.map(|text| quoted(&text)) {
        Some(text) if !text.is_empty() => format!(": {text}"),
        _ => String::new(),
    }
}

impl Registry {
    /// Gets what lets in; none where nothing is asked for that could be given.
    pub(super) async fn log_in(&self, said: Said) -> Result<Option<Grant>, ImageError> {
        match said {
            Said::Nothing => Ok(None),
            Said::Basic => Ok(self.login.clone().map(Grant::Basic)),
            Said::Bearer { realm, service } => {
                let token = self.token(&realm, service.as_deref()).await?;
                Ok(Some(Grant::Bearer(token)))
            }
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<String, ImageError> {
        let place = self.token_place(realm, service)?;
        let login = self.login.clone().map(Grant::Basic);
        let response = self
            .send(
                Method::GET,
                &place,
                "application/json",
                None,
                login.as_ref(),
            )
            .await?;
        let status = response.status();
        let text = self.collect("a token", response, MAX_TOKEN).await?;
        match (status, &self.login) {
            (status, _) if status.is_success() => {}
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(login)) => {
                return Err(ImageError::LoginRefused {
                    registry: self.name.clone(),
                    image: self.image.clone(),
                    username: login.username.clone(),
                    said: words(&text),
                });
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => {
                return Err(ImageError::NeedsLogin {
                    registry: self.name.clone(),
                    image: self.image.clone(),
                });
            }
            (status, _) => {
                return Err(ImageError::Answer {
                    registry: format!("{} (its token server {})", self.name, place.authority()),
                    status: status.as_u16(),
                    said: words(&text),
                });
            }
        }
        let token = serde_json::from_slice::<Token>(&text).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        token.filter(|token| !token.is_empty()).ok_or_else(|| {
            ImageError::refused(
                format!(
                    "the token server {} of registry {}",
                    place.authority(),
                    self.name
                ),
                "gives no token",
            )
        })
    }

    fn token_place(&self, realm: &str, service: Option<&str>) -> Result<Place, ImageError> {
        let mut url = realm.to_owned();
        url.push(if realm.contains('?') { '&' } else { '?' });
        if let Some(service) = service {
            url.push_str("service=");
            url.push_str(&encode(service));
            url.push('&');
        }
        let scope = format!("repository:{}:pull", self.repository);
        url.push_str("scope=");
        url.push_str(&encode(&scope));
        // A login goes there, so the same counts as for being sent elsewhere.
        self.base.redirected(&url).ok_or_else(|| {
            ImageError::refused(
                format!("registry {}", self.name),
                format!(
                    "has its tokens at {:?}, where none is fetched",
                    quoted(realm)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn said(lines: &[&str]) -> Said {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        Said::of(&headers)
    }

    #[test]
    fn challenges_are_read() {
        assert_eq!(said(&[]), Said::Nothing);
        assert_eq!(said(&["Negotiate"]), Said::Nothing);
        assert_eq!(said(&["Basic realm=\"x\""]), Said::Basic);
        let bearer = |service: Option<&str>| Said::Bearer {
            realm: "https://auth.kr/token".to_owned(),
            service: service.map(str::to_owned),
        };
        assert_eq!(
            said(&[
                "Bearer realm=\"https://auth.kr/token\",service=\"a \\\"b\\\", c\",scope=\"s\""
            ]),
            bearer(Some("a \"b\", c"))
        );
        assert_eq!(
            said(&["Basic realm=x", "bearer Realm=https://auth.kr/token"]),
            bearer(None)
        );
        // Without an end, and without anything.
        assert_eq!(
            said(&["Bearer realm=\"https://auth.kr/token"]),
            bearer(None)
        );
        assert_eq!(said(&["Bearer"]), Said::Nothing);
    }

    #[test]
    fn what_a_registry_says_is_short_and_one_line() {
        let check = |text: &str, expected: &str| assert_eq!(words(text.as_bytes()), expected);
        check(
            r#"{"errors":[{"code":"DENIED","message":"no\n\u001b[31m way"}]}"#,
            ": no [31m way",
        );
        check(r#"{"errors":[{"code":"DENIED"}]}"#, ": DENIED");
        check("<html>", "");
        check(r#"{"errors":[]}"#, "");
    }
}

//! `/login/provider/...` and `/login/callback/...`: to another identity provider's page, and back
//! from it.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    page,
    wish::{FIELDS, Next, Redirection, Wish},
};
use crate::{
    api::{
        Api, Failure,
        answer::Either,
        error::chain,
        extract::Base,
        openapi::{Answers, Operation, Router, Takes, get},
    },
    identity::{Return, SignOnError},
    wire::{
        self,
        query::{encode, pair},
    },
};

/// The cookie that shows that whoever comes back is who left.
const COOKIE: &str = "pastina-sign-on";

/// Seconds that the cookie lasts, as long as what it is for.
const COOKIE_SECONDS: u32 = 600;

pub(super) fn router() -> Router {
    Router::new()
        .route("/login/provider/{origin}", get(depart))
        .route("/login/callback/{origin}", get(arrive))
}

/// What a browser gets, and what becomes of its cookie.
#[derive(Debug)]
pub(super) struct Marked {
    next: Next,
    cookie: Option<HeaderValue>,
}

impl From<Next> for Marked {
    fn from(next: Next) -> Self {
        Self { next, cookie: None }
    }
}

impl IntoResponse for Marked {
    fn into_response(self) -> Response {
        let mut response = self.next.into_response();
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl Answers for Marked {
    fn describe(operation: &mut Operation) {
        Next::describe(operation);
    }
}

/// A wish in a query string.
struct Asked(Wish);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Wish::of_query(query)))
    }
}

impl Takes for Asked {
    fn describe(operation: &mut Operation) {
        for name in FIELDS {
            operation.query(name, &json!({ "type": "string" }));
        }
    }
}

/// Sends a browser to a provider's page, with what is wished for in the query.
async fn depart(
    State(api): State<Api>,
    Base(base): Base,
    Path(origin): Path<String>,
    Asked(wish): Asked,
) -> Marked {
    match wish.clone().check(&api) {
        Ok(_) => leave(&api, &base, &origin, &wish).await,
        Err(text) => Either::This(page::refusal(&text)).into(),
    }
}

/// The way to a provider.
pub(super) async fn leave(api: &Api, base: &wire::Base, origin: &str, wish: &Wish) -> Marked {
    let path = callback(origin);
    let left = api
        .identity
        .depart(origin, base.url(&path), wish.query(), api.actions.now())
        .await;
    match left {
        Ok(departure) => Marked {
            next: Either::That(Redirection(departure.location)),
            cookie: cookie(base, &path, &departure.ticket, COOKIE_SECONDS),
        },
        Err(error) => refused(&error).into(),
    }
}

fn callback(origin: &str) -> String {
    format!("/login/callback/{}", encode(origin))
}

/// Lax: the browser comes back from another site.
fn cookie(base: &wire::Base, path: &str, value: &str, seconds: u32) -> Option<HeaderValue> {
    let secure = if base.as_str().starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let cookie =
        format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).ok()
}

/// What a browser has with it that comes back.
struct Brought {
    pairs: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Brought {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Brought {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            pairs: query.split('&').map(pair).collect(),
            headers: parts.headers.clone(),
        })
    }
}

impl Takes for Brought {
    fn describe(operation: &mut Operation) {
        for name in ["state", "code", "error", "iss"] {
            operation.query(name, &json!({ "type": "string" }));
        }
    }
}

/// Takes a browser that comes back from a provider's page.
async fn arrive(
    State(api): State<Api>,
    Base(base): Base,
    Path(origin): Path<String>,
    brought: Brought,
) -> Marked {
    let back = Return {
        state: brought.get("state").unwrap_or_default(),
        code: brought.get("code"),
        error: brought.get("error"),
        issuer: brought.get("iss"),
        ticket: ticket(&brought.headers).unwrap_or_default(),
    };
    let now = api.actions.now();
    let next = match api.identity.arrive(&origin, back, now).await {
        Ok(arrival) => {
            let wish = Wish::of_query(&arrival.purpose);
            match api.actions.sign_on(arrival).await {
                // The program may be gone meanwhile.
                Ok(user) => match wish.check(&api) {
                    Ok(granted) => granted.answer(&api, &user),
                    Err(text) => Either::This(page::refusal(&text)),
                },
                Err(error) => Either::This(page::refusal(&error.to_string())),
            }
        }
        Err(error) => refused(&error),
    };
    let cookie = cookie(&base, &callback(&origin), "", 0);
    Marked { next, cookie }
}

fn ticket(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// What somebody is told who was not signed on; what only the operator can mend is logged.
fn refused(error: &SignOnError) -> Next {
    if matches!(
        error,
        SignOnError::Unreachable { .. } | SignOnError::Unusable { .. }
    ) {
        tracing::warn!(
            error = chain(error),
            "an identity provider could not be used"
        );
    }
    Either::This(page::refusal(&error.to_string()))
}

//! `/oauth/authorize`: one-time codes for programs that a client speaks to beside the API, and
//! for programs that people log in to.

use std::net::IpAddr;

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, request::Parts},
};
use serde_json::{Value, json};

use super::{
    error::Refusal,
    form::{Fields, Filled, Form, fields},
    page,
    sign_on::{Marked, leave},
    wish::{FIELDS, Next, Redirection, Wish},
};
use crate::{
    api::{
        Api, Failure,
        answer::Either,
        extract::{Base, bearer_of, client_of},
        openapi::{Operation, Router, Security, Takes, get},
    },
    identity::{Login, LoginError, Password},
    wire::{platform::SSH_CLIENT, query},
};

pub(super) fn router() -> Router {
    Router::new().route("/oauth/authorize", get(authorize).post(log_in))
}

/// Answers a program that has a token with a redirection, whose target nobody follows: the code
/// in it is what is wanted. Anybody else gets a form, or goes to the provider that was named.
async fn authorize(
    State(api): State<Api>,
    Base(base): Base,
    Wished { query, headers }: Wished,
) -> Result<Marked, Refusal> {
    let wish = Wish::of_query(&query);
    if let Some(token) = bearer_of(&headers) {
        let redirection = of_token(&api, &base, &wish, token)?;
        return Ok(Either::That(redirection).into());
    }
    if wish.client() == SSH_CLIENT {
        return Err(Refusal::invalid_token());
    }
    if wish.get("client_id").is_none() {
        return Ok(Either::This(page::refusal("The address lacks 'client_id'.")).into());
    }
    let granted = match wish.clone().check(&api) {
        Ok(granted) => granted,
        Err(text) => return Ok(Either::This(page::refusal(&text)).into()),
    };
    let hinted = origin_hint(&query);
    let mut known = api.identity.providers().map(|(origin, _)| origin);
    match known.find(|origin| Some(*origin) == hinted.as_deref()) {
        Some(origin) => Ok(leave(&api, &base, origin, &wish).await),
        None => Ok(Either::This(granted.page(&api, None)).into()),
    }
}

/// The provider that a program names, as UAA has it: `login_hint={"origin":"..."}`.
fn origin_hint(query: &str) -> Option<String> {
    let mut pairs = query.split('&').map(query::pair);
    let (_, hint) = pairs.find(|(key, _)| key == "login_hint")?;
    let hint: Value = serde_json::from_str(&hint).ok()?;
    Some(hint.get("origin")?.as_str()?.to_owned())
}

fn of_token(
    api: &Api,
    base: &crate::wire::Base,
    wish: &Wish,
    token: &str,
) -> Result<Redirection, Refusal> {
    if wish.client() != SSH_CLIENT {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_client",
            format!("No client with requested id: {}", wish.client()),
        ));
    }
    if wish.get("response_type") != Some("code") {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "unsupported_response_type",
            "The only response type is 'code'.",
        ));
    }
    let now = api.actions.now();
    let code = api.identity.issue_code(token, SSH_CLIENT, now)?;
    Ok(Redirection(base.url(&format!("/login?code={code}"))))
}

/// A wish in a query string, and maybe a token.
struct Wished {
    query: String,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Wished {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self {
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
        })
    }
}

impl Takes for Wished {
    fn describe(operation: &mut Operation) {
        for name in FIELDS.into_iter().chain(["login_hint"]) {
            operation.query(name, &json!({ "type": "string" }));
        }
        operation.secure(Security::MaybeBearer);
    }
}

fields! {
    /// The wish, and who logs in.
    Entered(false): "client_id", "response_type", "redirect_uri", "state", "scope",
        "code_challenge", "code_challenge_method", "username", "password";
}

/// A form that somebody filled in, or a program's request as [`authorize`] takes it.
async fn log_in(
    State(api): State<Api>,
    base: Base,
    request: Filled<Entered>,
) -> Result<Marked, Refusal> {
    let (uri, headers) = (request.0.uri(), request.0.headers());
    let asks = uri
        .query()
        .is_some_and(|query| query.contains("client_id="));
    if asks || bearer_of(headers).is_some() {
        let wished = Wished {
            query: uri.query().unwrap_or_default().to_owned(),
            headers: headers.clone(),
        };
        return authorize(State(api), base, wished).await;
    }
    let place = client_of(request.0.extensions());
    let form = Form::of(request).await?.1;
    let wish = Wish::of_form(&form);
    if wish.client() == SSH_CLIENT {
        return Err(Refusal::invalid_token());
    }
    if wish.get("client_id").is_none() {
        let refusal = page::refusal("The form lacks 'client_id'.");
        return Ok(Either::This(refusal).into());
    }
    Ok(entered(&api, wish, &form, place).await?.into())
}

/// Answers the name and the password in `form`: with what was wished for, or with the page again.
pub(super) async fn entered(
    api: &Api,
    wish: Wish,
    form: &Form<impl Fields>,
    place: IpAddr,
) -> Result<Next, Refusal> {
    let granted = match wish.check(api) {
        Ok(granted) => granted,
        Err(text) => return Ok(Either::This(page::refusal(&text))),
    };
    let login = Login {
        username: form.get("username").unwrap_or_default(),
        origin: None,
        password: Password::entered(form.get("password").unwrap_or_default()),
        client: place,
    };
    let wrong = match api.identity.authenticate(login, api.actions.now()).await {
        Ok(user) => return Ok(granted.answer(api, &user)),
        Err(LoginError::BadCredentials) => {
            "The user name or the password is wrong. · 사용자 이름이나 비밀번호가 올바르지 않습니다."
        }
        Err(LoginError::Locked) => {
            "Too many wrong passwords: try again in five minutes. · 비밀번호를 여러 번 틀렸습니다. \
             5분 뒤에 다시 시도하세요."
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Either::This(granted.page(api, Some(wrong))))
}

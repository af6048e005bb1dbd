//! Tokens: getting, showing and revoking them.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::error::Refusal;
use crate::{
    api::{
        Api,
        extract::{Base, bearer_of, client_of, read},
    },
    identity::{Claims, Login, Password, Tokens},
    model::User,
};

/// The one client: the command line. It has no secret.
const CLIENT: &str = "cf";

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/oauth/token", post(grant))
        .route("/oauth/token/revoke/{jti}", delete(revoke))
        .route("/check_token", post(check))
        .route("/introspect", post(introspect))
        .route("/userinfo", get(userinfo).post(userinfo))
        .route("/oauth/clients/{id}", get(client))
}

/// The fields of a form, decoded. Of the query only what the CLI puts there counts: secrets
/// in an address end up in logs.
struct Form(HashMap<String, String>);

impl Form {
    async fn of(request: Request) -> Result<(HeaderMap, Self), Refusal> {
        let (parts, body) = request.into_parts();
        let body = read(body)
            .await
            .map_err(|_| Refusal::invalid_request("The body could not be read."))?;
        let text = String::from_utf8_lossy(&body);
        let query = parts.uri.query().unwrap_or_default();
        let hint = query
            .split('&')
            .filter(|pair| pair.starts_with("login_hint="));
        let fields = hint
            .chain(text.split('&'))
            .filter(|pair| !pair.is_empty())
            .map(crate::wire::query::pair)
            .collect();
        Ok((parts.headers, Self(fields)))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn need(&self, key: &str) -> Result<&str, Refusal> {
        self.get(key)
            .ok_or_else(|| Refusal::invalid_request(format!("The form lacks '{key}'.")))
    }
}

async fn grant(State(api): State<Api>, base: Base, request: Request) -> Result<Response, Refusal> {
    let client = client_of(request.extensions());
    let (headers, form) = Form::of(request).await?;
    let grant = form.need("grant_type")?;
    if grant != "client_credentials" {
        check_client(&headers, &form)?;
    }
    let issuer = base.0.as_str();
    let now = api.actions.now();
    let tokens = match grant {
        "password" if form.get("username").is_none() && form.get("passcode").is_some() => {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "One-time passcodes are not supported: log in with a user name and a password.",
            ));
        }
        "password" => {
            let hint: Option<Value> = form
                .get("login_hint")
                .and_then(|hint| serde_json::from_str(hint).ok());
            let login = Login {
                username: form.need("username")?,
                origin: hint.as_ref().and_then(|hint| hint["origin"].as_str()),
                password: Password::entered(form.need("password")?),
                client,
            };
            api.identity.log_in(login, issuer, now).await?
        }
        "refresh_token" => {
            api.identity
                .refresh(form.need("refresh_token")?, issuer, now)
                .await?
        }
        "client_credentials" => {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "There are no clients with credentials: log in as a user.",
            ));
        }
        other => {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                format!("Unsupported grant type: {other}"),
            ));
        }
    };
    Ok(answer(&tokens))
}

fn check_client(headers: &HeaderMap, form: &Form) -> Result<(), Refusal> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, code)| STANDARD.decode(code.trim()).ok())
        .and_then(|text| String::from_utf8(text).ok());
    let (id, secret) = match &basic {
        Some(text) => text.split_once(':').unwrap_or((text, "")),
        None => (
            form.get("client_id").unwrap_or_default(),
            form.get("client_secret").unwrap_or_default(),
        ),
    };
    if id == CLIENT && secret.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "invalid_client",
        "Bad client credentials: the only client is 'cf' with an empty secret.",
    ))
}

fn answer(tokens: &Tokens) -> Response {
    let body = Json(json!({
        "access_token": tokens.access,
        // In lower case: clients put it before the token and look for that later.
        "token_type": "bearer",
        "refresh_token": tokens.refresh,
        "expires_in": tokens.expires_in,
        "scope": tokens.claims.scope.join(" "),
        "jti": tokens.claims.jti,
    }));
    // RFC 6749, 5.1: nobody on the way keeps it.
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

async fn revoke(
    State(api): State<Api>,
    Path(jti): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let token = bearer_of(&headers).ok_or_else(Refusal::invalid_token)?;
    api.identity.revoke(token, &jti, api.actions.now()).await?;
    Ok(Json(json!({})))
}

fn inspect(api: &Api, token: &str) -> Option<(std::sync::Arc<User>, Claims)> {
    let state = api.actions.store.state();
    api.identity.inspect(&state, token, api.actions.now())
}

async fn check(State(api): State<Api>, request: Request) -> Result<Json<Value>, Refusal> {
    let (headers, form) = Form::of(request).await?;
    check_client(&headers, &form)?;
    let (_, claims) = inspect(&api, form.need("token")?).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_token",
            "The token expired, was revoked, or is otherwise not valid.",
        )
    })?;
    Ok(Json(json!(claims)))
}

async fn introspect(State(api): State<Api>, request: Request) -> Result<Json<Value>, Refusal> {
    let (headers, form) = Form::of(request).await?;
    check_client(&headers, &form)?;
    let mut document = match inspect(&api, form.need("token")?) {
        Some((_, claims)) => json!(claims),
        None => return Ok(Json(json!({ "active": false }))),
    };
    document["active"] = json!(true);
    Ok(Json(document))
}

async fn userinfo(State(api): State<Api>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let (user, _) = bearer_of(&headers)
        .and_then(|token| inspect(&api, token))
        .ok_or_else(Refusal::invalid_token)?;
    Ok(Json(json!({
        "sub": user.id.to_string(),
        "user_id": user.id.to_string(),
        "user_name": user.username,
        "name": user.username,
        "given_name": user.username,
        "family_name": user.username,
        "email": user.username,
        "email_verified": false,
        "phone_number": null,
        "previous_logon_time": null,
    })))
}

async fn client(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let (user, _) = bearer_of(&headers)
        .and_then(|token| inspect(&api, token))
        .ok_or_else(Refusal::invalid_token)?;
    if !user.admin {
        return Err(Refusal::insufficient_scope());
    }
    Err(Refusal::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("No client with requested id: {id}"),
    ))
}

//! Tokens: getting, showing and revoking them.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    error::Refusal,
    form::{Bearing, Fields, Filled, Form, fields},
    users::Auth,
};
use crate::{
    api::{
        Api,
        answer::Unkept,
        error::chain,
        extract::{Base, bearer_of, client_of},
        openapi::{Router, delete, get, post},
    },
    identity::{CLI, Claims, Known, Login, Password, Person, Start, Tokens},
    model::{User, UserId},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/oauth/token", post(grant))
        .route("/oauth/token/revoke/{jti}", delete(revoke))
        .route(
            "/oauth/token/revoke/user/{id}",
            get(revoke_user).delete(revoke_user),
        )
        .route(
            "/oauth/token/revoke/client/{id}",
            get(revoke_client).delete(revoke_client),
        )
        .route("/check_token", post(check))
        .route("/introspect", post(introspect))
        .route("/userinfo", get(userinfo).post(userinfo))
}

fields! {
    /// What asks for a token.
    Grant(true): "grant_type", "username", "password", "passcode", "login_hint", "refresh_token",
        "code", "code_verifier", "redirect_uri", "scope", "client_id", "client_secret",
        "response_type", "token_format", "assertion";

    /// What asks about a token.
    Question(true): "token", "client_id", "client_secret";
}

async fn grant(
    State(api): State<Api>,
    base: Base,
    request: Filled<Grant>,
) -> Result<Unkept, Refusal> {
    let place = client_of(request.0.extensions());
    let (headers, form) = Form::of(request).await?;
    let grant = form.need("grant_type")?;
    let client = known(&api, &headers, &form, place).await?;
    if !GRANTS.contains(&grant) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            format!("Unsupported grant type: {grant}"),
        ));
    }
    if !client.may_use(grant) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            format!("Unauthorized grant type: {grant}"),
        ));
    }
    let issuer = base.0.as_str();
    let now = api.actions.now();
    let start = Start::new(&client, grant, form.get("scope"));
    let identity = &api.identity;
    let tokens = match grant {
        "password" if form.get("username").is_none() && form.get("passcode").is_some() => {
            let code = form.need("passcode")?;
            let person = identity.redeem_login(code, CLI, now);
            let person = person.ok_or_else(|| {
                Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "Invalid passcode")
            })?;
            identity
                .start(&user(&api, person.user)?, start, issuer, now)
                .await?
        }
        "password" => {
            let hint: Option<Value> = form
                .get("login_hint")
                .and_then(|hint| serde_json::from_str(hint).ok());
            let login = Login {
                username: form.need("username")?,
                origin: hint.as_ref().and_then(|hint| hint["origin"].as_str()),
                password: Password::entered(form.need("password")?),
                client: place,
            };
            identity.log_in(login, start, issuer, now).await?
        }
        "refresh_token" => {
            let refresh = form.need("refresh_token")?;
            identity.refresh(refresh, &client, issuer, now).await?
        }
        "authorization_code" => {
            let person = exchange(&api, &client, &form)?;
            let start = Start::new(&client, grant, person.scope.as_deref());
            identity
                .start(&user(&api, person.user)?, start, issuer, now)
                .await?
        }
        JWT_BEARER => {
            let assertion = form.need("assertion")?;
            let (user, start) = match identity.asserted(assertion, &client, issuer, now) {
                Some((user, scopes)) => (user, start.within(scopes)),
                None => (vouched(&api, assertion).await?, start),
            };
            identity.start(&user, start, issuer, now).await?
        }
        _ => {
            let scope = form.get("scope");
            identity.client_token(&client, scope, issuer, now).await?
        }
    };
    Ok(answer(&tokens))
}

/// The grant by a token that speaks of somebody (RFC 7523, 2.1).
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Grants that there are.
const GRANTS: [&str; 5] = [
    JWT_BEARER,
    "password",
    "refresh_token",
    "authorization_code",
    "client_credentials",
];

/// Of whom an assertion speaks that another identity provider made.
async fn vouched(api: &Api, assertion: &str) -> Result<User, Refusal> {
    let refused = |why: &str| Refusal::new(StatusCode::UNAUTHORIZED, "invalid_grant", why);
    match api.identity.vouched(assertion, api.actions.now()).await {
        None => Err(refused(
            "The assertion is not a valid token for this client.",
        )),
        Some(Err(error)) => {
            tracing::info!(error = chain(&error), "an assertion was not believed");
            Err(refused(&error.to_string()))
        }
        Some(Ok(arrival)) => {
            let user = api.actions.sign_on(arrival).await;
            user.map_err(|error| refused(&error.to_string()))
        }
    }
}

fn user(api: &Api, id: UserId) -> Result<User, Refusal> {
    let state = api.actions.store.state();
    let user = state.users.get(&id).map(|user| User::clone(user));
    user.ok_or_else(Refusal::invalid_token)
}

/// Whom the code in `form` was given to log in at `client`.
fn exchange(api: &Api, client: &Known, form: &Form<Grant>) -> Result<Person, Refusal> {
    let refused = |why: &str| Refusal::new(StatusCode::BAD_REQUEST, "invalid_grant", why);
    let now = api.actions.now();
    let code = form.need("code")?;
    let person = api.identity.redeem_login(code, &client.name, now);
    let person = person.ok_or_else(|| refused("Invalid authorization code"))?;
    if person.redirect_uri.as_deref() != form.get("redirect_uri") {
        return Err(refused("Redirect URI mismatch."));
    }
    if let Some(challenge) = &person.challenge {
        let verifier = form.get("code_verifier").unwrap_or_default();
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        if digest != *challenge {
            return Err(refused("Invalid code verifier"));
        }
    }
    Ok(person)
}

/// The client that sends the request.
async fn known(
    api: &Api,
    headers: &HeaderMap,
    form: &Form<impl Fields>,
    place: IpAddr,
) -> Result<Known, Refusal> {
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
    let now = api.actions.now();
    Ok(api.identity.client((id, secret), place, now).await?)
}

fn answer(tokens: &Tokens) -> Unkept {
    let mut body = json!({
        "access_token": tokens.access,
        // In lower case: clients put it before the token and look for that later.
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "scope": tokens.claims.scope.join(" "),
        "jti": tokens.claims.jti,
    });
    if !tokens.refresh.is_empty() {
        body["refresh_token"] = json!(tokens.refresh);
    }
    Unkept(body)
}

async fn revoke(
    State(api): State<Api>,
    Path(jti): Path<String>,
    Bearing(headers): Bearing,
) -> Result<Json<Value>, Refusal> {
    let token = bearer_of(&headers).ok_or_else(Refusal::invalid_token)?;
    api.identity.revoke(token, &jti, api.actions.now()).await?;
    Ok(Json(json!({})))
}

fn inspect(api: &Api, token: &str) -> Option<(std::sync::Arc<User>, Claims)> {
    let state = api.actions.store.state();
    api.identity.inspect(&state, token, api.actions.now())
}

/// Ends every session of a user, whom the caller is or may manage.
async fn revoke_user(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let id: UserId = id.parse().map_err(|_| Refusal::no_user(&id))?;
    api.actions.end_user_sessions(&caller, id).await?;
    Ok(Json(json!({})))
}

/// Ends every session that was handed to a client.
async fn revoke_client(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    api.actions.end_client_sessions(&caller, &name).await?;
    Ok(Json(json!({})))
}

async fn check(State(api): State<Api>, request: Filled<Question>) -> Result<Json<Value>, Refusal> {
    let place = client_of(request.0.extensions());
    let (headers, form) = Form::of(request).await?;
    known(&api, &headers, &form, place).await?;
    let (_, claims) = inspect(&api, form.need("token")?).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_token",
            "The token expired, was revoked, or is otherwise not valid.",
        )
    })?;
    Ok(Json(json!(claims)))
}

async fn introspect(
    State(api): State<Api>,
    request: Filled<Question>,
) -> Result<Json<Value>, Refusal> {
    let place = client_of(request.0.extensions());
    let (headers, form) = Form::of(request).await?;
    known(&api, &headers, &form, place).await?;
    let mut document = match inspect(&api, form.need("token")?) {
        Some((_, claims)) => json!(claims),
        None => return Ok(Json(json!({ "active": false }))),
    };
    document["active"] = json!(true);
    Ok(Json(document))
}

async fn userinfo(
    State(api): State<Api>,
    Bearing(headers): Bearing,
) -> Result<Json<Value>, Refusal> {
    let (user, _) = bearer_of(&headers)
        .and_then(|token| inspect(&api, token))
        .ok_or_else(Refusal::invalid_token)?;
    let profile = &user.profile;
    let [given, family] = [&profile.given_name, &profile.family_name].map(Option::as_deref);
    let name = match (given, family) {
        (None, None) => user.username.to_string(),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (Some(given), Some(family)) => format!("{given} {family}"),
    };
    Ok(Json(json!({
        "sub": user.id.to_string(),
        "user_id": user.id.to_string(),
        "user_name": user.username,
        "name": name,
        "given_name": given.unwrap_or(&user.username),
        "family_name": family.unwrap_or(&user.username),
        "email": user.email(),
        "email_verified": false,
        "phone_number": null,
        "previous_logon_time": null,
    })))
}

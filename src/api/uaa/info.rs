//! What UAA's part says about itself.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{error::Refusal, users::Auth};
use crate::{
    api::{
        Api,
        extract::Base,
        openapi::{Router, get},
    },
    identity::PublicKey,
};

/// The version that is told: clients ask for at least 4.26.0 to use `--origin`.
const VERSION: &str = "77.0.0";

pub(super) fn router() -> Router {
    Router::new()
        .route("/login", get(login))
        .route("/info", get(login))
        .route("/token_key", get(token_key))
        .route("/token_keys", get(token_keys).post(rotate))
        .route("/.well-known/openid-configuration", get(openid))
        .route("/healthz", get(async || "ok\n"))
}

async fn login(Base(base): Base) -> Json<Value> {
    let host = base.as_str().split("://").nth(1).unwrap_or_default();
    Json(json!({
        "app": { "version": VERSION },
        "links": {
            "uaa": base.as_str(),
            "login": base.as_str(),
            "passwd": "",
            "register": "",
        },
        "prompts": {
            "username": ["text", "Email"],
            "password": ["password", "Password"],
            "passcode": [
                "password",
                format!("Temporary Authentication Code ( Get one at {}/passcode )", base.as_str()),
            ],
        },
        "zone_name": "uaa",
        "entityID": host,
        "commit_id": "pastina",
        "timestamp": "2026-01-01T00:00:00+0000",
        "idpDefinitions": {},
    }))
}

fn present(key: &PublicKey) -> Value {
    json!({
        "kty": "RSA",
        "kid": key.id,
        "use": "sig",
        "alg": "RS256",
        "value": key.pem,
        "n": key.n,
        "e": key.e,
    })
}

fn keys(api: &Api) -> Vec<Value> {
    api.identity.public_keys().iter().map(present).collect()
}

async fn token_key(State(api): State<Api>) -> Json<Value> {
    Json(keys(&api).into_iter().next().unwrap_or_default())
}

async fn token_keys(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "keys": keys(&api) }))
}

/// Signs with a new key from now on; the old ones stay for as long as their tokens last.
async fn rotate(State(api): State<Api>, Auth(caller): Auth) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    api.identity.rotate_key().await?;
    tracing::info!(by = %caller.user.username, "tokens are signed with a new key");
    Ok(token_keys(State(api)).await)
}

async fn openid(Base(base): Base) -> Json<Value> {
    Json(json!({
        "issuer": base.url("/oauth/token"),
        "token_endpoint": base.url("/oauth/token"),
        "userinfo_endpoint": base.url("/userinfo"),
        "jwks_uri": base.url("/token_keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "authorization_endpoint": base.url("/oauth/authorize"),
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": [
            "password", "refresh_token", "authorization_code", "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "claims_supported": [
            "sub", "user_name", "origin", "iss", "auth_time", "aud", "exp", "iat", "email",
        ],
        "scopes_supported": [
            "openid", "cloud_controller.read", "cloud_controller.write",
            "cloud_controller.admin", "password.write", "scim.read", "scim.write", "uaa.user",
        ],
    }))
}

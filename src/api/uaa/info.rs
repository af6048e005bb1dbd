//! What UAA's part says about itself.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::api::{Api, extract::Base};

/// The version that is told: clients ask for at least 4.26.0 to use `--origin`.
const VERSION: &str = "77.0.0";

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/login", get(login))
        .route("/info", get(login))
        .route("/token_key", get(token_key))
        .route("/token_keys", get(token_keys))
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
        },
        "zone_name": "uaa",
        "entityID": host,
        "commit_id": "pastina",
        "timestamp": "2026-01-01T00:00:00+0000",
        "idpDefinitions": {},
    }))
}

fn key(api: &Api) -> Value {
    let key = api.identity.public_key();
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

async fn token_key(State(api): State<Api>) -> Json<Value> {
    Json(key(&api))
}

async fn token_keys(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "keys": [key(&api)] }))
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
        "grant_types_supported": ["password", "refresh_token"],
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

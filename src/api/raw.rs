//! Bodies that handlers read themselves, since something is asked before, or a piece at a time.

use std::marker::PhantomData;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::HeaderMap,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Failure,
    openapi::{Operation, Takes},
};

/// An upload in parts.
#[derive(Debug)]
pub(super) struct Multipart {
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// A document in YAML.
#[derive(Debug)]
pub(super) struct Yaml {
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// A request whose body is a `T` in JSON.
#[derive(Debug)]
pub(super) struct Unread<T>(pub(super) Request, pub(super) PhantomData<T>);

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        Ok(Self { headers, body })
    }
}

impl Takes for Multipart {
    fn describe(operation: &mut Operation) {
        let schema = json!({
            "type": "object",
            "properties": {
                "bits": { "type": "string", "contentMediaType": "application/octet-stream" },
                "resources": { "type": "string", "contentMediaType": "application/json" },
            },
        });
        operation.body("multipart/form-data", &schema);
    }
}

impl<S: Send + Sync> FromRequest<S> for Yaml {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        Ok(Self { headers, body })
    }
}

impl Takes for Yaml {
    fn describe(operation: &mut Operation) {
        operation.body("application/x-yaml", &json!({ "type": "object" }));
    }
}

impl<T, S: Send + Sync> FromRequest<S> for Unread<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Ok(Self(request, PhantomData))
    }
}

impl<T: DeserializeOwned + JsonSchema> Takes for Unread<T> {
    fn describe(operation: &mut Operation) {
        operation.json::<T>();
    }
}

//! Forms, and what else UAA's endpoints take.

use std::{collections::HashMap, marker::PhantomData};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
};
use serde_json::{Map, Value, json};

use super::error::Refusal;
use crate::api::{
    Failure,
    extract::read,
    openapi::{Operation, Security, Takes},
};

/// Which fields a form has.
pub(super) trait Fields {
    /// Their names.
    const NAMES: &'static [&'static str];
    /// Whether it is a client that sends it.
    const OF_CLIENT: bool = false;
}

/// Types that stand for the fields of a form.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident($of_client:literal): $($field:literal),*;)*) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl $crate::api::uaa::form::Fields for $name {
            const NAMES: &'static [&'static str] = &[$($field),*];
            const OF_CLIENT: bool = $of_client;
        }
    )*};
}
pub(super) use fields;

/// A request with a form as its body.
pub(super) struct Filled<F>(pub(super) Request, PhantomData<F>);

impl<F, S: Send + Sync> FromRequest<S> for Filled<F> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Ok(Self(request, PhantomData))
    }
}

impl<F: Fields> Takes for Filled<F> {
    fn describe(operation: &mut Operation) {
        let text = json!({ "type": "string" });
        let fields = F::NAMES
            .iter()
            .map(|name| ((*name).to_owned(), text.clone()));
        let fields: Map<String, Value> = fields.collect();
        let schema = json!({ "type": "object", "properties": fields });
        operation.body("application/x-www-form-urlencoded", &schema);
        if F::OF_CLIENT {
            operation.secure(Security::Client);
        }
    }
}

/// The fields of a form, decoded. Of the query only what the CLI puts there counts: secrets
/// in an address end up in logs.
pub(super) struct Form<F>(HashMap<String, String>, PhantomData<F>);

impl<F: Fields> Form<F> {
    pub(super) async fn of(request: Filled<F>) -> Result<(HeaderMap, Self), Refusal> {
        let (parts, body) = request.0.into_parts();
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
        Ok((parts.headers, Self(fields, PhantomData)))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        debug_assert!(
            F::NAMES.contains(&key),
            "the form's description lacks {key}"
        );
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn need(&self, key: &str) -> Result<&str, Refusal> {
        self.get(key)
            .ok_or_else(|| Refusal::invalid_request(format!("The form lacks '{key}'.")))
    }
}

/// The headers of a request that needs a token.
pub(super) struct Bearing(pub(super) HeaderMap);

impl<S: Sync> FromRequestParts<S> for Bearing {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self(parts.headers.clone()))
    }
}

impl Takes for Bearing {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}

//! What handlers take from a request.

use std::{
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use axum::{
    extract::{FromRequest, FromRequestParts, OriginalUri, Path, Request},
    http::{Extensions, HeaderMap, header, request::Parts},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Api, Client, Failure, Tls,
    openapi::{Operation, Security, Takes},
};
use crate::{actions::Caller, store::State, wire};

/// Largest JSON or YAML body, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The address under which the client reached the API.
#[derive(Debug, Clone)]
pub(super) struct Base(pub(super) wire::Base);

impl<S: Sync> FromRequestParts<S> for Base {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let tls = parts.extensions.get::<Tls>().is_some_and(|tls| tls.0);
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.to_string())
            .or_else(|| Some(parts.headers.get(header::HOST)?.to_str().ok()?.to_owned()))
            .ok_or_else(|| wire::Error::bad_request("The request has no Host header."))?;
        Ok(Self(wire::Base::new(
            if tls { "https" } else { "http" },
            &authority,
        )))
    }
}

impl Takes for Base {
    fn describe(_: &mut Operation) {}
}

/// Where a request came from, as far as that is known.
pub(super) fn client_of(extensions: &Extensions) -> IpAddr {
    let known = extensions.get::<Client>();
    known.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.0)
}

/// The caller, by the request's bearer token.
#[derive(Debug)]
pub(super) struct Auth(pub(super) Caller);

impl FromRequestParts<Api> for Auth {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let token = bearer_of(&parts.headers)
            .ok_or_else(|| wire::Error::not_authenticated("Authentication error"))?;
        let state = api.actions.store.state();
        let caller = caller_of(api, &state, token)
            .ok_or_else(|| wire::Error::invalid_auth_token("Invalid Auth Token"))?;
        Ok(Self(caller))
    }
}

impl Takes for Auth {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}

/// Whose valid access token this is, with what it is good for.
pub(super) fn caller_of(api: &Api, state: &State, token: &str) -> Option<Caller> {
    let bearer = api.identity.bearer(state, token, api.actions.now())?;
    Some(Caller::new(state, bearer.user).limited(bearer.limit.as_deref()))
}

/// The token of `Authorization: bearer ...`, whatever the case of the scheme (RFC 9110, 11.1).
pub(super) fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A guid in the path; one that is not a guid names nothing that exists.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| wire::Error::unknown_request("Unknown request"))?;
        let id = text
            .parse()
            .map_err(|_| wire::Error::not_found(resource(&path_of(parts))))?;
        Ok(Self(id))
    }
}

impl<T> Takes for Id<T> {
    fn describe(operation: &mut Operation) {
        operation.guids();
    }
}

/// Two guids in the path, such as a route's and its destination's.
#[derive(Debug)]
pub(super) struct Ids<A, B>(pub(super) A, pub(super) B);

impl<A: FromStr, B: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path((first, second)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| wire::Error::unknown_request("Unknown request"))?;
        match (first.parse(), second.parse()) {
            (Ok(first), Ok(second)) => Ok(Self(first, second)),
            _ => Err(wire::Error::not_found(resource(&path_of(parts))).into()),
        }
    }
}

impl<A, B> Takes for Ids<A, B> {
    fn describe(operation: &mut Operation) {
        operation.guids();
    }
}

/// The path as the client sent it, with what nested routers take off.
fn path_of(parts: &Parts) -> String {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or(&parts.uri, |uri| &uri.0).path().to_owned()
}

/// What Cloud Foundry calls the things under a path such as `/v3/apps/x`.
pub(super) fn resource(path: &str) -> &'static str {
    match path.split('/').nth(2).unwrap_or_default() {
        "organizations" => "Organization",
        "spaces" => "Space",
        "apps" => "App",
        "processes" => "Process",
        "packages" => "Package",
        "builds" => "Build",
        "droplets" => "Droplet",
        "routes" => "Route",
        "domains" => "Domain",
        "roles" => "Role",
        "users" => "User",
        "jobs" => "Job",
        "deployments" => "Deployment",
        "audit_events" => "Event",
        "organization_quotas" => "Organization quota",
        "space_quotas" => "Space quota",
        "isolation_segments" => "Isolation segment",
        "security_groups" => "Security group",
        "stacks" => "Stack",
        "buildpacks" => "Buildpack",
        "tasks" => "Task",
        "revisions" => "Revision",
        "sidecars" => "Sidecar",
        "service_instances" => "Service instance",
        "service_credential_bindings" => "Service credential binding",
        "service_route_bindings" => "Service route binding",
        "service_brokers" => "Service broker",
        "service_offerings" => "Service offering",
        "service_plans" => "Service plan",
        "app_usage_events" => "App usage event",
        "service_usage_events" => "Service usage event",
        _ => "Resource",
    }
}

/// What a query string may say.
pub(super) trait Parameters {
    /// The parameters, besides those of every list.
    const NAMES: &'static [&'static str];
    /// What `include` may name.
    const INCLUDES: &'static [&'static str] = &[];
    /// Of which resources around it single fields may be asked for, and which.
    const FIELDS: &'static [(&'static str, &'static [&'static str])] = &[];
    /// Whether the answer is a list.
    const LISTS: bool;
    /// Whether labels narrow it.
    const LABELS: bool = Self::LISTS;
}

/// Types that stand for what a query string may say.
macro_rules! parameters {
    ($(
        $(#[$doc:meta])*
        $name:ident($lists:literal $(, labels: $labels:literal)?):
            $($parameter:literal),* $(=> $($include:literal),*)?;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::api) enum $name {}

        impl $crate::api::extract::Parameters for $name {
            const NAMES: &'static [&'static str] = &[$($parameter),*];
            $(const INCLUDES: &'static [&'static str] = &[$($include),*];)?
            const LISTS: bool = $lists;
            $(const LABELS: bool = $labels;)?
        }
    )*};
}
pub(super) use parameters;

/// The raw query string; handlers parse it when it is its turn.
pub(super) struct RawQuery<P>(String, PhantomData<P>);

impl<P: Parameters> RawQuery<P> {
    /// What was sent, where it is not to be refused for what it says besides.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The parameters, of which only those of `P` may be there, and in a list those of every
    /// list. As Cloud Foundry does, they are looked at where there are any.
    pub(super) fn parse(&self) -> Result<wire::Query, Failure> {
        let mut valid = P::NAMES.to_vec();
        if !P::INCLUDES.is_empty() {
            valid.push("include");
        }
        if !P::FIELDS.is_empty() {
            valid.push("fields");
        }
        if P::LABELS {
            valid.push("label_selector");
        }
        let query = if P::LISTS {
            wire::Query::list(&self.0, &valid)?
        } else if valid.is_empty() {
            wire::Query::default()
        } else {
            wire::Query::parse(&self.0, &valid)?
        };
        query.check_include(P::INCLUDES)?;
        if !P::FIELDS.is_empty() {
            query.check_fields(P::FIELDS)?;
        }
        Ok(query)
    }
}

impl<P, S: Sync> FromRequestParts<S> for RawQuery<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(query.to_owned(), PhantomData))
    }
}

impl<P: Parameters> Takes for RawQuery<P> {
    fn describe(operation: &mut Operation) {
        for name in P::NAMES {
            let schema = match *name {
                "fields" => json!({
                    "type": "object",
                    "additionalProperties": { "type": "string" },
                }),
                name if name.ends_with('s') => {
                    json!({ "type": "array", "items": { "type": "string" } })
                }
                _ => json!({ "type": "string" }),
            };
            operation.query(name, &schema);
        }
        if !P::FIELDS.is_empty() {
            let keys = P::FIELDS.iter().map(|(resource, fields)| {
                let items = json!({ "type": "array", "items": { "enum": fields } });
                ((*resource).to_owned(), items)
            });
            let properties = serde_json::Value::Object(keys.collect());
            let schema = json!({ "type": "object", "properties": properties });
            operation.query("fields", &schema);
        }
        if !P::INCLUDES.is_empty() {
            let items = json!({ "enum": P::INCLUDES });
            operation.query("include", &json!({ "type": "array", "items": items }));
        }
        if P::LISTS {
            operation.lists(P::LABELS);
        }
    }
}

/// A JSON body, whatever its content type says. An empty one counts as `{}`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = read(request.into_body()).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        // A syntax error is the client's mistake in form (400), a wrong member in content (422).
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            match error.classify() {
                serde_json::error::Category::Data if path == "." => {
                    wire::Error::unprocessable(error.to_string())
                }
                serde_json::error::Category::Data => {
                    wire::Error::unprocessable(format!("'{path}' is wrong: {error}"))
                }
                _ => no_json(&error),
            }
        })?;
        json.end().map_err(|error| no_json(&error))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned + JsonSchema> Takes for Body<T> {
    fn describe(operation: &mut Operation) {
        operation.json::<T>();
    }
}

fn no_json(error: &serde_json::Error) -> wire::Error {
    wire::Error::message_parse(format!("Request invalid due to parse error: {error}"))
}

/// The whole of a small body.
///
/// # Errors
/// 413 where it is larger than [`MAX_BODY`], 400 where it breaks off.
pub(super) async fn read(body: axum::body::Body) -> Result<bytes::Bytes, Failure> {
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|error| {
        let limited = std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if limited {
            wire::Error::too_large(format!("The body is larger than {MAX_BODY} bytes.")).into()
        } else {
            wire::Error::bad_request("The request's body broke off.").into()
        }
    })
}

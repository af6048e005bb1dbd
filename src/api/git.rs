//! `git push` over HTTP (gitprotocol-http(5)). Git shows its user what is refused where that is
//! plain text.

use std::{convert::Infallible, io, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use tokio_util::io::StreamReader;

use super::{
    Api,
    extract::{RawQuery, bearer_of, client_of, parameters},
    openapi::{Answers, Operation, Router, Security, Takes, get, post},
};
use crate::{
    actions::{ActionError, GitPlace},
    git::{Asked, Git, Malformed, RESULT, Who},
    identity::{Login, LoginError, Password},
    model::User,
};

/// What is served, as git names it.
const SERVICE: &str = "git-receive-pack";
/// How the first answer begins: a packet that names the service, and a flush.
const FIRST: &str = "001f# service=git-receive-pack\n0000";
/// What the first answer is.
const ADVERTISEMENT: &str = "application/x-git-receive-pack-advertisement";

pub(super) fn router() -> Router {
    let place = "/git/{organization}/{space}/{app}";
    Router::new()
        .route(&format!("{place}/info/refs"), get(refs))
        .route(&format!("{place}/{SERVICE}"), post(receive))
}

parameters! {
    /// What is asked for.
    Service(false): "service";
}

/// Why a push gets no further than HTTP.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, text) = self;
        let mut response = (status, format!("{text}\n")).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"Pastina\", charset=\"UTF-8\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        for status in [401, 403, 404] {
            operation.answer(status, Some(("text/plain", json!({ "type": "string" }))));
        }
    }
}

impl From<ActionError> for Refusal {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotFound(_) => Self(
                StatusCode::NOT_FOUND,
                "There is no such space, or you may not see it. The address is \
                 /git/ORGANIZATION/SPACE/APP.git"
                    .to_owned(),
            ),
            ActionError::Forbidden => Self(
                StatusCode::FORBIDDEN,
                "Only developers of the space may push to its apps.".to_owned(),
            ),
            other => Self(StatusCode::FORBIDDEN, other.to_string()),
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        let status = match &error {
            Malformed::Protocol(_) => StatusCode::BAD_REQUEST,
            Malformed::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Malformed::Broken(cause) => {
                tracing::debug!(%cause, "a push broke off");
                StatusCode::BAD_REQUEST
            }
        };
        Self(status, error.to_string())
    }
}

/// Who pushes: by their name and password, with a token in the password's place, or with a bearer
/// token as everywhere else.
#[derive(Debug)]
struct Pusher(Who);

impl FromRequestParts<Api> for Pusher {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let refused = |text: &str| Refusal(StatusCode::UNAUTHORIZED, text.to_owned());
        if let Some(token) = bearer_of(&parts.headers) {
            return by_token(api, token).ok_or_else(|| refused("The token is not valid."));
        }
        let (name, password) = basic_of(&parts.headers)
            .ok_or_else(|| refused("Log in with your name and password, or a token."))?;
        if let Some(who) = by_token(api, &password) {
            return Ok(who);
        }
        let login = Login {
            username: &name,
            origin: None,
            password: Password::entered(&password),
            client: client_of(&parts.extensions),
        };
        let user = api.identity.authenticate(login, api.actions.now()).await;
        let user: User = user.map_err(|error| match error {
            LoginError::Locked => Refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many wrong passwords: try again later.".to_owned(),
            ),
            LoginError::Busy => Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many log in at the moment: try again.".to_owned(),
            ),
            _ => refused("The name or the password is wrong."),
        })?;
        Ok(Self(Who {
            user: Arc::new(user),
            limit: None,
        }))
    }
}

impl Takes for Pusher {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Person);
    }
}

fn by_token(api: &Api, token: &str) -> Option<Pusher> {
    let state = api.actions.store.state();
    let bearer = api.identity.bearer(&state, token, api.actions.now())?;
    Some(Pusher(Who {
        user: bearer.user,
        limit: bearer.limit,
    }))
}

/// The name and the password of `Authorization: Basic ...` (RFC 7617).
fn basic_of(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Where it is pushed to, in names.
#[derive(Debug, Deserialize)]
struct Names {
    organization: String,
    space: String,
    app: String,
}

fn place(api: &Api, Pusher(who): &Pusher, names: &Names) -> Result<GitPlace, Refusal> {
    let state = api.actions.store.state();
    let caller = who.caller(&state).ok_or(ActionError::NotFound("Space"))?;
    let app = names.app.strip_suffix(".git").unwrap_or(&names.app);
    let of = (names.organization.as_str(), names.space.as_str());
    Ok(api.actions.git_place(&caller, of, app)?)
}

fn git(api: &Api) -> Result<&Git, Refusal> {
    let none = || {
        let text = "This platform takes no pushes by git.".to_owned();
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, text)
    };
    api.git.as_ref().ok_or_else(none)
}

/// An answer in git's protocol.
#[derive(Debug)]
struct Spoken<const FIRST: bool>(Body);

impl<const FIRST: bool> Spoken<FIRST> {
    const KIND: &'static str = if FIRST { ADVERTISEMENT } else { RESULT };
}

impl<const FIRST: bool> IntoResponse for Spoken<FIRST> {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, Self::KIND),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, self.0).into_response()
    }
}

impl<const FIRST: bool> Answers for Spoken<FIRST> {
    fn describe(operation: &mut Operation) {
        operation.answer(200, Some((Self::KIND, json!({ "type": "string" }))));
    }
}

async fn refs(
    State(api): State<Api>,
    pusher: Pusher,
    Path(names): Path<Names>,
    query: RawQuery<Service>,
) -> Result<Spoken<true>, Refusal> {
    let place = place(&api, &pusher, &names)?;
    if query.text() != format!("service={SERVICE}") {
        let text = "Only `git push` is served here: what is deployed cannot be fetched or cloned.";
        return Err(Refusal(StatusCode::FORBIDDEN, text.to_owned()));
    }
    let told = git(&api)?.advertisement(&place).await;
    let told = told.map_err(|text| Refusal(StatusCode::INTERNAL_SERVER_ERROR, text))?;
    let mut text = FIRST.as_bytes().to_vec();
    text.extend(told);
    Ok(Spoken(Body::from(text)))
}

/// A push's commands and pack, which are read as they come.
#[derive(Debug)]
struct Sent(Body);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            let text = "A push must not be compressed once more.".to_owned();
            return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        Ok(Self(request.into_body()))
    }
}

impl Takes for Sent {
    fn describe(operation: &mut Operation) {
        operation.body(
            "application/x-git-receive-pack-request",
            &json!({ "type": "string" }),
        );
    }
}

async fn receive(
    State(api): State<Api>,
    pusher: Pusher,
    Path(names): Path<Names>,
    Sent(body): Sent,
) -> Result<Spoken<false>, Refusal> {
    let place = place(&api, &pusher, &names)?;
    let git = git(&api)?;
    let from = body.into_data_stream().map_err(io::Error::other);
    let mut from = StreamReader::new(from);
    match git.receive(pusher.0, place, &mut from).await? {
        Asked::Nothing => Ok(Spoken(Body::empty())),
        Asked::Push(push) => {
            let said = stream::unfold(git.begin(*push), async |mut said| {
                let bytes = said.recv().await?;
                Some((Ok::<_, Infallible>(bytes), said))
            });
            Ok(Spoken(Body::from_stream(said)))
        }
    }
}

//! `/pastina/v1/apps/:guid/git_source`: where an app's code is kept, and the calls of its host.

use aws_lc_rs::hmac;
use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{
    Api, Failure,
    answer::NoContent,
    extract::{Auth, Base, Body, Id, read},
    openapi::{Answers, Operation, Router, Takes, get, post},
};
use crate::{
    git::{Begun, branch},
    model::AppId,
    wire::git_source,
};

pub(super) fn router() -> Router {
    let source = "/pastina/v1/apps/{guid}/git_source";
    Router::new()
        .route(source, get(show).put(set).delete(remove))
        .route(&format!("{source}/deploy"), post(deploy))
        .route(&format!("{source}/webhook"), post(webhook))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let source = api.actions.git_source(&caller, id)?;
    Ok(Json(git_source::present(id, &source, false, &base)))
}

async fn set(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<git_source::Put>,
) -> Result<Json<Value>, Failure> {
    let (source, made) = api.actions.set_git_source(&caller, id, body).await?;
    Ok(Json(git_source::present(id, &source, made, &base)))
}

async fn remove(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
) -> Result<NoContent, Failure> {
    api.actions.delete_git_source(&caller, id).await?;
    Ok(NoContent)
}

async fn deploy(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
) -> Result<Told, Failure> {
    api.actions.git_source(&caller, id)?;
    Ok(begin(&api, id))
}

/// What a host is answered with.
#[derive(Debug)]
struct Told(StatusCode, &'static str);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "result": self.1 }))).into_response()
    }
}

impl Answers for Told {
    fn describe(operation: &mut Operation) {
        for status in [200, 202, 403, 429] {
            let schema = json!({
                "type": "object",
                "properties": { "result": { "type": "string" } },
            });
            operation.answer(status, Some(("application/json", schema)));
        }
    }
}

fn begin(api: &Api, app: AppId) -> Told {
    match api.git.as_ref().map(|git| git.deploy(app)) {
        Some(Begun::Now) => Told(StatusCode::ACCEPTED, "it is deployed"),
        Some(Begun::Next) => Told(
            StatusCode::ACCEPTED,
            "it is deployed after what is under way",
        ),
        Some(Begun::TooMany) => Told(
            StatusCode::TOO_MANY_REQUESTS,
            "too many apps are deployed at the moment",
        ),
        None => Told(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this platform deploys nothing from repositories",
        ),
    }
}

/// A call of a host, not to be believed yet.
#[derive(Debug)]
struct Call {
    headers: HeaderMap,
    body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let body = read(body).await?;
        Ok(Self { headers, body })
    }
}

impl Takes for Call {
    fn describe(operation: &mut Operation) {
        let schema = json!({
            "type": "object",
            "properties": { "ref": { "type": "string" }, "after": { "type": "string" } },
        });
        operation.body("application/json", &schema);
    }
}

/// What of a push counts: nothing that is fetched by it, since the repository is the app's own.
#[derive(Debug, Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    name: String,
    #[serde(default)]
    after: String,
}

impl Call {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether its sender knows the secret.
    fn knows(&self, secret: &str) -> bool {
        let signed = ["x-gitea-signature", "x-hub-signature-256"];
        if let Some(value) = signed.iter().find_map(|name| self.headers.get(*name)) {
            let value = value.to_str().unwrap_or_default();
            let tag = bytes_of(value.strip_prefix("sha256=").unwrap_or(value));
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            return hmac::verify(&key, &self.body, &tag.unwrap_or_default()).is_ok();
        }
        let token = self.header("x-gitlab-token").unwrap_or_default();
        token.as_bytes().ct_eq(secret.as_bytes()).into()
    }

    /// What was pushed, where it tells of that.
    fn pushed(&self) -> Option<Pushed> {
        let kinds = ["x-gitea-event", "x-github-event", "x-gitlab-event"];
        let kind = kinds.iter().find_map(|name| self.header(name))?;
        if !["push", "Push Hook"].contains(&kind) {
            return None;
        }
        let form = self
            .header(header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !form {
            return serde_json::from_slice(&self.body).ok();
        }
        let mut fields = self.body.split(|byte| *byte == b'&');
        let payload = fields.find_map(|field| field.strip_prefix(b"payload="))?;
        let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
        let spaced: Vec<u8> = payload.iter().map(space).collect();
        let text: Vec<u8> = percent_decode(&spaced).collect();
        serde_json::from_slice(&text).ok()
    }
}

/// The bytes of pairs of hexadecimal digits.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !all || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

async fn webhook(State(api): State<Api>, Id(id): Id<AppId>, call: Call) -> Result<Told, Failure> {
    let state = api.actions.store.state();
    let app = state.apps.get(&id);
    let source = app.and_then(|app| app.git_source.as_ref());
    // Whether there is such an app is nobody's to learn here.
    let known = source.is_some_and(|source| call.knows(&source.secret));
    let (Some(app), true) = (app, known) else {
        return Ok(Told(
            StatusCode::FORBIDDEN,
            "the secret or the address is wrong",
        ));
    };
    let Some(pushed) = call.pushed() else {
        return Ok(Told(StatusCode::OK, "only pushes are deployed"));
    };
    let gone = !pushed.after.is_empty() && pushed.after.bytes().all(|byte| byte == b'0');
    let name = pushed.name.strip_prefix("refs/heads/");
    if gone || name != Some(&branch(Some(app))) {
        let text = "this is not the branch that is deployed";
        return Ok(Told(StatusCode::OK, text));
    }
    Ok(begin(&api, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";

    fn call(headers: &[(&'static str, &str)], body: &'static [u8]) -> Call {
        let mut call = Call {
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
        };
        for (name, value) in headers {
            call.headers.insert(*name, value.parse().unwrap());
        }
        call
    }

    // The signature that GitHub's documentation gives for this secret and this body.
    #[test]
    fn a_signature_is_of_the_body_and_the_secret() {
        let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = format!("sha256={good}");
        let check = |headers: &[(&'static str, &str)], body, expected: bool| {
            assert_eq!(call(headers, body).knows(SECRET), expected, "{headers:?}");
        };
        let body = b"Hello, World!";
        check(&[("x-hub-signature-256", &github)], body, true);
        check(&[("x-gitea-signature", good)], body, true);
        check(&[("x-gitlab-token", SECRET)], body, true);
        check(&[("x-hub-signature-256", &github)], b"Hello, World?", false);
        check(&[("x-hub-signature-256", "sha256=")], body, false);
        check(&[("x-hub-signature-256", "sha256=éé")], body, false);
        check(&[("x-gitea-signature", &good[..62])], body, false);
        check(&[("x-gitlab-token", "It's")], body, false);
        check(&[("x-gitlab-token", "")], body, false);
        check(&[], body, false);
        // A signature that is wrong is not made good by another header.
        let both = [("x-gitea-signature", "00"), ("x-gitlab-token", SECRET)];
        check(&both, body, false);
    }

    #[test]
    fn pushes_are_understood_and_nothing_else_is() {
        let json = br#"{"ref":"refs/heads/main","after":"abc"}"#;
        for (header, kind) in [
            ("x-github-event", "push"),
            ("x-gitea-event", "push"),
            ("x-gitlab-event", "Push Hook"),
        ] {
            let pushed = call(&[(header, kind)], json).pushed().unwrap();
            assert_eq!(pushed.name, "refs/heads/main");
        }
        let form = b"payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fmain%22%7D";
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let pushed = call(&[("x-github-event", "push"), kind], form).pushed();
        assert_eq!(pushed.unwrap().name, "refs/heads/main");
        assert!(call(&[("x-github-event", "ping")], json).pushed().is_none());
        assert!(call(&[("x-github-event", "push")], b"{").pushed().is_none());
        assert!(call(&[], json).pushed().is_none());
    }
}

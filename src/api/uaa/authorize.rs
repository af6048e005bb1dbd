//! `/oauth/authorize`: one-time codes for programs that a client speaks to beside the API, and
//! for programs that people log in to.

use std::net::IpAddr;

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{
    error::Refusal,
    form::{Fields, Filled, Form, fields},
    page::{self, Page},
};
use crate::{
    api::{
        Api, Failure,
        answer::Either,
        extract::{Base, bearer_of, client_of},
        openapi::{Answers, Operation, Router, Security, Takes, get},
    },
    identity::{Login, LoginError, Password, Person},
    model::{Client, User},
    wire::{platform::SSH_CLIENT, query},
};

pub(super) fn router() -> Router {
    Router::new().route("/oauth/authorize", get(authorize).post(log_in))
}

/// What a program asks for.
struct Wish(Vec<(String, String)>);

/// The fields of a wish that a form carries on.
const FIELDS: [&str; 7] = [
    "client_id",
    "response_type",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
];

impl Wish {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn client(&self) -> &str {
        self.get("client_id").unwrap_or_default()
    }

    /// The client, and where the user is sent back to, which has to be among its addresses.
    fn check(&self, api: &Api) -> Result<(Client, String), String> {
        let state = api.actions.store.state();
        let client = state.client_by_name(self.client());
        let grants = |client: &&Client| {
            let mut grants = client.grant_types.iter();
            grants.any(|grant| grant == "authorization_code")
        };
        let Some(client) = client.filter(grants) else {
            return Err(format!("No client with requested id: {}", self.client()));
        };
        let back = match (self.get("redirect_uri"), client.redirect_uris.as_slice()) {
            (Some(uri), known) if known.iter().any(|known| known == uri) => uri.to_owned(),
            (None, [only]) => only.clone(),
            _ => {
                return Err(
                    "The redirect URI is not one of those that the client has named.".to_owned(),
                );
            }
        };
        if self.get("response_type") != Some("code") {
            return Err("The only response type is 'code'.".to_owned());
        }
        let method = self.get("code_challenge_method");
        if self.get("code_challenge").is_some() && method != Some("S256") {
            return Err("The only method of a code challenge is 'S256'.".to_owned());
        }
        Ok((client.clone(), back))
    }

    fn form(&self, client: &Client, wrong: Option<&str>) -> Page {
        let fields = FIELDS.iter();
        let hidden: Vec<_> = fields
            .filter_map(|name| Some((*name, self.get(name)?)))
            .collect();
        let name = if client.title.is_empty() {
            &client.name
        } else {
            &client.title
        };
        let purpose = format!("Log in to let “{name}” act for you. · “{name}”에 로그인합니다.");
        page::login("/oauth/authorize", &purpose, &hidden, wrong)
    }
}

/// Answers a program that has a token with a redirection, whose target nobody follows: the code
/// in it is what is wanted. Anybody else gets a form.
async fn authorize(
    State(api): State<Api>,
    Base(base): Base,
    Wished { query, headers }: Wished,
) -> Result<Either<Page, Redirection>, Refusal> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let wish = Wish(pairs.map(query::pair).collect());
    if let Some(token) = bearer_of(&headers) {
        return of_token(&api, &base, &wish, token).map(Either::That);
    }
    if wish.client() == SSH_CLIENT {
        return Err(Refusal::invalid_token());
    }
    Ok(Either::This(match wish.check(&api) {
        Ok((client, _)) => wish.form(&client, None),
        Err(text) => page::refusal(&text),
    }))
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
    Ok(redirect(base.url(&format!("/login?code={code}"))))
}

const fn redirect(target: String) -> Redirection {
    Redirection(target)
}

/// The address to go on at.
struct Redirection(String);

impl IntoResponse for Redirection {
    fn into_response(self) -> Response {
        let headers = [
            (header::LOCATION, self.0),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        (StatusCode::FOUND, headers).into_response()
    }
}

impl Answers for Redirection {
    fn describe(operation: &mut Operation) {
        operation.answer(302, None);
    }
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
        for name in FIELDS {
            operation.query(name, &serde_json::json!({ "type": "string" }));
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
) -> Result<Either<Page, Redirection>, Refusal> {
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
    let fields = FIELDS.iter();
    let wish = Wish(
        fields
            .filter_map(|name| Some(((*name).to_owned(), form.get(name)?.to_owned())))
            .collect(),
    );
    if wish.client() == SSH_CLIENT {
        return Err(Refusal::invalid_token());
    }
    let (client, back) = match wish.check(&api) {
        Ok(found) => found,
        Err(text) => return Ok(Either::This(page::refusal(&text))),
    };
    let user = match entered(&api, &form, place).await? {
        Ok(user) => user,
        Err(wrong) => return Ok(Either::This(wish.form(&client, Some(wrong)))),
    };
    let person = Person {
        user: user.id,
        redirect_uri: wish.get("redirect_uri").map(ToOwned::to_owned),
        challenge: wish.get("code_challenge").map(ToOwned::to_owned),
        scope: wish.get("scope").map(ToOwned::to_owned),
    };
    let code = api
        .identity
        .issue_login(person, &client.name, api.actions.now());
    let joint = if back.contains('?') { '&' } else { '?' };
    let mut target = format!("{back}{joint}code={code}");
    if let Some(state) = wish.get("state") {
        let state =
            percent_encoding::utf8_percent_encode(state, percent_encoding::NON_ALPHANUMERIC);
        target.push_str(&format!("&state={state}"));
    }
    Ok(Either::That(redirect(target)))
}

/// The user whose name and password are in `form`, or words about what is wrong.
pub(super) async fn entered(
    api: &Api,
    form: &Form<impl Fields>,
    place: IpAddr,
) -> Result<Result<User, &'static str>, Refusal> {
    let login = Login {
        username: form.get("username").unwrap_or_default(),
        origin: None,
        password: Password::entered(form.get("password").unwrap_or_default()),
        client: place,
    };
    match api.identity.authenticate(login, api.actions.now()).await {
        Ok(user) => Ok(Ok(user)),
        Err(LoginError::BadCredentials) => Ok(Err(
            "The user name or the password is wrong. · 사용자 이름이나 비밀번호가 올바르지 않습니다.",
        )),
        Err(LoginError::Locked) => Ok(Err(
            "Too many wrong passwords: try again in five minutes. · 비밀번호를 여러 번 틀렸습니다. \
             5분 뒤에 다시 시도하세요.",
        )),
        Err(error) => Err(error.into()),
    }
}

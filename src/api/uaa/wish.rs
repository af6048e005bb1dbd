//! What somebody logs in for on a page: a code for the command line, or a program that shall act
//! for them.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    form::{Fields, Form},
    page::{self, Page},
};
use crate::{
    api::{
        Api,
        answer::Either,
        openapi::{Answers, Operation},
    },
    identity::{CLI, Person},
    model::{Client, User},
    wire::query::{encode, pair},
};

/// The fields of a wish that forms and links carry on.
pub(super) const FIELDS: [&str; 7] = [
    "client_id",
    "response_type",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
];

/// What was asked for (RFC 6749, 4.1.1); without a client, a code for the command line.
#[derive(Debug, Clone)]
pub(super) struct Wish(Vec<(&'static str, String)>);

impl Wish {
    /// For the command line.
    pub(super) const PASSCODE: Self = Self(Vec::new());

    /// Out of a query string.
    pub(super) fn of_query(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs: Vec<_> = pairs.map(pair).collect();
        let get = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        Self::new(get)
    }

    /// Out of the form that was shown for it.
    pub(super) fn of_form(form: &Form<impl Fields>) -> Self {
        Self::new(|name| form.get(name).map(ToOwned::to_owned))
    }

    fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        let fields = FIELDS.into_iter();
        Self(fields.filter_map(|name| Some((name, get(name)?))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn client(&self) -> &str {
        self.get("client_id").unwrap_or_default()
    }

    /// As a query string.
    pub(super) fn query(&self) -> String {
        let pairs = self.0.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        pairs.join("&")
    }

    /// What can be granted to whoever says who they are.
    ///
    /// # Errors
    /// What is wrong with the wish, for people.
    pub(super) fn check(self, api: &Api) -> Result<Granted, String> {
        if self.get("client_id").is_none() {
            return Ok(Granted {
                wish: self,
                program: None,
            });
        }
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
        Ok(Granted {
            program: Some((client.clone(), back)),
            wish: self,
        })
    }
}

/// A wish that is fine.
#[derive(Debug)]
pub(super) struct Granted {
    wish: Wish,
    /// The program that asks, and where it wants the user back.
    program: Option<(Client, String)>,
}

impl Granted {
    /// The page on which people say who they are; `wrong` says what was wrong with the last try.
    pub(super) fn page(&self, api: &Api, wrong: Option<&str>) -> Page {
        let hidden = self.wish.0.iter();
        let hidden: Vec<_> = hidden
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let query = self.wish.query();
        let others = api.identity.providers();
        let others: Vec<_> = others
            .map(|(origin, title)| (format!("/login/provider/{}?{query}", encode(origin)), title))
            .collect();
        let (action, purpose) = match &self.program {
            None => (
                "/passcode",
                "Log in to get a temporary code for the command line. · 명령줄에서 쓸 임시 \
                 코드를 받으려면 로그인하세요."
                    .to_owned(),
            ),
            Some((client, _)) => {
                let name = Some(&client.title).filter(|title| !title.is_empty());
                let name = name.unwrap_or(&client.name);
                (
                    "/oauth/authorize",
                    format!("Log in to let “{name}” act for you. · “{name}”에 로그인합니다."),
                )
            }
        };
        page::login(&page::Login {
            action,
            purpose: &purpose,
            hidden: &hidden,
            others: &others,
            back: self.program.as_ref().map(|(_, back)| back.as_str()),
            wrong,
        })
    }

    /// What `user`, who has said who they are, gets.
    pub(super) fn answer(self, api: &Api, user: &User) -> Next {
        let now = api.actions.now();
        let field = |name: &str| self.wish.get(name).map(ToOwned::to_owned);
        let person = Person {
            user: user.id,
            redirect_uri: field("redirect_uri"),
            challenge: field("code_challenge"),
            scope: field("scope"),
        };
        let Some((client, back)) = &self.program else {
            let code = api.identity.issue_login(person, CLI, now);
            return Either::This(page::code(&code));
        };
        let code = api.identity.issue_login(person, &client.name, now);
        let joint = if back.contains('?') { '&' } else { '?' };
        let mut target = format!("{back}{joint}code={code}");
        if let Some(state) = self.wish.get("state") {
            target.push_str(&format!("&state={}", encode(state)));
        }
        Either::That(Redirection(target))
    }
}

/// Somewhere to go on at, for a browser or a program that follows nobody.
#[derive(Debug)]
pub(super) struct Redirection(pub(super) String);

/// What follows when somebody has said who they are.
pub(super) type Next = Either<Page, Redirection>;

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

//! `/passcode`: a page on which people log in and get a code for `cf login --sso`.

use axum::extract::State;

use super::{
    authorize::entered,
    error::Refusal,
    form::{Filled, Form, fields},
    page::{self, Page},
};
use crate::{
    api::{
        Api,
        extract::client_of,
        openapi::{Router, get},
    },
    identity::{CLI, Person},
};

const PURPOSE: &str = "Log in to get a temporary code for the command line. · 명령줄에서 쓸 임시 \
                       코드를 받으려면 로그인하세요.";

pub(super) fn router() -> Router {
    Router::new().route("/passcode", get(form).post(log_in))
}

fields! {
    /// Who logs in.
    Entered(false): "username", "password";
}

async fn form() -> Page {
    page::login("/passcode", PURPOSE, &[], None)
}

async fn log_in(State(api): State<Api>, request: Filled<Entered>) -> Result<Page, Refusal> {
    let place = client_of(request.0.extensions());
    let form = Form::of(request).await?.1;
    let now = api.actions.now();
    let user = match entered(&api, &form, place).await? {
        Ok(user) => user,
        Err(wrong) => return Ok(page::login("/passcode", PURPOSE, &[], Some(wrong))),
    };
    let person = Person {
        user: user.id,
        redirect_uri: None,
        challenge: None,
        scope: None,
    };
    Ok(page::code(&api.identity.issue_login(person, CLI, now)))
}

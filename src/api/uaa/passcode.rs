//! `/passcode`: a page on which people log in and get a code for `cf login --sso`.

use axum::extract::State;

use super::{
    authorize::entered,
    error::Refusal,
    form::{Filled, Form, fields},
    page::{self, Page},
    wish::{Next, Wish},
};
use crate::api::{
    Api,
    extract::client_of,
    openapi::{Router, get},
};

pub(super) fn router() -> Router {
    Router::new().route("/passcode", get(form).post(log_in))
}

fields! {
    /// Who logs in.
    Entered(false): "username", "password";
}

async fn form(State(api): State<Api>) -> Page {
    match Wish::PASSCODE.check(&api) {
        Ok(wish) => wish.page(&api, None),
        Err(text) => page::refusal(&text),
    }
}

async fn log_in(State(api): State<Api>, request: Filled<Entered>) -> Result<Next, Refusal> {
    let place = client_of(request.0.extensions());
    let form = Form::of(request).await?.1;
    entered(&api, Wish::PASSCODE, &form, place).await
}

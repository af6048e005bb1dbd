//! Finding the platform, logging in, and keeping the token fresh.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cli::{
        failure::{Failure, Outcome},
        profile::{Profile, Secret},
    },
    net,
    wire::query::encode,
};

use super::Api;

/// A token that is about to expire is renewed before it is used, as the stock client does.
const MARGIN: Duration = Duration::from_secs(60);

/// `Basic cf:`, the client of every Cloud Foundry command line; it has no secret.
const CLIENT: &str = "Basic Y2Y6";

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    #[serde(default)]
    refresh_token: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: u64,
    #[serde(default)]
    user_name: String,
    #[serde(default)]
    jti: String,
    #[serde(default)]
    revocable: bool,
}

impl Api<'_> {
    /// Reads the platform's own description of its addresses into the profile.
    pub(crate) async fn discover(&self) -> Outcome<()> {
        let api = self.profile.borrow().api.clone();
        let found = self.root().await?;
        let link = |name: &str| found["links"][name]["href"].as_str().map(trimmed);
        let wrong = || anyhow::anyhow!("there is no Cloud Foundry API at {api}");
        link("cloud_controller_v3").ok_or_else(wrong)?;
        let login = link("login").or_else(|| link("uaa")).ok_or_else(wrong)?;
        let log_cache = link("log_cache").unwrap_or_default();
        let mut profile = self.profile.borrow_mut();
        profile.login = login;
        profile.log_cache = log_cache;
        Ok(())
    }

    /// Logs in; the tokens are remembered.
    pub(crate) async fn log_in(&self, username: &str, password: &str) -> Outcome<()> {
        let form = [
            ("grant_type", "password"),
            ("username", username),
            ("password", password),
        ];
        match self.tokens(&form).await {
            Err(Failure::Api(error)) if error.status == StatusCode::UNAUTHORIZED => {
                Err(Failure::BadCredentials)
            }
            outcome => outcome,
        }
    }

    /// Logs in with a code from the page for that; the tokens are remembered.
    pub(crate) async fn log_in_with(&self, code: &str) -> Outcome<()> {
        let form = [("grant_type", "password"), ("passcode", code)];
        match self.tokens(&form).await {
            Err(Failure::Api(error)) if error.status == StatusCode::UNAUTHORIZED => {
                let message = "the code is wrong, was used, or is older than five minutes";
                Err(Failure::Other(anyhow::anyhow!(message)))
            }
            outcome => outcome,
        }
    }

    /// A code with which one can enter instances, once.
    pub(crate) async fn ssh_code(&self) -> Outcome<String> {
        let login = self.profile.borrow().login.clone();
        let token = self.token().await?;
        let asked = format!("{login}/oauth/authorize?response_type=code&client_id=ssh-proxy");
        let request = Request::get(asked)
            .header(header::AUTHORIZATION, format!("bearer {token}"))
            .body(net::empty())
            .context("the platform's login address is not one")?;
        // Where it leads is nowhere: the code in the address is what is wanted.
        let answer = self.http.fetch(request).await?;
        let target = answer.headers().get(header::LOCATION);
        let code = target.and_then(|target| target.to_str().ok()?.split_once("code="));
        let code = code.map(|(_, rest)| rest.split('&').next().unwrap_or(rest).to_owned());
        Ok(code.context("the platform gives no codes for SSH")?)
    }

    /// What the platform says of itself at its root.
    pub(crate) async fn root(&self) -> Outcome<Value> {
        let api = self.profile.borrow().api.clone();
        let request = Request::get(format!("{api}/")).body(net::empty());
        let request = request.with_context(|| format!("{api:?} is not an address"))?;
        self.plain(request).await?.json()
    }

    /// Renews the access token.
    pub(super) async fn refresh(&self) -> Outcome<()> {
        let refresh_token = self.profile.borrow().refresh_token.0.clone();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.as_str()),
        ];
        match self.tokens(&form).await {
            Err(Failure::Api(error)) if error.status.is_client_error() => Err(Failure::Expired),
            outcome => outcome,
        }
    }

    /// An access token that is good for a while.
    pub(crate) async fn token(&self) -> Outcome<String> {
        let now = SystemTime::now();
        let token = self.profile.borrow().access_token.0.clone();
        let now_s = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let fresh = claims(&token).is_some_and(|claims| claims.exp > now_s + MARGIN.as_secs());
        if !fresh {
            self.refresh().await?;
        }
        Ok(self.profile.borrow().access_token.0.clone())
    }

    /// Takes the tokens back where the platform can, and forgets them.
    pub(crate) async fn log_out(&self) -> Outcome<()> {
        let Profile {
            login,
            access_token,
            refresh_token,
            ..
        } = self.profile();
        for token in [&refresh_token, &access_token] {
            let Some(claims) = claims(&token.0).filter(|claims| claims.revocable) else {
                continue;
            };
            let request = Request::delete(format!("{login}/oauth/token/revoke/{}", claims.jti))
                .header(header::AUTHORIZATION, format!("bearer {}", access_token.0))
                .body(net::empty());
            if let Ok(request) = request {
                // A platform that is gone must not keep anybody from forgetting.
                let _ = self.plain(request).await;
            }
        }
        self.remember(|profile| {
            profile.access_token = Secret::default();
            profile.refresh_token = Secret::default();
        })
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Outcome<()> {
        let fields: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let url = format!("{}/oauth/token", self.profile.borrow().login);
        let request = Request::post(url)
            .header(header::AUTHORIZATION, CLIENT)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(net::full(fields.join("&")))
            .context("the platform's login address is not one")?;
        let tokens: Tokens = self.plain(request).await?.json()?;
        let user = claims(&tokens.access_token).map(|claims| claims.user_name);
        self.remember(|profile| {
            profile.access_token = Secret(tokens.access_token);
            if !tokens.refresh_token.is_empty() {
                profile.refresh_token = Secret(tokens.refresh_token);
            }
            if let Some(user) = user.filter(|user| !user.is_empty()) {
                profile.username = user;
            }
        })
    }
}

fn trimmed(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

/// What a token says of itself. It is for the platform to verify, not for us.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

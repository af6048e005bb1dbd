//! One provider: what it publishes of itself (OpenID Connect Discovery 1.0), and what it says of
//! people.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    Return, SignOnError,
    id_token::{self, Expected, Flaw},
    waiting::Begun,
};
use crate::{
    identity::IdentityError,
    model::Timestamp,
    net::{self, Body, Client, Lookup, empty, full},
    wire::query::encode,
};

/// Somebody is looking at an empty page meanwhile.
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// Documents and tokens have some kilobytes.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// How long what a provider publishes is believed.
const FRESH_MS: u64 = 60 * 60 * 1000;
/// A token with a key that is not known makes the keys be asked for anew, so often at most.
const KEYS_AGAIN_MS: u64 = 10 * 1000;
/// Bytes of a subject (Core 1.0, 2).
const LONGEST_SUBJECT: usize = 255;
/// Letters of what a provider calls its error that are told.
const LONGEST_ERROR: usize = 100;

/// An OpenID Connect provider, as the operator describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name here; its users are of this origin.
    pub origin: String,
    /// Its name for people.
    pub title: String,
    /// Its issuer identifier, a URL under which it publishes its metadata.
    pub issuer: String,
    /// What it knows the platform as.
    pub client_id: String,
    /// What proves that to it; none for a public client.
    pub client_secret: Option<String>,
    /// What is asked for, with spaces between.
    pub scopes: String,
    /// The claim that users are named by.
    pub username_claim: String,
    /// Whether those whom it vouches for become users here when they first come.
    pub creates_users: bool,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("origin", &self.origin)
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// What a provider publishes (Discovery 1.0, 3).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What the token endpoint answers (Core 1.0, 3.1.3.3).
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

/// What is remembered of a provider.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Metadata, Timestamp)>,
    keys: Option<(Vec<Jwk>, Timestamp)>,
}

/// Somebody at a provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) username: String,
}

/// A provider and what is remembered of it.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) provider: Provider,
    client: Client,
    known: Mutex<Known>,
}

/// What asks providers. Operators name them, so they may be anywhere.
pub(super) fn client() -> Result<Client, IdentityError> {
    let config = net::Config {
        connect_timeout: CONNECT_TIMEOUT,
        idle_timeout: TIMEOUT,
        answer_limit: ANSWER_LIMIT,
        ..net::Config::default()
    };
    Client::try_new(config, Lookup::default()).map_err(IdentityError::Client)
}

impl Relation {
    pub(super) fn new(provider: Provider, client: Client) -> Self {
        let known = Mutex::default();
        Self {
            provider,
            client,
            known,
        }
    }

    /// Where people sign on.
    pub(super) async fn page(&self, now: Timestamp) -> Result<String, SignOnError> {
        Ok(self.metadata(now).await?.authorization_endpoint)
    }

    /// Who has come back, by what they brought.
    pub(super) async fn person(
        &self,
        begun: &Begun,
        brought: Return<'_>,
        now: Timestamp,
    ) -> Result<Person, SignOnError> {
        if let Some(issuer) = brought.issuer
            && issuer != self.provider.issuer
        {
            return Err(self.unusable("it came from another provider"));
        }
        let Some(code) = brought.code else {
            return Err(self.refused(brought.error.unwrap_or("no code")));
        };
        let metadata = self.metadata(now).await?;
        let tokens = self.exchange(&metadata, code, begun).await?;
        let nonce = Some(begun.nonce.as_str());
        let mut claims = self.claims(&metadata, &tokens.id_token, nonce, now).await?;
        let name = self.provider.username_claim.as_str();
        if !claims.contains_key(name)
            && let Some(endpoint) = &metadata.userinfo_endpoint
        {
            let more = self.userinfo(endpoint, &tokens).await?;
            // Core 1.0, 5.3.2: without that it may be about anybody.
            if more.get("sub") != claims.get("sub") {
                return Err(self.unusable("its user info is of somebody else"));
            }
            claims.extend(more);
        }
        self.named(&claims)
    }

    /// Of whom an ID token speaks that somebody brought without having left from here. `known`
    /// tells a subject's name, which such a token need not say.
    pub(super) async fn asserted(
        &self,
        id_token: &str,
        known: impl Fn(&str) -> Option<String> + Send,
        now: Timestamp,
    ) -> Result<Person, SignOnError> {
        let metadata = self.metadata(now).await?;
        let mut claims = self.claims(&metadata, id_token, None, now).await?;
        let name = self.provider.username_claim.clone();
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !claims.contains_key(&name)
            && let Some(username) = known(subject)
        {
            claims.insert(name, Value::String(username));
        }
        self.named(&claims)
    }

    fn named(&self, claims: &Map<String, Value>) -> Result<Person, SignOnError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let name = self.provider.username_claim.as_str();
        let username = text(name).filter(|text| !text.is_empty());
        let username = username.ok_or_else(|| {
            self.unusable(format!(
                "it does not say '{name}', which users are named by; the operator can ask for \
                 another scope or name another claim"
            ))
        })?;
        if name == "email" && claims.get("email_verified") == Some(&Value::Bool(false)) {
            return Err(self.unusable("it has not verified your e-mail address"));
        }
        let subject = text("sub").unwrap_or_default();
        if subject.len() > LONGEST_SUBJECT {
            return Err(self.unusable("its name for you is longer than the standard allows"));
        }
        Ok(Person {
            subject: subject.to_owned(),
            username: username.to_owned(),
        })
    }

    async fn metadata(&self, now: Timestamp) -> Result<Metadata, SignOnError> {
        let mut known = self.known.lock().await;
        if let Some((metadata, at)) = &known.metadata
            && now.since(*at) < FRESH_MS
        {
            return Ok(metadata.clone());
        }
        let issuer = &self.provider.issuer;
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let metadata: Metadata = self.get(&url, None).await?;
        if metadata.issuer != *issuer {
            let why = format!("it calls itself {:?}, not {issuer:?}", metadata.issuer);
            return Err(self.unusable(why));
        }
        let endpoints = [
            Some(&metadata.authorization_endpoint),
            Some(&metadata.token_endpoint),
            Some(&metadata.jwks_uri),
            metadata.userinfo_endpoint.as_ref(),
        ];
        let open = issuer.starts_with("http://");
        let safe =
            |url: &&String| url.starts_with("https://") || open && url.starts_with("http://");
        if let Some(url) = endpoints.into_iter().flatten().find(|url| !safe(url)) {
            return Err(self.unusable(format!("its address {url:?} is not safe")));
        }
        known.metadata = Some((metadata.clone(), now));
        Ok(metadata)
    }

    async fn keys(
        &self,
        metadata: &Metadata,
        at_most_ms: u64,
        now: Timestamp,
    ) -> Result<Vec<Jwk>, SignOnError> {
        let mut known = self.known.lock().await;
        if let Some((keys, at)) = &known.keys
            && now.since(*at) < at_most_ms
        {
            return Ok(keys.clone());
        }
        let set: Value = self.get(&metadata.jwks_uri, None).await?;
        let keys = id_token::keys(&set);
        known.keys = Some((keys.clone(), now));
        Ok(keys)
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        begun: &Begun,
    ) -> Result<Tokens, SignOnError> {
        let provider = &self.provider;
        let id = encode(&provider.client_id);
        let mut form = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encode(code),
            encode(&begun.back),
            begun.verifier,
        );
        let mut request = Request::post(&metadata.token_endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        // What is not said means `client_secret_basic` (Discovery 1.0, 3).
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let basic = methods.is_empty() || methods.iter().any(|way| way == "client_secret_basic");
        match &provider.client_secret {
            Some(secret) if basic => {
                let login = STANDARD.encode(format!("{id}:{}", encode(secret)));
                request = request.header(header::AUTHORIZATION, format!("Basic {login}"));
            }
            Some(secret) => {
                form.push_str(&format!("&client_id={id}&client_secret={}", encode(secret)));
            }
            None => form.push_str(&format!("&client_id={id}")),
        }
        let (status, body) = self.fetch(request.body(full(form))).await?;
        if status != StatusCode::OK {
            let error = serde_json::from_slice::<Value>(&body).ok();
            let error = error.as_ref().and_then(|body| body.get("error")?.as_str());
            return Err(self.refused(error.unwrap_or(status.as_str())));
        }
        self.parse(&body)
    }

    /// What the ID token says. A provider that signs with a new key is asked for its keys again.
    async fn claims(
        &self,
        metadata: &Metadata,
        id_token: &str,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, SignOnError> {
        let expected = Expected {
            issuer: &self.provider.issuer,
            client_id: &self.provider.client_id,
            nonce,
            now,
        };
        let mut verdict = Err(Flaw::UnknownKey);
        for at_most_ms in [FRESH_MS, KEYS_AGAIN_MS] {
            if verdict != Err(Flaw::UnknownKey) {
                break;
            }
            let keys = self.keys(metadata, at_most_ms, now).await?;
            verdict = id_token::read(id_token, &keys, expected);
        }
        verdict.map_err(|flaw| match flaw {
            Flaw::UnknownKey => {
                self.unusable("its token is signed with a key that it does not publish")
            }
            Flaw::Wrong(why) => self.unusable(why),
        })
    }

    async fn userinfo(
        &self,
        endpoint: &str,
        tokens: &Tokens,
    ) -> Result<Map<String, Value>, SignOnError> {
        self.get(endpoint, Some(&tokens.access_token)).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        url: &str,
        token: Option<&str>,
    ) -> Result<T, SignOnError> {
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let (status, body) = self.fetch(request.body(empty())).await?;
        if status != StatusCode::OK {
            let source = format!("{url} answered {status}").into();
            return Err(self.unreachable(source));
        }
        self.parse(&body)
    }

    async fn fetch(
        &self,
        request: http::Result<Request<Body>>,
    ) -> Result<(StatusCode, bytes::Bytes), SignOnError> {
        let request = request.map_err(|error| self.unreachable(error.into()))?;
        // The client waits for signs of life; this is for the whole.
        match tokio::time::timeout(TIMEOUT, self.client.fetch(request)).await {
            Ok(Ok(answer)) => Ok((answer.status(), answer.into_body())),
            Ok(Err(error)) => Err(self.unreachable(error.into())),
            Err(late) => Err(self.unreachable(late.into())),
        }
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, SignOnError> {
        // What the library says of it may quote tokens.
        serde_json::from_slice(body)
            .map_err(|_| self.unusable("it is not the JSON that the standard asks for"))
    }

    fn refused(&self, code: &str) -> SignOnError {
        let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
        SignOnError::Refused {
            title: self.provider.title.clone(),
            why: code.chars().filter(plain).take(LONGEST_ERROR).collect(),
        }
    }

    fn unusable(&self, why: impl Into<String>) -> SignOnError {
        SignOnError::Unusable {
            title: self.provider.title.clone(),
            why: why.into(),
        }
    }

    fn unreachable(&self, source: Box<dyn std::error::Error + Send + Sync>) -> SignOnError {
        SignOnError::Unreachable {
            title: self.provider.title.clone(),
            source,
        }
    }
}

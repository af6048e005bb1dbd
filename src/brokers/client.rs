//! Talking to brokers.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, BrokerError, Fault, Outcome, request::Target};
use crate::{
    model::{Actor, Broker},
    net::{self, Client, Lookup, NetError, empty, full},
};

/// The version of the protocol that is spoken.
const VERSION: &str = "2.17";
/// The protocol's own figure (Open Service Broker API, "Orphan Mitigation": "typically 60
/// seconds").
const TIMEOUT: Duration = Duration::from_secs(60);
/// As long as a lost SYN takes to be sent again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// Catalogs of large brokers, with icons in them, have some 2 MB.
const ANSWER_LIMIT: usize = 5 * 1024 * 1024;

/// How brokers are talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How long a broker may take to answer.
    pub timeout: Duration,
    /// Most bytes of an answer.
    pub answer_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            answer_limit: ANSWER_LIMIT,
        }
    }
}

/// Talks to brokers; clones share the connections.
#[derive(Clone)]
pub struct Brokers {
    /// For addresses that an admin named.
    any: Client,
    /// For addresses that somebody else named: the internet alone, whatever names resolve to.
    public: Client,
    config: Config,
}

impl fmt::Debug for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brokers")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A broker that is asked on somebody's behalf.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who talks.
    pub brokers: &'a Brokers,
    /// To whom.
    pub broker: &'a Broker,
    /// On whose behalf.
    pub by: &'a Actor,
}

type Result<T> = std::result::Result<T, BrokerError>;

impl Brokers {
    /// One that trusts the machine's certificate authorities.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn try_new(config: Config) -> std::result::Result<Self, NetError> {
        let lookup = Lookup::default();
        let client = |lookup: Lookup| {
            let config = net::Config {
                connect_timeout: CONNECT_TIMEOUT.min(config.timeout),
                idle_timeout: config.timeout,
                answer_limit: config.answer_limit,
                ..net::Config::default()
            };
            Client::try_new(config, lookup)
        };
        Ok(Self {
            public: client(lookup.public_only())?,
            any: client(lookup)?,
            config,
        })
    }
}

impl Asked<'_> {
    /// The catalog, not yet checked.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn catalog(&self) -> Result<Value> {
        self.send(Method::GET, "/v2/catalog", None).await?.catalog()
    }

    /// Asks for an instance or a binding, with a body that the target made.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn make(&self, target: &Target, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, &target.made_at(), Some(body)).await
    }

    /// Asks for a change of an instance.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn change(&self, target: &Target, body: &Value) -> Result<Answer> {
        self.send(Method::PATCH, &target.made_at(), Some(body))
            .await
    }

    /// Asks for an instance or a binding to go.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn delete(&self, target: &Target) -> Result<Answer> {
        self.send(Method::DELETE, &target.deleted_at(), None).await
    }

    /// Asks how far it is.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn poll(&self, target: &Target, operation: Option<&str>) -> Result<Answer> {
        self.send(Method::GET, &target.polled_at(operation), None)
            .await
    }

    /// Asks for what is known of an instance or a binding.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn see(&self, target: &Target) -> Result<Answer> {
        self.send(Method::GET, &target.seen_at(), None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let Self {
            brokers,
            broker,
            by,
        } = self;
        let login = &broker.login;
        let basic = STANDARD.encode(format!("{}:{}", login.username, login.password));
        let identity = STANDARD.encode(json!({ "user_id": by.guid }).to_string());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", broker.url))
            .header(header::AUTHORIZATION, format!("Basic {basic}"))
            .header(header::ACCEPT, "application/json")
            .header("x-broker-api-version", VERSION)
            .header(
                "x-broker-api-originating-identity",
                format!("cloudfoundry {identity}"),
            )
            .header("x-broker-api-request-identity", Uuid::new_v4().to_string());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(empty, |body| full(Bytes::from(body.to_string())));
        let request = request.body(body).map_err(|_| {
            let text = "The service broker could not be reached: its URL is not one";
            BrokerError::new(Fault::Unreachable, Outcome::NotSent, text)
        })?;
        let client = if broker.vouched {
            &brokers.any
        } else {
            &brokers.public
        };
        // The client waits for signs of life; a broker that sends a byte now and then is not to
        // keep anybody for ever.
        let answer = tokio::time::timeout(brokers.config.timeout, client.fetch(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unanswered(&error)),
            Err(_) => return Err(timed_out()),
        };
        let retry_after = answer.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Answer {
            status: answer.status().as_u16(),
            retry_after,
            body: answer.into_body(),
        })
    }
}

fn timed_out() -> BrokerError {
    let text = "The request to the service broker timed out";
    BrokerError::new(Fault::Timeout, Outcome::NoAnswer, text)
}

/// What a request without an answer means.
fn unanswered(error: &NetError) -> BrokerError {
    let (outcome, fault) = match error {
        NetError::Timeout { .. } => return timed_out(),
        NetError::Broken { .. } => (Outcome::NoAnswer, Fault::Unreachable),
        NetError::TooLarge { .. } => (Outcome::Status(502), Fault::BadResponse),
        NetError::CaFile { .. }
        | NetError::Tls(_)
        | NetError::Certificate { .. }
        | NetError::Refused { .. }
        | NetError::Connect { .. } => (Outcome::NotSent, Fault::Unreachable),
    };
    let what = match fault {
        Fault::BadResponse => "The service broker returned an invalid response",
        _ => "The service broker could not be reached",
    };
    BrokerError::new(fault, outcome, format!("{what}: {}", error.for_users()))
}

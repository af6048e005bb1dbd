//! Signing on with an account that somebody else keeps: the relying party's side of OpenID
//! Connect Core 1.0, the authorization code flow (3.1) with PKCE (RFC 7636).
//!
//! Tokens are verified with the library that signs our own. What a provider says is believed
//! about its own users alone: they are of its origin, whatever their names are.

mod error;
mod id_token;
mod provider;
mod waiting;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

pub use error::SignOnError;
pub use provider::Provider;

use super::{Identity, IdentityError};
use crate::{model::Timestamp, wire::query::encode};
use provider::Relation;
use waiting::{Begun, Waiting};

/// Every provider, and who is on the way to one.
#[derive(Debug, Default)]
pub(super) struct SignOn {
    relations: Vec<Relation>,
    waiting: Waiting,
}

impl SignOn {
    pub(super) fn new(providers: Vec<Provider>) -> Result<Self, IdentityError> {
        if providers.is_empty() {
            return Ok(Self::default());
        }
        let client = provider::client()?;
        let each = providers.into_iter();
        Ok(Self {
            relations: each
                .map(|provider| Relation::new(provider, client.clone()))
                .collect(),
            waiting: Waiting::default(),
        })
    }

    fn relation(&self, origin: &str) -> Result<&Relation, SignOnError> {
        self.relations
            .iter()
            .find(|relation| relation.provider.origin == origin)
            .ok_or_else(|| SignOnError::Unknown(origin.to_owned()))
    }
}

/// Where a browser goes to sign on, and what it has to bring back besides.
#[derive(Clone)]
pub struct Departure {
    /// The provider's page.
    pub location: String,
    /// What shows, in a cookie, that it is the same browser that comes back.
    pub ticket: String,
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").finish_non_exhaustive()
    }
}

/// What a browser brings back from a provider (OpenID Connect Core 1.0, 3.1.2.5 and 3.1.2.6).
#[derive(Debug, Clone, Copy, Default)]
pub struct Return<'a> {
    /// Which sign-on it belongs to.
    pub state: &'a str,
    /// What tokens are had for.
    pub code: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
    /// The provider, where it names itself (RFC 9207).
    pub issuer: Option<&'a str>,
    /// What the cookie holds.
    pub ticket: &'a str,
}

/// Somebody whom a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The provider.
    pub origin: String,
    /// Who it is, for ever, at that provider.
    pub subject: String,
    /// What they are called there now.
    pub username: String,
    /// Whether they become a user if they are none.
    pub creates_user: bool,
    /// What they wanted when they left, as it was given.
    pub purpose: String,
}

impl Identity {
    /// Origins and titles of the providers that people may sign on with.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        let relations = self.shared.sign_on.relations.iter();
        relations.map(|relation| {
            let provider = &relation.provider;
            (provider.origin.as_str(), provider.title.as_str())
        })
    }

    /// Sends somebody to a provider, who shall come back to `back` and wants `purpose` then.
    ///
    /// # Errors
    /// Where there is no such provider, or nothing can be learned of it.
    pub async fn depart(
        &self,
        origin: &str,
        back: String,
        purpose: String,
        now: Timestamp,
    ) -> Result<Departure, SignOnError> {
        let sign_on = &self.shared.sign_on;
        let relation = sign_on.relation(origin)?;
        let page = relation.page(now).await?;
        let [state, ticket, nonce, verifier] = [(); 4].map(|()| random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let provider = &relation.provider;
        let joint = if page.contains('?') { '&' } else { '?' };
        let location = format!(
            "{page}{joint}response_type=code&client_id={}&redirect_uri={}&scope={}&state={state}\
             &nonce={nonce}&code_challenge={challenge}&code_challenge_method=S256",
            encode(&provider.client_id),
            encode(&back),
            encode(&provider.scopes),
        );
        let begun = Begun {
            origin: origin.to_owned(),
            ticket: Sha256::digest(&ticket).into(),
            nonce,
            verifier,
            back,
            purpose,
            at: now,
        };
        sign_on.waiting.add(state, begun, now);
        Ok(Departure { location, ticket })
    }

    /// Who came back from a provider.
    ///
    /// # Errors
    /// Where they did not leave from here, or the provider does not vouch for them.
    pub async fn arrive(
        &self,
        origin: &str,
        brought: Return<'_>,
        now: Timestamp,
    ) -> Result<Arrival, SignOnError> {
        let sign_on = &self.shared.sign_on;
        let relation = sign_on.relation(origin)?;
        let begun = sign_on
            .waiting
            .take(brought.state, brought.ticket, now)
            .filter(|begun| begun.origin == origin)
            .ok_or(SignOnError::Stale)?;
        let person = relation.person(&begun, brought, now).await?;
        let provider = &relation.provider;
        Ok(Arrival {
            origin: provider.origin.clone(),
            subject: person.subject,
            username: person.username,
            creates_user: provider.creates_users,
            purpose: begun.purpose,
        })
    }
}

impl Identity {
    /// Of whom an ID token speaks that was shown as an assertion (RFC 7523, 3); none where it is
    /// no provider's that is known here.
    pub async fn vouched(
        &self,
        assertion: &str,
        now: Timestamp,
    ) -> Option<Result<Arrival, SignOnError>> {
        let issuer = id_token::issuer(assertion)?;
        let mut relations = self.shared.sign_on.relations.iter();
        let relation = relations.find(|relation| relation.provider.issuer == issuer)?;
        let provider = &relation.provider;
        let state = self.shared.store.state();
        let known = |subject: &str| {
            let mut users = state.users.values();
            let user = users.find(|user| {
                user.origin == provider.origin && user.external_id.as_deref() == Some(subject)
            });
            user.map(|user| user.username.to_string())
        };
        let person = relation.asserted(assertion, known, now).await;
        Some(person.map(|person| Arrival {
            origin: provider.origin.clone(),
            subject: person.subject,
            username: person.username,
            creates_user: provider.creates_users,
            purpose: String::new(),
        }))
    }
}

/// 256 bits that nobody can guess, in the letters of base64url.
fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())
}

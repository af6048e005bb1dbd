//! One registry, asked for one repository (OCI distribution specification, version 1.1).
//!
//! Whoever runs it may be hostile: nothing it says is longer than was allowed, it leads nowhere
//! but to the internet (or where the operator said), and no content counts whose digest is
//! another one.

mod auth;
mod place;
mod transfer;

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, LOCATION, RANGE, USER_AGENT},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use self::{
    auth::{Grant, Said},
    place::Place,
};
use super::{ImageError, Policy, error::quoted, manifest, reference::Reference};
use crate::{
    model::RegistryLogin,
    net::{self, Client, NetError},
};

/// Bytes of a manifest (the specification's own limit) and of a configuration.
const MAX_MANIFEST: usize = 4 << 20;
/// Bytes of an error.
const MAX_ERROR: usize = 64 * 1024;
/// How often a registry may send somewhere else.
const MAX_REDIRECTS: usize = 5;

/// The ways out: to the internet alone, and to where the operator allows.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    public: Client,
    any: Client,
}

impl Clients {
    pub(super) fn try_new(proxies: &net::Proxies) -> Result<Self, NetError> {
        let lookup = net::Lookup::default();
        let config = || net::Config {
            idle_timeout: transfer::IDLE,
            answer_limit: MAX_MANIFEST,
            proxies: proxies.clone(),
            ..net::Config::default()
        };
        Ok(Self {
            public: Client::try_new(config(), lookup.public_only())?,
            any: Client::try_new(config(), lookup)?,
        })
    }
}

/// A registry in the course of one pull.
pub(super) struct Registry {
    clients: Clients,
    policy: Arc<Policy>,
    /// How messages name it.
    name: String,
    /// Where it is.
    base: Place,
    repository: String,
    /// How messages name what is wanted.
    image: String,
    login: Option<RegistryLogin>,
    grant: tokio::sync::Mutex<Option<Grant>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("base", &self.base)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry that holds `image` itself.
    pub(super) fn of(
        clients: Clients,
        policy: Arc<Policy>,
        image: &Reference,
        login: Option<RegistryLogin>,
    ) -> Self {
        let base = Place::registry(&policy, image.host());
        let name = image.registry().to_owned();
        Self::new(clients, policy, (base, name), image, login)
    }

    /// The mirror at `origin`, which the operator chose, and nobody logs in to.
    pub(super) fn mirror(
        clients: Clients,
        policy: Arc<Policy>,
        origin: &str,
        image: &Reference,
    ) -> Option<Self> {
        let base = Place::trusted(origin)?;
        let name = base.authority().to_owned();
        Some(Self::new(clients, policy, (base, name), image, None))
    }

    fn new(
        clients: Clients,
        policy: Arc<Policy>,
        (base, name): (Place, String),
        image: &Reference,
        login: Option<RegistryLogin>,
    ) -> Self {
        Self {
            clients,
            policy,
            name,
            base,
            repository: image.repository().to_owned(),
            image: image.short(),
            login,
            grant: tokio::sync::Mutex::default(),
        }
    }

    /// The host and port that answer.
    pub(super) fn authority(&self) -> &str {
        self.base.authority()
    }

    /// The manifest under a tag or digest, and its digest.
    pub(super) async fn manifest(&self, selector: &str) -> Result<(Bytes, String), ImageError> {
        let path = format!("/v2/{}/manifests/{selector}", self.repository);
        let response = self.get(&path, manifest::ACCEPT).await?;
        let told = response.headers().get("docker-content-digest").cloned();
        let text = self
            .collect("the image's manifest", response, MAX_MANIFEST)
            .await?;
        let digest = super::digest::of(&text);
        let wanted = selector.starts_with("sha256:").then_some(selector);
        let told = told.as_ref().and_then(|told| told.to_str().ok());
        let told = told.filter(|told| told.starts_with("sha256:"));
        if let Some(other) = wanted.or(told).filter(|other| *other != digest) {
            let other = quoted(other);
            return Err(ImageError::refused(
                format!("the manifest that registry {} sent", self.name),
                format!("has the digest {digest}, and should have {other}"),
            ));
        }
        Ok((text, digest))
    }

    /// A small thing as a whole, its digest checked.
    pub(super) async fn small(
        &self,
        what: &str,
        found: &manifest::Descriptor,
    ) -> Result<Bytes, ImageError> {
        if found.size > MAX_MANIFEST as u64 {
            return Err(ImageError::too_large(what, MAX_MANIFEST as u64));
        }
        let response = self.get(&self.blob_path(&found.digest), "*/*").await?;
        let text = self.collect(what, response, MAX_MANIFEST).await?;
        if super::digest::of(&text) != found.digest {
            return Err(ImageError::refused(
                format!("{what} that registry {} sent", self.name),
                "has another digest than the manifest says",
            ));
        }
        Ok(text)
    }

    /// Whether the registry would give this blob to who asks.
    pub(super) async fn grants(&self, digest: &str) -> bool {
        let path = self.blob_path(digest);
        let asked = self.ask(Method::HEAD, &path, "*/*", None).await;
        matches!(asked, Ok(response) if response.status().is_success())
    }

    fn blob_path(&self, digest: &str) -> String {
        format!("/v2/{}/blobs/{digest}", self.repository)
    }

    async fn get(&self, path: &str, accept: &str) -> Result<Response<Incoming>, ImageError> {
        let response = self.ask(Method::GET, path, accept, None).await?;
        self.check(response).await
    }

    /// Asks, logs in where that is wanted, and goes where it is sent.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        from: Option<u64>,
    ) -> Result<Response<Incoming>, ImageError> {
        let mut tried = false;
        loop {
            let grant = self.grant.lock().await.clone();
            let place = self.base.with_path(path);
            let had = grant.is_some();
            let response = self
                .follow(method.clone(), place, accept, from, grant)
                .await?;
            if response.status() != StatusCode::UNAUTHORIZED || tried {
                return Ok(response);
            }
            tried = true;
            let said = Said::of(response.headers());
            let grant = self.log_in(said).await?;
            if grant.is_none() && !had {
                return Ok(response);
            }
            *self.grant.lock().await = grant;
        }
    }

    async fn follow(
        &self,
        method: Method,
        mut place: Place,
        accept: &str,
        from: Option<u64>,
        mut grant: Option<Grant>,
    ) -> Result<Response<Incoming>, ImageError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self
                .send(method.clone(), &place, accept, from, grant.as_ref())
                .await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|it| it.to_str().ok()).unwrap_or_default();
            let next = place.redirected(location).ok_or_else(|| {
                let shown = quoted(location);
                ImageError::refused(
                    format!("registry {}", self.name),
                    format!("sends to {shown:?}, where nothing is fetched from"),
                )
            })?;
            // What lets in here is nobody else's to see.
            if next.authority() != place.authority() {
                grant = None;
            }
            place = next;
        }
        Err(ImageError::refused(
            format!("registry {}", self.name),
            format!("sends elsewhere more than {MAX_REDIRECTS} times"),
        ))
    }

    async fn send(
        &self,
        method: Method,
        place: &Place,
        accept: &str,
        from: Option<u64>,
        grant: Option<&Grant>,
    ) -> Result<Response<Incoming>, ImageError> {
        let mut request = Request::builder()
            .method(method)
            .uri(place.url())
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("pastina/", env!("CARGO_PKG_VERSION")));
        if let Some(from) = from.filter(|from| *from > 0) {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let Some(grant) = grant {
            let mut value = HeaderValue::from_str(&grant.header()).map_err(|_| {
                ImageError::refused("the login", "has characters that no header takes")
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(net::empty()).map_err(|error| {
            let name = &self.name;
            ImageError::refused(
                format!("registry {name}"),
                format!("has no address: {error}"),
            )
        })?;
        self.client(place)
            .send(request)
            .await
            .map_err(|error| self.net(error))
    }

    /// Of the operator's own choice, anything may be asked for; of others' what is public.
    fn client(&self, place: &Place) -> &Client {
        if place.is_trusted() || self.policy.is_local(place.authority()) {
            &self.clients.any
        } else {
            &self.clients.public
        }
    }

    fn net(&self, error: NetError) -> ImageError {
        match error {
            NetError::Refused {
                source: net::LookupError::Private { host, address },
                ..
            } => ImageError::Private {
                registry: self.name.clone(),
                address: if host == address.to_string() {
                    host
                } else {
                    format!("{host} is {address}")
                },
            },
            source => ImageError::Unreachable {
                registry: self.name.clone(),
                source,
            },
        }
    }

    /// The answer, where it is a good one; else what it means.
    async fn check(&self, response: Response<Incoming>) -> Result<Response<Incoming>, ImageError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let challenged = Said::of(response.headers()) != Said::Nothing;
        let text = self.collect("an error", response, MAX_ERROR).await;
        let said = text.map_or_else(|_| String::new(), |text| auth::words(&text));
        let registry = self.name.clone();
        let image = self.image.clone();
        Err(match (status, &self.login) {
            (StatusCode::NOT_FOUND, _) => ImageError::NotFound {
                registry,
                image,
                hint: "",
            },
            // Many hide what there is from those who may not see it.
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) if challenged => {
                ImageError::NeedsLogin { registry, image }
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => ImageError::NotFound {
                registry,
                image,
                hint: " (or it needs a login: give --docker-username)",
            },
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(login)) => {
                ImageError::LoginRefused {
                    registry,
                    image,
                    username: login.username.clone(),
                    said,
                }
            }
            (status, _) => ImageError::Answer {
                registry,
                status: status.as_u16(),
                said,
            },
        })
    }

    async fn collect(
        &self,
        what: &str,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Bytes, ImageError> {
        let whole = Limited::new(response.into_body(), limit).collect();
        match tokio::time::timeout(transfer::IDLE, whole).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(ImageError::too_large(what, limit as u64))
            }
            Ok(Err(source)) => Err(self.broken(source)),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> ImageError {
        ImageError::Unreachable {
            registry: self.name.clone(),
            source: NetError::Broken {
                server: self.authority().to_owned(),
                source,
            },
        }
    }

    fn timed_out(&self) -> ImageError {
        ImageError::Unreachable {
            registry: self.name.clone(),
            source: NetError::Timeout {
                server: self.authority().to_owned(),
                after: transfer::IDLE,
            },
        }
    }
}

//! Requests to the API.

use std::{cell::RefCell, path::PathBuf, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    cli::{
        failure::{Failure, Outcome},
        output::Output,
        profile::Profile,
    },
    net::{self, Body, Client, Lookup, NetError, Upload},
};

use super::ApiError;

/// Who we are in the platform's log.
const USER_AGENT: &str = concat!("pastina/", env!("CARGO_PKG_VERSION"));

/// Fast jobs are done at the second look; slow ones are looked at every second.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How often something is looked up before we believe that the platform is gone, and the time
/// in between: together longer than a restart takes.
const TRIES: u32 = 5;
const RETRY: Duration = Duration::from_millis(300);

/// Whether a failure may be over in a moment.
const fn passes(error: &NetError) -> bool {
    matches!(error, NetError::Connect { .. } | NetError::Broken { .. })
}

/// How long an asynchronous job may take before we stop waiting for it.
const JOB_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The waiting time before the look after one that waited `before`.
pub(crate) fn next_look(before: Duration) -> Duration {
    (before * 2).clamp(FIRST_LOOK, LAST_LOOK)
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) head: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Its JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Outcome<T> {
        let parsed = serde_json::from_slice(&self.body);
        Ok(parsed.context("the platform's answer is not what the API promises")?)
    }

    fn job(&self) -> Option<&str> {
        self.head.get(header::LOCATION)?.to_str().ok()
    }
}

#[derive(Deserialize)]
struct Page<T> {
    pagination: Pagination,
    resources: Vec<T>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct Job {
    state: String,
    #[serde(default)]
    errors: Vec<JobError>,
}

#[derive(Deserialize)]
struct JobError {
    detail: String,
}

/// The API of the platform that the profile names.
#[derive(Debug)]
pub(crate) struct Api<'a> {
    pub(super) http: Client,
    pub(super) profile: RefCell<Profile>,
    pub(super) dir: PathBuf,
    pub(super) output: &'a Output,
}

impl<'a> Api<'a> {
    /// The API of `profile`, which is kept in `dir`.
    pub(crate) fn try_new(profile: Profile, dir: PathBuf, output: &'a Output) -> Outcome<Self> {
        let config = net::Config {
            verify: profile.verify(),
            ..net::Config::default()
        };
        Ok(Self {
            http: Client::try_new(config, Lookup::default())?,
            profile: RefCell::new(profile),
            dir,
            output,
        })
    }

    pub(crate) fn profile(&self) -> Profile {
        self.profile.borrow().clone()
    }

    /// Changes what is remembered, on disk too.
    pub(crate) fn remember(&self, change: impl FnOnce(&mut Profile)) -> Outcome<()> {
        let mut profile = self.profile.borrow_mut();
        change(&mut profile);
        Ok(profile.write(&self.dir)?)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.call(Method::GET, path, None).await?.json()
    }

    /// As [`Api::get`], or nothing where there is no such thing.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Outcome<Option<T>> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Api(error)) if error.status == StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Outcome<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Outcome<Answer> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Outcome<Answer> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// Deletes, and waits until it is gone.
    pub(crate) async fn delete(&self, path: &str) -> Outcome<()> {
        let answer = self.call(Method::DELETE, path, None).await?;
        self.finish(&answer, "the deletion").await
    }

    /// Every resource of all pages from `path` on.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str) -> Outcome<Vec<T>> {
        let mut found = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page: Page<T> = self.get(&path).await?;
            found.extend(page.resources);
            next = page.pagination.next.map(|link| link.href);
        }
        Ok(found)
    }

    /// Waits for the job that an answer names, if it names one.
    pub(crate) async fn finish(&self, answer: &Answer, what: &'static str) -> Outcome<()> {
        let Some(job) = answer.job() else {
            return Ok(());
        };
        let wait = async {
            let mut pause = Duration::ZERO;
            loop {
                let job: Job = self.get(job).await?;
                match job.state.as_str() {
                    "COMPLETE" => return Ok(()),
                    "FAILED" => {
                        let details: Vec<_> = job.errors.into_iter().map(|e| e.detail).collect();
                        return Err(Failure::Job(what, details.join("; ")));
                    }
                    _ => {}
                }
                pause = next_look(pause);
                tokio::time::sleep(pause).await;
            }
        };
        let patience = tokio::time::timeout(JOB_PATIENCE, wait).await;
        patience.unwrap_or_else(|_| Err(Failure::Job(what, "it takes too long".to_owned())))
    }

    /// Makes a request with a JSON body, with a token.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Answer> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        self.call_with(method, path, "application/json", text.into())
            .await
    }

    /// Makes a request with any body, with a token.
    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Outcome<Answer> {
        let url = self.url(path)?;
        let mut response = self.attempt(&method, &url, content_type, &body).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // Our clock may differ from the platform's, so the token can be older than it looks.
            self.refresh().await?;
            response = self.attempt(&method, &url, content_type, &body).await?;
        }
        self.answer(response)
    }

    /// Makes a request; one that only looks is made again where the connection failed.
    async fn attempt(
        &self,
        method: &Method,
        url: &str,
        content_type: &str,
        body: &Bytes,
    ) -> Outcome<Response<Bytes>> {
        let mut left = if *method == Method::GET { TRIES } else { 1 };
        loop {
            let request = self
                .request(method, url, content_type)
                .await?
                .body(net::full(body.clone()))
                .context("the address cannot be asked for")?;
            left -= 1;
            match self.http.fetch(request).await {
                Err(error) if left > 0 && passes(&error) => tokio::time::sleep(RETRY).await,
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Sends a body that is streamed.
    pub(crate) async fn upload(
        &self,
        path: &str,
        content_type: &str,
        body: Upload,
    ) -> Outcome<Answer> {
        let url = self.url(path)?;
        let request = self
            .request(&Method::POST, &url, content_type)
            .await?
            .body(body)
            .context("the address cannot be asked for")?;
        let response = self.http.upload(request).await?;
        self.answer(response)
    }

    /// A request without a token.
    pub(super) async fn plain(&self, request: Request<Body>) -> Outcome<Answer> {
        let response = self.http.fetch(request).await?;
        self.answer(response)
    }

    async fn request(
        &self,
        method: &Method,
        url: &str,
        content_type: &str,
    ) -> Outcome<http::request::Builder> {
        let token = self.token().await?;
        Ok(Request::builder()
            .method(method)
            .uri(url)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type)
            .header(header::AUTHORIZATION, format!("bearer {token}")))
    }

    /// The whole address of `path`, which the platform may have given whole. A token goes to
    /// the platform alone.
    fn url(&self, path: &str) -> Outcome<String> {
        let profile = self.profile.borrow();
        if !profile.logged_in() {
            return Err(Failure::NotLoggedIn);
        }
        if path.starts_with('/') {
            return Ok(format!("{}{path}", profile.api));
        }
        let ours = [&profile.api, &profile.log_cache, &profile.login];
        let is_ours = |base: &&String| {
            path.strip_prefix(base.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        if ours.iter().any(is_ours) {
            return Ok(path.to_owned());
        }
        let foreign = anyhow::anyhow!("the platform refers to {path}, which is not a part of it");
        Err(Failure::Other(foreign))
    }

    fn answer(&self, response: Response<Bytes>) -> Outcome<Answer> {
        let (head, body) = response.into_parts();
        for warning in warnings(&head.headers) {
            self.output.warning(warning);
        }
        if head.status.is_success() {
            let head = head.headers;
            return Ok(Answer { head, body });
        }
        Err(Failure::Api(ApiError::read(head.status, &body)))
    }
}

/// The warnings in an answer, which are query-escaped and joined by commas.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all("x-cf-warnings").iter();
    texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|item| item.trim().replace('+', " "))
        .filter(|item| !item.is_empty())
        .map(|item| {
            percent_encoding::percent_decode_str(&item)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect()
}

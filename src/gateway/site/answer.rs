//! From a request to an answer.

use std::{path::Path, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{
    encoding::{self, Encoding},
    file::{self, Found},
    listing,
    login::Verdict,
    path::{self, Wanted},
    response::{away, plain, selected, set, whole},
    rules::{self, Turn},
};
use crate::{
    gateway::{body::Outgoing, worker::Worker},
    model::Site,
    sites::is_url,
};

/// The site's own page for what it does not have, where it names no other.
const NOT_FOUND_PAGE: &str = "/404.html";

/// Answers from the files beneath `root`, as `site` says.
pub(in crate::gateway) async fn answer(
    worker: &Worker,
    (root, site): (&Path, &Arc<Site>),
    parts: &Parts,
) -> Response<Outgoing> {
    let https = &worker.shared.config.https;
    let port = https.first().map(|listen| listen.addr.port());
    if let Some(location) = rules::https(site, parts, port) {
        return away(StatusCode::MOVED_PERMANENTLY, &location, &parts.method);
    }
    let visit = Visit {
        root,
        site,
        parts,
        accepted: encoding::accepted(&parts.headers),
    };
    let path = path::decode(parts.uri.path());
    let mut response = match worker.logins.check(root, site, &parts.headers).await {
        Verdict::Welcome => visit.serve(path.as_deref()).await,
        Verdict::Unknown => {
            let mut response = visit.error(StatusCode::UNAUTHORIZED).await;
            let realm = HeaderValue::from_static("Basic realm=\"Restricted\", charset=\"UTF-8\"");
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, realm);
            response
        }
        Verdict::Busy => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, &parts.method);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    };
    rules::dress(site, path.as_deref(), response.headers_mut());
    response
}

struct Visit<'a> {
    root: &'a Path,
    site: &'a Arc<Site>,
    parts: &'a Parts,
    accepted: Vec<Encoding>,
}

impl Visit<'_> {
    async fn serve(&self, path: Option<&str>) -> Response<Outgoing> {
        let method = &self.parts.method;
        if method != Method::GET && method != Method::HEAD {
            let mut response = self.error(StatusCode::METHOD_NOT_ALLOWED).await;
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        let Some(path) = path else {
            return self.error(StatusCode::NOT_FOUND).await;
        };
        let query = self.parts.uri.query();
        if let Some(turn) = rules::turn(self.site, path, query, true) {
            return self.follow(turn).await;
        }
        match self.find(path::resolve(path, self.site)).await {
            Some(Found::Missing) => {}
            found => return self.deliver(found, StatusCode::OK).await,
        }
        if let Some(turn) = rules::turn(self.site, path, query, false) {
            return self.follow(turn).await;
        }
        let start = self.site.fallback.then(Wanted::start);
        let found = self.find(start).await;
        self.deliver(found, StatusCode::OK).await
    }

    async fn follow(&self, turn: Turn) -> Response<Outgoing> {
        match turn {
            Turn::Away { location, status } => away(status, &location, &self.parts.method),
            Turn::Page { path, status } => {
                let found = self.page(&path).await;
                self.deliver(found, status).await
            }
        }
    }

    /// What is at a path that the site itself names; none where that could not be read.
    async fn page(&self, path: &str) -> Option<Found> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let decoded = path::decode(path);
        let wanted = decoded.and_then(|path| path::resolve(&path, self.site));
        self.find(wanted).await
    }

    /// What is there; none where that could not be read, which is logged.
    async fn find(&self, wanted: Option<Wanted>) -> Option<Found> {
        let Some(wanted) = wanted else {
            return Some(Found::Missing);
        };
        let (root, site) = (self.root.to_owned(), Arc::clone(self.site));
        let accepted = self.accepted.clone();
        let find = move || file::find(&root, &site, &wanted, &accepted);
        match tokio::task::spawn_blocking(find).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read a file of a static site");
                None
            }
            Err(error) => {
                tracing::error!(%error, "reading a file of a static site failed");
                None
            }
        }
    }

    async fn deliver(&self, found: Option<Found>, status: StatusCode) -> Response<Outgoing> {
        match found {
            Some(Found::File(opened)) if status == StatusCode::OK => selected(opened, self.parts),
            Some(Found::File(opened)) => {
                whole(opened, status, &self.parts.method, HeaderMap::new())
            }
            Some(Found::Folder) => {
                // Two slashes at the start would be another host.
                let path = self.parts.uri.path().trim_start_matches('/');
                let location = match self.parts.uri.query() {
                    Some(query) => format!("/{path}/?{query}"),
                    None => format!("/{path}/"),
                };
                away(StatusCode::MOVED_PERMANENTLY, &location, &self.parts.method)
            }
            Some(Found::List(items)) => listing::page(self.parts, &items),
            Some(Found::Missing) => self.error(StatusCode::NOT_FOUND).await,
            None => self.error(StatusCode::INTERNAL_SERVER_ERROR).await,
        }
    }

    async fn error(&self, status: StatusCode) -> Response<Outgoing> {
        let said = self.site.page(status.as_u16());
        let method = &self.parts.method;
        let page = match said {
            Some(page) if is_url(&page.page) => return away(StatusCode::FOUND, &page.page, method),
            Some(page) => page.page.as_str(),
            None if status == StatusCode::NOT_FOUND => NOT_FOUND_PAGE,
            None => return plain(status, method),
        };
        let answer = said.and_then(|page| page.answer);
        let answer = answer.and_then(|code| StatusCode::from_u16(code).ok());
        match self.page(page).await {
            Some(Found::File(opened)) => {
                let mut response =
                    whole(opened, answer.unwrap_or(status), method, HeaderMap::new());
                set(response.headers_mut(), header::VARY, "Accept-Encoding");
                response
            }
            _ => plain(status, method),
        }
    }
}

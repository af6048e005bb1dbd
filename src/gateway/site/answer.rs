//! From a request to a file's bytes.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{
    conditions::{self, Selection},
    encoding,
    file::{self, Found, Opened},
    path,
};
use crate::gateway::body::{Outgoing, Source};

/// The site's own page for what it does not have.
pub(super) const NOT_FOUND_PAGE: &str = "404.html";

/// Answers from the files beneath `root`.
pub(in crate::gateway) async fn answer(root: &Path, parts: &Parts) -> Response<Outgoing> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, &parts.method);
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let wanted = path::resolve(parts.uri.path());
    let accepted = encoding::accepted(&parts.headers);
    let root = root.to_owned();
    let found =
        tokio::task::spawn_blocking(move || file::find(&root, wanted.as_ref(), &accepted)).await;
    match found {
        Ok(Ok(Found::File(opened))) => selected(opened, parts),
        Ok(Ok(Found::Folder)) => redirect(parts),
        Ok(Ok(Found::Missing(Some(page)))) => {
            whole(page, StatusCode::NOT_FOUND, &parts.method, HeaderMap::new())
        }
        Ok(Ok(Found::Missing(None))) => plain(StatusCode::NOT_FOUND, &parts.method),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot read a file of a static site");
            plain(StatusCode::INTERNAL_SERVER_ERROR, &parts.method)
        }
        Err(error) => {
            tracing::error!(%error, "reading a file of a static site failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR, &parts.method)
        }
    }
}

/// The part of a file that the request's conditions select.
fn selected(opened: Opened, parts: &Parts) -> Response<Outgoing> {
    let mut headers = HeaderMap::new();
    set(&mut headers, header::ETAG, &opened.etag);
    set(
        &mut headers,
        header::LAST_MODIFIED,
        &httpdate::fmt_http_date(opened.changed),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    match conditions::select(&parts.headers, &opened.etag, opened.changed, opened.length) {
        Selection::NotModified => {
            let mut response = Response::new(Outgoing::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = headers;
            response
        }
        Selection::Unsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, &parts.method);
            let range = format!("bytes */{}", opened.length);
            set(response.headers_mut(), header::CONTENT_RANGE, &range);
            response
        }
        Selection::Range { first, last } => {
            let range = format!("bytes {first}-{last}/{}", opened.length);
            set(&mut headers, header::CONTENT_RANGE, &range);
            let part = last - first + 1;
            piece(
                opened,
                first,
                part,
                StatusCode::PARTIAL_CONTENT,
                &parts.method,
                headers,
            )
        }
        Selection::Whole => whole(opened, StatusCode::OK, &parts.method, headers),
    }
}

fn whole(
    opened: Opened,
    status: StatusCode,
    method: &Method,
    headers: HeaderMap,
) -> Response<Outgoing> {
    let length = opened.length;
    piece(opened, 0, length, status, method, headers)
}

fn piece(
    opened: Opened,
    first: u64,
    length: u64,
    status: StatusCode,
    method: &Method,
    mut headers: HeaderMap,
) -> Response<Outgoing> {
    set(&mut headers, header::CONTENT_TYPE, &opened.content_type);
    if let Some(encoding) = opened.encoding {
        headers.insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_static(encoding.name()),
        );
    }
    if status != StatusCode::NOT_FOUND {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let body = if method == Method::HEAD {
        Outgoing::empty()
    } else {
        Outgoing::new(Source::File(opened.into_body(first, length)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Sends the client to the folder's address with a slash, so that relative links work.
fn redirect(parts: &Parts) -> Response<Outgoing> {
    // Two slashes at the start would be another host.
    let path = parts.uri.path().trim_start_matches('/');
    let location = match parts.uri.query() {
        Some(query) => format!("/{path}/?{query}"),
        None => format!("/{path}/"),
    };
    let mut response = plain(StatusCode::MOVED_PERMANENTLY, &parts.method);
    set(response.headers_mut(), header::LOCATION, &location);
    response
}

fn plain(status: StatusCode, method: &Method) -> Response<Outgoing> {
    let text = format!("{status}\n");
    let mut response = Response::new(Outgoing::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    if method != Method::HEAD {
        *response.body_mut() = Outgoing::new(Source::Full(Bytes::from(text)));
    }
    response
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

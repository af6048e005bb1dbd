//! Answers out of files, and in a word.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{
    conditions::{self, Selection},
    file::Opened,
};
use crate::gateway::body::{Outgoing, Source};

/// The part of a file that the request's conditions select.
pub(super) fn selected(opened: Opened, parts: &Parts) -> Response<Outgoing> {
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

pub(super) fn whole(
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
    if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
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

/// Sends the client elsewhere.
pub(super) fn away(status: StatusCode, location: &str, method: &Method) -> Response<Outgoing> {
    let mut response = plain(status, method);
    set(response.headers_mut(), header::LOCATION, location);
    response
}

pub(super) fn plain(status: StatusCode, method: &Method) -> Response<Outgoing> {
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

pub(super) fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

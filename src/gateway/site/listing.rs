//! A page that shows what is in a folder.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};

use super::{file::Item, path, rules::encode};
use crate::gateway::{
    body::{Outgoing, Source},
    refusal::escape,
};

/// The page of the folder that was asked for.
pub(super) fn page(parts: &Parts, items: &[Item]) -> Response<Outgoing> {
    let path = path::decode(parts.uri.path()).unwrap_or_default();
    let text = html(&path, items);
    let headers = HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(text.len())),
    ]);
    let body = match parts.method == Method::HEAD {
        true => Outgoing::empty(),
        false => Outgoing::new(Source::Full(Bytes::from(text))),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

fn html(path: &str, items: &[Item]) -> String {
    let title = format!("Index of {}", escape(path));
    let mut text = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font-family:sans-serif;margin:2em}}td{{padding:.1em 2em .1em 0}}\
         td+td{{text-align:right}}</style>\n<h1>{title}</h1>\n<table>\n"
    );
    if !path.trim_matches('/').is_empty() {
        text.push_str("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for item in items {
        let (slash, length) = match item.is_file {
            true => ("", item.length.to_string()),
            false => ("/", String::new()),
        };
        // `./`, or a colon in the name would make it another scheme.
        let (link, name) = (encode(&item.name), escape(&item.name));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "<tr><td><a href=\"./{}{slash}\">{name}{slash}</a></td><td>{length}</td></tr>",
            escape(&link.replace('?', "%3F").replace('#', "%23"))
        );
    }
    text.push_str("</table>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_and_break_nothing() {
        let item = |is_file, name: &str| Item {
            is_file,
            name: name.to_owned(),
            length: 7,
        };
        let page = html("/a&b/", &[item(false, "자료"), item(true, "<b>?x#.txt")]);
        assert!(page.contains("<h1>Index of /a&amp;b/</h1>"), "{page}");
        assert!(page.contains("<a href=\"../\">"), "{page}");
        assert!(
            page.contains("<a href=\"./%EC%9E%90%EB%A3%8C/\">자료/</a></td><td></td>"),
            "{page}"
        );
        assert!(
            page.contains("<a href=\"./%3Cb%3E%3Fx%23.txt\">&lt;b&gt;?x#.txt</a></td><td>7</td>"),
            "{page}"
        );
        assert!(!html("/", &[]).contains("../"));
    }
}

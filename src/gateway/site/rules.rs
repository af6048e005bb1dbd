//! What a site says about its requests and answers.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{gateway::headers::FORWARDED_PROTO, model::Site};

/// What does not stand in a path as it is; `%` of the site's own addresses does.
const ODD: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What does not stand in a value that comes from a decoded path.
const ODD_IN_VALUE: &AsciiSet = &ODD.add(b'%').add(b'?').add(b'#');

/// Where a rule leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Away {
        location: String,
        status: StatusCode,
    },
    /// To a page of the site, with this status.
    Page { path: String, status: StatusCode },
}

/// Text within an address.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ODD_IN_VALUE).to_string()
}

/// Where a request that came without TLS is sent, where the site wants that. `port` is the
/// gateway's own for HTTPS.
pub(super) fn https(site: &Site, parts: &Parts, port: Option<u16>) -> Option<String> {
    let scheme = parts.headers.get(FORWARDED_PROTO);
    if !site.force_https
        || scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
    {
        return None;
    }
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(header::HOST)?.to_str().ok()?,
    };
    let (host, asked) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    // Who came to a port of the gateway itself, and not through one before it, is sent to its
    // other one.
    let port = match (asked, port) {
        (Some(asked), Some(port)) if asked != "80" && port != 443 && port != 0 => {
            format!(":{port}")
        }
        _ => String::new(),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Some(format!("https://{host}{port}{path}"))
}

/// Where the first of the site's redirects sends `path`, of those that hold even where there is
/// a file (`force`) or of those that hold otherwise.
pub(super) fn turn(site: &Site, path: &str, query: Option<&str>, force: bool) -> Option<Turn> {
    let rules = site.redirects.iter().filter(|rule| rule.force || !force);
    let (rule, values) = rules
        .into_iter()
        .find_map(|rule| Some((rule, rule.from.find(path)?)))?;
    let mut to = fill(&rule.to, &values);
    // What a star stands for may begin with a slash, which would make it another host.
    if rule.to.starts_with('/') && !rule.to.starts_with("//") {
        to = format!("/{}", to.trim_start_matches('/'));
    }
    let status = StatusCode::from_u16(rule.status).ok()?;
    if !status.is_redirection() {
        return Some(Turn::Page { path: to, status });
    }
    if let Some(query) = query
        && !to.contains('?')
    {
        let (before, place) = match to.find('#') {
            Some(at) => to.split_at(at),
            None => (to.as_str(), ""),
        };
        to = format!("{before}?{query}{place}");
    }
    Some(Turn::Away {
        location: to,
        status,
    })
}

/// `to` with the values of the names in it.
fn fill(to: &str, values: &[(String, String)]) -> String {
    let mut filled = String::new();
    let mut rest = to;
    while let Some(at) = rest.find(':') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        filled.push_str(before);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let end = after.find(|letter| !is_name(letter)).unwrap_or(after.len());
        match values.iter().find(|(name, _)| *name == after[..end]) {
            Some((_, value)) => {
                filled.push_str(&encode(value));
                rest = &after[end..];
            }
            None => {
                filled.push(':');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    utf8_percent_encode(&filled, ODD).to_string()
}

/// Sets the headers that the site has for `path`.
pub(super) fn dress(site: &Site, path: Option<&str>, headers: &mut HeaderMap) {
    if let Some(value) = site.strict_transport.as_deref() {
        insert(headers, "strict-transport-security", value, false);
    }
    let Some(path) = path else { return };
    for rule in &site.headers {
        if rule.paths.find(path).is_none() {
            continue;
        }
        for name in &rule.removed {
            headers.remove(name);
        }
        for (at, (name, value)) in rule.set.iter().enumerate() {
            // A name that has several lines has several values.
            let again = rule.set[..at].iter().any(|(before, _)| before == name);
            insert(headers, name, value, again);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str, again: bool) {
    let name = HeaderName::try_from(name);
    let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
        return;
    };
    if again {
        headers.append(name, value);
    } else {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::model::{Pattern, Redirect};

    fn redirect(from: &str, to: &str, status: u16) -> Redirect {
        Redirect {
            from: Pattern::parse(from).unwrap(),
            to: to.to_owned(),
            status,
            force: false,
        }
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let check = |from: &str, to: &str, path: &str, query: Option<&str>, expected: &str| {
            let site = Site {
                redirects: vec![redirect(from, to, 301)],
                ..Site::default()
            };
            assert_eq!(turn(&site, path, query, true), None);
            let found = turn(&site, path, query, false);
            let Some(Turn::Away { location, .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(location, expected, "{from} {to} {path}");
        };
        check("/a", "/b", "/a", Some("x=1"), "/b?x=1");
        check("/a", "/b?y=2#top", "/a", Some("x=1"), "/b?y=2#top");
        check("/a", "/b#top", "/a", Some("x=1"), "/b?x=1#top");
        check("/n/:y/:m", "/p/:m-:y", "/n/2026/11", None, "/p/11-2026");
        check(
            "/x/*",
            "https://a.kr:8443/:splat",
            "/x/첫 글?",
            None,
            "https://a.kr:8443/%EC%B2%AB%20%EA%B8%80%3F",
        );
        check("/*", "/:splat", "//evil.kr", None, "/evil.kr");
        check("/공지", "/소식", "/공지", None, "/%EC%86%8C%EC%8B%9D");
        check("/a", "/b%20c", "/a", None, "/b%20c");
    }

    #[test]
    fn a_page_keeps_its_status() {
        let site = Site {
            redirects: vec![
                redirect("/app/*", "/app/index.html", 200),
                redirect("/*", "/gone.html", 410),
            ],
            ..Site::default()
        };
        let page = |path: &str, status| {
            Some(Turn::Page {
                path: path.to_owned(),
                status,
            })
        };
        assert_eq!(
            turn(&site, "/app/x", Some("q"), false),
            page("/app/index.html", StatusCode::OK)
        );
        assert_eq!(
            turn(&site, "/x", None, false),
            page("/gone.html", StatusCode::GONE)
        );
    }

    #[test]
    fn https_is_where_the_client_can_reach_it() {
        let site = Site {
            force_https: true,
            ..Site::default()
        };
        let check = |host: &str, scheme: &str, port, expected: Option<&str>| {
            let request = Request::get("/a?b=c").header("host", host);
            let request = request
                .header("x-forwarded-proto", scheme)
                .body(())
                .unwrap();
            let parts = request.into_parts().0;
            assert_eq!(https(&site, &parts, port).as_deref(), expected, "{host}");
            assert_eq!(https(&Site::default(), &parts, port), None);
        };
        check("a.kr", "http", Some(443), Some("https://a.kr/a?b=c"));
        check("a.kr", "http", Some(8443), Some("https://a.kr/a?b=c"));
        check("a.kr:80", "http", Some(8443), Some("https://a.kr/a?b=c"));
        check(
            "a.kr:8080",
            "http",
            Some(8443),
            Some("https://a.kr:8443/a?b=c"),
        );
        check("[::1]", "http", Some(8443), Some("https://[::1]/a?b=c"));
        check("a.kr", "https", Some(443), None);
    }

    #[test]
    fn headers_are_those_of_all_rules_that_fit() {
        let site = Site {
            strict_transport: Some("max-age=1".to_owned()),
            headers: vec![crate::model::HeaderRule {
                paths: Pattern::parse("/a/*").unwrap(),
                set: [("link", "<a>"), ("link", "<b>"), ("etag", "\"x\"")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                removed: vec!["last-modified".to_owned()],
            }],
            ..Site::default()
        };
        let dressed = |path| {
            let mut headers = HeaderMap::new();
            insert(&mut headers, "etag", "\"file\"", false);
            insert(&mut headers, "last-modified", "now", false);
            dress(&site, Some(path), &mut headers);
            headers
        };
        let headers = dressed("/a/b");
        assert_eq!(headers.get_all("link").iter().count(), 2);
        assert_eq!(headers["etag"], "\"x\"");
        assert!(!headers.contains_key("last-modified"));
        let headers = dressed("/b");
        assert_eq!(headers["strict-transport-security"], "max-age=1");
        assert_eq!(headers["etag"], "\"file\"");
        assert!(!headers.contains_key("link"));
    }
}

//! `_redirects`: where requests are sent instead.

use super::{SiteError, staticfile::is_url};
use crate::model::{Pattern, Redirect};

const FILE: &str = "_redirects";

/// Most redirects. Each request for something that is not there is held against all of them.
const MOST: usize = 2000;

/// The rules: `FROM TO [STATUS[!]]` in a line each.
pub(super) fn parse(text: &str) -> Result<Vec<Redirect>, SiteError> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |what: String| SiteError::at(FILE, number, what);
        // A # within an address is a place in a page.
        let words: Vec<&str> = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .collect();
        let (from, to, status) = match words[..] {
            [] => continue,
            [from, to] => (from, to, "301"),
            [from, to, status] if is_status(status) => (from, to, status),
            [_] => {
                return Err(bad(
                    "it lacks where to: FROM TO, or FROM TO STATUS".to_owned()
                ));
            }
            _ => {
                return Err(bad(
                    "only FROM TO STATUS is known: queries, countries, languages, cookies and roles cannot \
                     decide here, so leave them out or push an app that decides"
                        .to_owned(),
                ));
            }
        };
        if rules.len() == MOST {
            return Err(bad(format!(
                "more than {MOST} lines: let patterns with * stand for several"
            )));
        }
        let pattern =
            Pattern::parse(from).map_err(|error| bad(format!("{from} is no path: {error}")))?;
        let force = status.ends_with('!');
        let status = status.trim_end_matches('!').parse().unwrap_or_default();
        match status {
            301 | 302 | 303 | 307 | 308 if to.starts_with('/') || is_url(to) => {}
            200 | 404 | 410 if to.starts_with('/') => {}
            200 | 404 | 410 if is_url(to) => {
                return Err(bad(format!(
                    "{to} is another server, and a site does not fetch from others: redirect there with 302, or \
                     push an app that does"
                )));
            }
            301 | 302 | 303 | 307 | 308 | 200 | 404 | 410 => {
                return Err(bad(format!("{to} is neither a path nor an URL")));
            }
            other => {
                return Err(bad(format!(
                    "the status {other} is none of 301, 302, 303, 307, 308, 200, 404 and 410"
                )));
            }
        }
        rules.push(Redirect {
            from: pattern,
            to: to.to_owned(),
            status,
            force,
        });
    }
    Ok(rules)
}

fn is_status(word: &str) -> bool {
    let digits = word.trim_end_matches('!');
    word.len() - digits.len() <= 1
        && !digits.is_empty()
        && digits.len() <= 3
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_redirects() {
        let text = "# moved\n/old /new\n/blog/:slug  /posts/:slug 302 # for now\n/app/* /app/index.html 200\n\
                    /out https://example.kr/#top 301!\n";
        let rules = parse(text).unwrap();
        let found: Vec<_> = rules
            .iter()
            .map(|rule| (rule.to.as_str(), rule.status, rule.force))
            .collect();
        assert_eq!(
            found,
            [
                ("/new", 301, false),
                ("/posts/:slug", 302, false),
                ("/app/index.html", 200, false),
                ("https://example.kr/#top", 301, true),
            ]
        );
    }

    #[test]
    fn a_mistake_names_its_line() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("/a /b\n/c", "_redirects, line 2: it lacks where to");
        check("a /b", "_redirects, line 1: a is no path");
        check("/a b", "_redirects, line 1: b is neither a path nor an URL");
        check("/a /b 418", "_redirects, line 1: the status 418 is none of");
        check(
            "/a /b 302 Country=kr",
            "_redirects, line 1: only FROM TO STATUS is known",
        );
        check(
            "/a id=:id /b",
            "_redirects, line 1: only FROM TO STATUS is known",
        );
        check(
            "/api/* https://x.kr/:splat 200",
            "_redirects, line 1: https://x.kr/:splat is another server",
        );
    }
}

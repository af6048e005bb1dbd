//! `_headers`: which headers answers have, by their paths.

use http::{HeaderName, HeaderValue};

use super::SiteError;
use crate::model::{HeaderRule, Pattern};

const FILE: &str = "_headers";

/// Most rules. Each request is held against all of them.
const MOST: usize = 1000;

/// What the platform says itself, since it knows better.
const OWN: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-vcap-request-id",
];

/// The rules: a path at the beginning of a line, and below it, indented, `Name: value` for what
/// is set and `! Name` for what is taken away.
pub(super) fn parse(text: &str) -> Result<Vec<HeaderRule>, SiteError> {
    let mut rules: Vec<HeaderRule> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |what: String| SiteError::at(FILE, number, what);
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !indented {
            if rules.len() == MOST {
                return Err(bad(format!(
                    "more than {MOST} paths: let patterns with * stand for several"
                )));
            }
            let paths = Pattern::parse(line).map_err(|error| {
                bad(format!(
                    "{line} is no path: {error}; headers stand below their path, indented"
                ))
            })?;
            rules.push(HeaderRule {
                paths,
                set: Vec::new(),
                removed: Vec::new(),
            });
            continue;
        }
        let Some(rule) = rules.last_mut() else {
            return Err(bad(
                "the first line has to be a path such as /*, not indented".to_owned(),
            ));
        };
        if let Some(name) = line.strip_prefix('!') {
            rule.removed.push(name_of(name).map_err(bad)?);
            continue;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| bad(format!("`{line}` is not `Name: value`")))?;
        let name = name_of(name).map_err(bad)?;
        let value = value.trim();
        if value.is_empty() || !value.is_ascii() || HeaderValue::from_str(value).is_err() {
            return Err(bad(format!(
                "{name} needs a value of letters, digits and signs of ASCII"
            )));
        }
        rule.set.push((name, value.to_owned()));
    }
    Ok(rules)
}

fn name_of(written: &str) -> Result<String, String> {
    let written = written.trim();
    let name: HeaderName = written
        .parse()
        .map_err(|_| format!("`{written}` is no name of a header"))?;
    if OWN.contains(&name.as_str()) {
        return Err(format!(
            "{written} is the platform's own to say: leave the line out"
        ));
    }
    Ok(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_paths_and_headers() {
        let text = "# all\n/*\n  X-Frame-Options: DENY\n\tLink: </a.css>; rel=preload\n  ! ETag\n\n\
                    /assets/*\n  Cache-Control: public, max-age=31536000\n";
        let rules = parse(text).unwrap();
        let set = |at: usize| -> Vec<(&str, &str)> {
            let pairs = rules[at].set.iter();
            pairs
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect()
        };
        assert_eq!(rules.len(), 2);
        assert_eq!(
            set(0),
            [
                ("x-frame-options", "DENY"),
                ("link", "</a.css>; rel=preload")
            ]
        );
        assert_eq!(rules[0].removed, ["etag"]);
        assert_eq!(set(1), [("cache-control", "public, max-age=31536000")]);
        assert!(rules[1].paths.find("/assets/a.js").is_some());
    }

    #[test]
    fn a_mistake_names_its_line() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("X-A: b", "_headers, line 1: X-A: b is no path");
        check(
            "  X-A: b",
            "_headers, line 1: the first line has to be a path",
        );
        check("/*\n  X-A", "_headers, line 2: `X-A` is not `Name: value`");
        check("/*\n\n  X A: b", "_headers, line 3: `X A` is no name");
        check("/*\n  X-A: 가", "_headers, line 2: x-a needs a value");
        check("/*\n  X-A:", "_headers, line 2: x-a needs a value");
        check(
            "/*\n  Content-Length: 3",
            "_headers, line 2: Content-Length is the platform's own",
        );
        check(
            "/*/*\n  A: b",
            "_headers, line 1: /*/* is no path: only one *",
        );
    }
}

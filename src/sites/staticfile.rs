//! The `Staticfile` of Cloud Foundry's buildpack.

use serde_json::{Map, Value};

use super::SiteError;
use crate::model::{Site, StatusPage};

const FILE: &str = "Staticfile";

/// How long browsers keep to HTTPS once they have been told: a year, as in Cloud Foundry.
const STRICT: &str = "max-age=31536000";

/// Every key.
const KEYS: [&str; 12] = [
    "root",
    "directory",
    "ssi",
    "pushstate",
    "http_strict_transport_security",
    "http_strict_transport_security_include_subdomains",
    "http_strict_transport_security_preload",
    "force_https",
    "enable_http2",
    "host_dot_files",
    "location_include",
    "status_codes",
];

/// What a `Staticfile` says.
pub(super) fn parse(text: &str) -> Result<Site, SiteError> {
    let keys = document(text)?;
    for key in keys.keys() {
        if !KEYS.contains(&key.as_str()) {
            return Err(unknown(key));
        }
    }
    if let Some(Value::String(path)) = keys.get("location_include") {
        return Err(SiteError::new(
            FILE,
            format!(
                "location_include names a piece of nginx's configuration ({path}), and no nginx serves this \
                 site: put headers into a file _headers and redirects into a file _redirects, or push with \
                 -b nginx_buildpack and an nginx.conf of your own"
            ),
        ));
    }
    let on = |key: &str| switch(&keys, key);
    if on("ssi")? {
        return Err(SiteError::new(
            FILE,
            "ssi puts pages together at each request, which is not done here: put them together before you \
             push, or push with -b nginx_buildpack and an nginx.conf with `ssi on`",
        ));
    }
    on("enable_http2")?;
    Ok(Site {
        listing: on("directory")?,
        fallback: on("pushstate")?,
        force_https: on("force_https")?,
        dot_files: on("host_dot_files")?,
        strict_transport: strict_transport(
            on("http_strict_transport_security")?,
            on("http_strict_transport_security_include_subdomains")?,
            on("http_strict_transport_security_preload")?,
        )?,
        pages: pages(keys.get("status_codes"))?,
        ..Site::default()
    })
}

fn document(text: &str) -> Result<Map<String, Value>, SiteError> {
    // A file of nothing but comments is a document as well.
    if text
        .lines()
        .all(|line| matches!(line.trim(), "" | "---") || line.trim().starts_with('#'))
    {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str(text) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(_) => Err(SiteError::new(
            FILE,
            "it has to be lines such as `pushstate: enabled`",
        )),
        Err(error) => {
            let what = error.without_snippet().to_string();
            let what = what.lines().next().unwrap_or_default();
            Err(SiteError::new(FILE, format!("it is not YAML: {what}")))
        }
    }
}

fn unknown(key: &str) -> SiteError {
    let near = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, key), known))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    let hint = match near {
        Some((_, known)) => format!("write {known}"),
        None => format!("known are {}", KEYS.join(", ")),
    };
    SiteError::new(FILE, format!("there is no option {key}: {hint}"))
}

/// Whether an option is on.
fn switch(keys: &Map<String, Value>, key: &str) -> Result<bool, SiteError> {
    let written = match keys.get(key) {
        None | Some(Value::Null) => return Ok(false),
        Some(Value::Bool(on)) => return Ok(*on),
        Some(Value::String(word)) => word.trim().to_ascii_lowercase(),
        Some(other) => other.to_string(),
    };
    match written.as_str() {
        "enabled" | "true" | "visible" | "yes" | "on" => Ok(true),
        "" | "disabled" | "false" | "hidden" | "no" | "off" => Ok(false),
        _ => {
            let on = if key == "directory" {
                "visible"
            } else {
                "enabled"
            };
            let what = format!("{key} is {written}: write `{key}: {on}`, or leave it out");
            Err(SiteError::new(FILE, what))
        }
    }
}

fn strict_transport(on: bool, below: bool, preload: bool) -> Result<Option<String>, SiteError> {
    if !on {
        if below || preload {
            return Err(SiteError::new(
                FILE,
                "http_strict_transport_security has to be enabled, too, for its include_subdomains and preload",
            ));
        }
        return Ok(None);
    }
    let mut value = STRICT.to_owned();
    if below {
        value.push_str("; includeSubDomains");
    }
    if preload {
        value.push_str("; preload");
    }
    Ok(Some(value))
}

/// `404: /404.html`, `500 502: /down.html`, `404: =200 /index.html`, as nginx has them.
fn pages(said: Option<&Value>) -> Result<Vec<StatusPage>, SiteError> {
    let pages = match said {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(pages)) => pages,
        Some(_) => return Err(bad_pages("it")),
    };
    let mut all = Vec::new();
    for (codes, page) in pages {
        let bad = || bad_pages(codes);
        let Value::String(page) = page else {
            return Err(bad());
        };
        let mut words: Vec<&str> = page.split_whitespace().collect();
        let answer = match words.first().and_then(|word| word.strip_prefix('=')) {
            Some(code) => {
                words.remove(0);
                Some(
                    code.parse()
                        .ok()
                        .filter(|code| (200..600).contains(code))
                        .ok_or_else(bad)?,
                )
            }
            None => None,
        };
        let [page] = words[..] else {
            return Err(bad());
        };
        if !page.starts_with('/') && !is_url(page) {
            return Err(bad());
        }
        for code in codes.split([' ', ',']).filter(|code| !code.is_empty()) {
            let status = code.parse().ok().filter(|code| (400..600).contains(code));
            all.push(StatusPage {
                status: status.ok_or_else(bad)?,
                page: page.to_owned(),
                answer,
            });
        }
    }
    Ok(all)
}

fn bad_pages(what: &str) -> SiteError {
    SiteError::new(
        FILE,
        format!(
            "status_codes does not say which page is shown for which error ({what}): below it belong lines \
             such as `404: /404.html`"
        ),
    )
}

/// Whether `text` is an address elsewhere.
#[must_use]
pub fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_understood() {
        let site = parse(
            "root: public\ndirectory: visible\npushstate: enabled\nforce_https: true\n\
             host_dot_files: \"true\"\nhttp_strict_transport_security: enabled\n\
             http_strict_transport_security_include_subdomains: enabled\n\
             http_strict_transport_security_preload: true\nenable_http2: true\nlocation_include:\n\
             ssi: disabled\nstatus_codes:\n  404: /lost.html\n  500 502: /down.html\n  403: =404 /lost.html\n",
        );
        let site = site.unwrap();
        assert!(site.listing && site.fallback && site.force_https && site.dot_files);
        assert_eq!(
            site.strict_transport.as_deref(),
            Some("max-age=31536000; includeSubDomains; preload")
        );
        let pages: Vec<_> = site
            .pages
            .iter()
            .map(|page| (page.status, page.page.as_str(), page.answer))
            .collect();
        assert_eq!(
            pages,
            [
                (404, "/lost.html", None),
                (500, "/down.html", None),
                (502, "/down.html", None),
                (403, "/lost.html", Some(404)),
            ]
        );
        for nothing in ["", "---\n", "# only a remark\n\n", "root: public\n"] {
            assert_eq!(parse(nothing).unwrap(), Site::default(), "{nothing:?}");
        }
    }

    #[test]
    fn a_mistake_is_one_sentence() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        };
        check(
            "pushstat: enabled",
            "Staticfile: there is no option pushstat: write pushstate",
        );
        check(
            "colour: red",
            "Staticfile: there is no option colour: known are root, ",
        );
        check(
            "pushstate: perhaps",
            "Staticfile: pushstate is perhaps: write `pushstate: enabled`",
        );
        check(
            "directory: [a]",
            "Staticfile: directory is [\"a\"]: write `directory: visible`",
        );
        check(
            "- pushstate",
            "Staticfile: it has to be lines such as `pushstate: enabled`",
        );
        check("root: [", "Staticfile: it is not YAML: ");
        check("ssi: enabled", "Staticfile: ssi puts pages together");
        check(
            "location_include: includes/*.conf",
            "Staticfile: location_include names",
        );
        check(
            "http_strict_transport_security_preload: enabled",
            "Staticfile: http_strict_transport_security has to be enabled, too",
        );
        for wrong in [
            "404",
            "[404]",
            "{404: lost.html}",
            "{40: /x}",
            "{404: [x]}",
            "{404: =x /x}",
        ] {
            check(
                &format!("status_codes: {wrong}"),
                "Staticfile: status_codes does not say",
            );
        }
    }
}

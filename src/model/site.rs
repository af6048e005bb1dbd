//! How a site of files is served, besides that its files are.

use serde::{Deserialize, Serialize};

/// What a site's own files say about how it is served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Site {
    /// Whether the whole app is served, and not a folder of it: what configures the app is not
    /// for readers then.
    pub whole_app: bool,
    /// Whether files and folders that begin with a dot are served.
    pub dot_files: bool,
    /// Whether a folder without an index shows what is in it.
    pub listing: bool,
    /// Whether what is not there is answered with the start page, whose script knows more.
    pub fallback: bool,
    /// Whether requests that came without TLS are sent to HTTPS.
    pub force_https: bool,
    /// `Strict-Transport-Security`.
    pub strict_transport: Option<String>,
    /// Pages for errors.
    pub pages: Vec<StatusPage>,
    /// Who may see it; none for everybody.
    pub logins: Option<Vec<Login>>,
    /// Headers of answers.
    pub headers: Vec<HeaderRule>,
    /// Where requests are sent instead; the first that fits counts.
    pub redirects: Vec<Redirect>,
}

impl Site {
    /// The page for an error, where the site has named one.
    #[must_use]
    pub fn page(&self, status: u16) -> Option<&StatusPage> {
        self.pages.iter().find(|page| page.status == status)
    }
}

/// A page for an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    /// The error.
    pub status: u16,
    /// A path of the site, or an URL elsewhere.
    pub page: String,
    /// The status that is answered in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u16>,
}

/// Who may see a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// Their password, as `htpasswd` writes it.
    pub hash: String,
}

/// Headers of the answers to some paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRule {
    /// The paths.
    pub paths: Pattern,
    /// Headers that are set, in their order.
    pub set: Vec<(String, String)>,
    /// Headers that are taken away.
    pub removed: Vec<String>,
}

/// Where some paths' requests are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The paths.
    pub from: Pattern,
    /// A path of the site or an URL, with `:name` and `:splat` of `from`.
    pub to: String,
    /// The status: of a redirect, or of the page at `to`.
    pub status: u16,
    /// Whether it holds even where there is a file.
    pub force: bool,
}

/// Paths: `:name` stands for one part, `*` for anything; what is written is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
    Rest,
}

/// Why something is no pattern of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No path.
    #[error("a path begins with /")]
    Relative,
    /// Two stars.
    #[error("only one * may stand in a path")]
    Stars,
    /// A colon without a name.
    #[error("a name of letters and digits has to follow the colon, up to the next /")]
    Name,
}

impl Pattern {
    /// The pattern that is written so.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        if !written.starts_with('/') {
            return Err(PatternError::Relative);
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '*' if parts.contains(&Part::Rest) => return Err(PatternError::Stars),
                '*' => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Rest);
                }
                ':' if text.ends_with('/') => {
                    let end = rest.find('/').unwrap_or(rest.len());
                    let (name, after) = rest.split_at(end);
                    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                    if name.is_empty() || !name.chars().all(is_name) {
                        return Err(PatternError::Name);
                    }
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Name(name.to_owned()));
                    rest = after;
                }
                other => text.push(other),
            }
        }
        parts.push(Part::Text(text));
        Ok(Self {
            written: written.to_owned(),
            parts,
        })
    }

    /// What the names and the star (`splat`) stand for in `path`, where it is one of these. A
    /// slash at the end makes no difference, so `/a/*` is `/a` as well.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Vec<(String, String)>> {
        let other = match path.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => format!("{path}/"),
        };
        [path, &other].into_iter().find_map(|path| {
            let mut found = Vec::new();
            fits(&self.parts, path, &mut found).then_some(found)
        })
    }
}

fn fits(parts: &[Part], path: &str, found: &mut Vec<(String, String)>) -> bool {
    let Some((first, parts)) = parts.split_first() else {
        return path.is_empty();
    };
    match first {
        Part::Text(text) => path
            .strip_prefix(text.as_str())
            .is_some_and(|rest| fits(parts, rest, found)),
        Part::Name(name) => {
            let (value, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
            found.push((name.clone(), value.to_owned()));
            !value.is_empty() && fits(parts, rest, found)
        }
        // There is one star at most, so this is not tried within itself.
        Part::Rest => {
            let kept = found.len();
            let ends = (0..=path.len())
                .rev()
                .filter(|end| path.is_char_boundary(*end));
            for end in ends {
                found.truncate(kept);
                found.push(("splat".to_owned(), path[..end].to_owned()));
                if fits(parts, &path[end..], found) {
                    return true;
                }
            }
            false
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(written: String) -> Result<Self, PatternError> {
        Self::parse(&written)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_their_paths() {
        let check = |written: &str, path: &str, expected: Option<&[(&str, &str)]>| {
            let found = Pattern::parse(written).unwrap().find(path);
            let expected = expected.map(|pairs| {
                let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
                pairs.iter().map(pair).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{written} {path}");
        };
        check("/", "/", Some(&[]));
        check("/", "/a", None);
        check("/about", "/about", Some(&[]));
        check("/about", "/about/", Some(&[]));
        check("/about/", "/about", Some(&[]));
        check("/about", "/about/us", None);
        check("/*", "/", Some(&[("splat", "")]));
        check("/*", "/a/b", Some(&[("splat", "a/b")]));
        check("/news/*", "/news/1/2", Some(&[("splat", "1/2")]));
        check("/news/*", "/news", Some(&[("splat", "")]));
        check("/news/*", "/newsletter", None);
        check("/*.html", "/a/b.html", Some(&[("splat", "a/b")]));
        check(
            "/blog/:year/:month",
            "/blog/2026/11",
            Some(&[("year", "2026"), ("month", "11")]),
        );
        check("/blog/:year/x", "/blog/2026/y", None);
        check(
            "/:a/*/end",
            "/1/2/3/end",
            Some(&[("a", "1"), ("splat", "2/3")]),
        );
        check("/공지/*", "/공지/첫 공지", Some(&[("splat", "첫 공지")]));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let check = |written: &str, expected| {
            assert_eq!(Pattern::parse(written).unwrap_err(), expected, "{written}");
        };
        check("about", PatternError::Relative);
        check("/*/*", PatternError::Stars);
        check("/:", PatternError::Name);
        check("/:a-b", PatternError::Name);
    }
}

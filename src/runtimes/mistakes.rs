//! Common mistakes, known by what a tool says about them.

use serde::{Deserialize, Deserializer, de::Error};

use super::template;

/// A mistake that a build's output gives away, in words that name its cause and its mend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mistake {
    /// What a line of the output matches then. Its named groups are the names in `says`.
    #[serde(deserialize_with = "pattern")]
    pub matches: regex::Regex,
    /// One sentence for the user.
    pub says: String,
}

impl Mistake {
    /// The sentence, where `line` gives the mistake away.
    #[must_use]
    pub fn told(&self, line: &str) -> Option<String> {
        let found = self.matches.captures(line)?;
        let names = self.matches.capture_names().flatten();
        let bindings = names.map(|name| {
            let part = found.name(name).map_or("", |part| part.as_str());
            (name.to_owned(), part.trim().to_owned())
        });
        let says = template::fill(&self.says, &bindings.collect(), |text| text.into());
        Some(says.trim().to_owned())
    }

    /// A name that its sentence uses and its pattern does not have.
    pub(super) fn unbound(&self) -> Option<&str> {
        let has = |name: &&str| {
            self.matches
                .capture_names()
                .flatten()
                .any(|one| one == *name)
        };
        template::names(&self.says).find(|name| !has(name))
    }
}

/// `line` without what terminals take for colours.
#[must_use]
pub fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
            continue;
        }
        // CSI: parameters, then one letter.
        if letters.next() == Some('[') {
            letters.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    plain
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<regex::Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    let built = regex::RegexBuilder::new(&text).size_limit(1 << 20).build();
    built.map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_the_line_names() {
        let text = "matches = 'No module named (?<module>\\S+)'\n\
                    says = \"{{module}} is missing: add it to requirements.txt\"";
        let mistake: Mistake = toml::from_str(text).unwrap();
        let line = plain("\u{1b}[1;31mNo module named flask\u{1b}[0m");
        assert_eq!(
            mistake.told(&line).as_deref(),
            Some("flask is missing: add it to requirements.txt")
        );
        assert_eq!(mistake.told("all is well"), None);
        assert_eq!(mistake.unbound(), None);
    }
}

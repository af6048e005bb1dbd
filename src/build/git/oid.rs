//! Names of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Digits of a SHA-1.
const DIGITS: usize = 40;

/// The name of an object: its SHA-1 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Oid(String);

impl Oid {
    /// The name in `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == DIGITS && text.bytes().all(good)).then(|| Self(text.to_owned()))
    }

    /// What stands for no object.
    #[must_use]
    pub fn none() -> Self {
        Self("0".repeat(DIGITS))
    }

    /// Whether it stands for no object.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As many digits as people read.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for Oid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no name of an object"))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forty_small_hexadecimal_digits_are_a_name() {
        let name = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert_eq!(Oid::parse(name).unwrap().short(), "4b825dc6");
        for bad in [
            "",
            "4b825dc6",
            &name.to_uppercase(),
            &format!("{name}0"),
            "--upload-pack=x",
        ] {
            assert_eq!(Oid::parse(bad), None, "{bad}");
        }
        assert!(Oid::none().is_none());
    }
}

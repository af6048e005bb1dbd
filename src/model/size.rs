//! Sizes as people write them: `64M`, `1G`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Mebibytes, the unit of Cloud Foundry's memory and disk quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Megabytes(pub u32);

impl Megabytes {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * 1024 * 1024
    }
}

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.0)
    }
}

/// What makes a text not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a size: write a number and a unit, such as 64M or 1G \
     (B, K, KB, M, MB, G, GB, T, TB), in whole megabytes"
)]
pub struct InvalidSize(pub String);

impl FromStr for Megabytes {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let invalid = || InvalidSize(text.to_owned());
        let bytes = parse_bytes(text).ok_or_else(invalid)?;
        if bytes % (1024 * 1024) != 0 {
            return Err(invalid());
        }
        u32::try_from(bytes / (1024 * 1024))
            .map(Self)
            .map_err(|_| invalid())
    }
}

/// Bytes in a text such as `10K` or `1GB`; units are powers of 1,024 and case does not matter.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_uppercase().as_str() {
        "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        "T" | "TB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_manifests_say() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(
                text.parse::<Megabytes>().ok(),
                expected.map(Megabytes),
                "{text}"
            );
        };
        check("64M", Some(64));
        check("1g", Some(1024));
        check("2 GB", Some(2048));
        check("1024K", Some(1));
        check("1K", None);
        check("64", None);
        check("-1M", None);
        check("", None);
        check("99999999999T", None);
    }
}

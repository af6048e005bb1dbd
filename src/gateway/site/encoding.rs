//! Which precompressed neighbour of a file a client takes.

use http::{HeaderMap, header};

/// A compression and the ending of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Zstd,
    Gzip,
}

impl Encoding {
    /// In the order in which they are preferred where the client has no preference.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As in Content-Encoding.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// As in the file's name.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// The encodings that the client takes, the most wanted first.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Encoding> {
    let list = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let Some(list) = list else { return Vec::new() };
    let mut wanted: Vec<(u32, Encoding)> = Encoding::ALL
        .into_iter()
        .map(|encoding| (weight(list, encoding.name()), encoding))
        .filter(|&(weight, _)| weight > 0)
        .collect();
    wanted.sort_by_key(|&(weight, _)| std::cmp::Reverse(weight));
    wanted.into_iter().map(|(_, encoding)| encoding).collect()
}

/// The weight of `wanted`, or of `*` where it is not named, in thousandths.
fn weight(list: &str, wanted: &str) -> u32 {
    let mut any = 0;
    for item in list.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1000, crate::gateway::refusal::thousandths);
        if name.eq_ignore_ascii_case(wanted) {
            return weight;
        }
        if name == "*" {
            any = weight;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_clients_preference_counts() {
        let check = |accept: &'static str, expected: &[&str]| {
            let value = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
            let names: Vec<_> = accepted(&headers).into_iter().map(Encoding::name).collect();
            assert_eq!(names, expected, "{accept}");
        };
        check("gzip, deflate, br", &["br", "gzip"]);
        check("gzip;q=1.0, br;q=0.5", &["gzip", "br"]);
        check("br;q=0, *", &["zstd", "gzip"]);
        check("identity", &[]);
    }
}

//! What of a file a request wants: all, a range, or only news (RFC 9110, 13 and 14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};

/// What of a file is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    Whole,
    /// From the first to the last byte, both inclusive.
    Range {
        first: u64,
        last: u64,
    },
    NotModified,
    Unsatisfiable,
}

/// What the headers select of a file of `length` bytes.
pub(super) fn select(
    headers: &HeaderMap,
    etag: &str,
    changed: SystemTime,
    length: u64,
) -> Selection {
    if not_modified(headers, etag, changed) {
        return Selection::NotModified;
    }
    match text(headers, header::RANGE) {
        Some(range) if range_holds(headers, etag, changed) => ranged(range, length),
        _ => Selection::Whole,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn not_modified(headers: &HeaderMap, etag: &str, changed: SystemTime) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            let tags = value.to_str().unwrap_or("").split(',').map(str::trim);
            tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag))
                .any(|tag| tag == "*" || tag == etag)
        });
    }
    text(headers, header::IF_MODIFIED_SINCE).is_some_and(|since| is_date(since, changed))
}

/// Whether `text` is the very second of `at`. An older file that comes back with a rollback
/// is news too, so a later date does not do.
fn is_date(text: &str, at: SystemTime) -> bool {
    httpdate::parse_http_date(text).is_ok_and(|date| seconds(date) == seconds(at))
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// Whether the range still belongs to what the client has (RFC 9110, 13.1.5).
fn range_holds(headers: &HeaderMap, etag: &str, changed: SystemTime) -> bool {
    text(headers, header::IF_RANGE).is_none_or(|given| given == etag || is_date(given, changed))
}

/// One range of bytes. A list of several, another unit or nonsense selects the whole, which
/// is always allowed (RFC 9110, 14.2).
fn ranged(range: &str, length: u64) -> Selection {
    let Some(range) = range.strip_prefix("bytes=") else {
        return Selection::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Selection::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(0)) => Selection::Unsatisfiable,
        ("", _, _, Some(_)) if length == 0 => Selection::Unsatisfiable,
        ("", _, _, Some(suffix)) => Selection::Range {
            first: length.saturating_sub(suffix),
            last: length - 1,
        },
        (_, Some(first), "", _) if first < length => Selection::Range {
            first,
            last: length - 1,
        },
        (_, Some(first), _, Some(last)) if first <= last && first < length => Selection::Range {
            first,
            last: last.min(length - 1),
        },
        (_, Some(first), "", _) | (_, Some(first), _, Some(_)) if first >= length => {
            Selection::Unsatisfiable
        }
        _ => Selection::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"1-2\"";

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(784_111_777_500)
    }

    fn check(lines: &[(HeaderName, &str)], expected: Selection) {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        assert_eq!(select(&headers, ETAG, at(), 100), expected, "{lines:?}");
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let range = |text, expected| check(&[(header::RANGE, text)], expected);
        range("bytes=0-9", Selection::Range { first: 0, last: 9 });
        range(
            "bytes=90-1000",
            Selection::Range {
                first: 90,
                last: 99,
            },
        );
        range("bytes=5-", Selection::Range { first: 5, last: 99 });
        range(
            "bytes=-10",
            Selection::Range {
                first: 90,
                last: 99,
            },
        );
        range("bytes=-1000", Selection::Range { first: 0, last: 99 });
        range("bytes=100-", Selection::Unsatisfiable);
        range("bytes=100-200", Selection::Unsatisfiable);
        range("bytes=-0", Selection::Unsatisfiable);
        range("bytes=99999999999999999999999-", Selection::Unsatisfiable);
        for whole in [
            "bytes=9-5",
            "bytes=0-1,5-6",
            "lines=1-2",
            "bytes=",
            "bytes=-",
            "bytes=+1-2",
        ] {
            range(whole, Selection::Whole);
        }
    }

    #[test]
    fn a_client_that_has_it_gets_nothing() {
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Mon, 07 Nov 1994 08:49:37 GMT";
        check(
            &[(header::IF_NONE_MATCH, "\"x\", W/\"1-2\"")],
            Selection::NotModified,
        );
        check(&[(header::IF_NONE_MATCH, "*")], Selection::NotModified);
        check(&[(header::IF_NONE_MATCH, "\"x\"")], Selection::Whole);
        check(&[(header::IF_MODIFIED_SINCE, same)], Selection::NotModified);
        check(&[(header::IF_MODIFIED_SINCE, later)], Selection::Whole);
        check(
            &[
                (header::IF_NONE_MATCH, "\"x\""),
                (header::IF_MODIFIED_SINCE, same),
            ],
            Selection::Whole,
        );
    }

    #[test]
    fn a_range_of_something_older_is_not_cut_from_the_new() {
        let part = Selection::Range { first: 0, last: 4 };
        let with = |condition, expected| {
            check(
                &[(header::RANGE, "bytes=0-4"), (header::IF_RANGE, condition)],
                expected,
            );
        };
        with(ETAG, part);
        with("\"old\"", Selection::Whole);
        with("W/\"1-2\"", Selection::Whole);
        with("Sun, 06 Nov 1994 08:49:37 GMT", part);
        with("Sun, 06 Nov 1994 08:49:36 GMT", Selection::Whole);
    }
}

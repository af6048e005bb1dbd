//! Words of a query.

use super::QueryError;

/// Longest query, in bytes.
const LONGEST: usize = 8 << 10;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, or a word of the language.
    Word(String),
    Number(f64),
    /// A span of time in milliseconds.
    Span(i64),
    Text(String),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

/// Marks, the longer of two that begin alike first.
const MARKS: [&str; 22] = [
    "=~", "!~", "!=", "==", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "=", ">", "<", "+", "-",
    "*", "/", "%", "^",
];

/// Milliseconds of the units of time, the longer of two that begin alike first.
const UNITS: [(&str, i64); 7] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
    ("y", 31_536_000_000),
];

/// The words of `text`, each with where it begins, from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    if text.len() > LONGEST {
        let what = format!("it is longer than {LONGEST} bytes");
        return Err(QueryError::Parse { at: 1, what });
    }
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len() + 1;
        let wrong = |what: &str| QueryError::Parse {
            at,
            what: what.to_owned(),
        };
        let (token, length) = match first {
            '#' => {
                let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
                rest = rest[line..].trim_start();
                continue;
            }
            '"' | '\'' | '`' => quoted(rest, first).ok_or_else(|| wrong("unterminated string"))?,
            '0'..='9' | '.' => number(rest).ok_or_else(|| wrong("bad number or duration"))?,
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
                let mark = mark.ok_or_else(|| wrong("unexpected character"))?;
                (Token::Mark(mark), mark.len())
            }
        };
        found.push((at, token));
        rest = rest[length..].trim_start();
    }
    found.push((text.len() + 1, Token::End));
    Ok(found)
}

/// A quoted text, and how long it is with its quotes.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Some((Token::Text(text), at + 1)),
            '\\' if quote != '`' => match letters.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            _ => text.push(letter),
        }
    }
    None
}

/// A number or a span, and how long it is.
fn number(rest: &str) -> Option<(Token, usize)> {
    let mut length = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let exponent = rest[length..].strip_prefix(['e', 'E']);
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits.find(|c: char| !c.is_ascii_digit());
        let count = count.unwrap_or(digits.len());
        if count > 0 {
            length = rest.len() - digits.len() + count;
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !rest[length..].starts_with(is_word) {
        return Some((Token::Number(rest[..length].parse().ok()?), length));
    }
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    Some((Token::Span(span(&rest[..end])?), end))
}

/// Milliseconds of a span such as `1h30m`.
#[must_use]
pub fn span(mut text: &str) -> Option<i64> {
    let mut all: i64 = 0;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = text[..digits].parse().ok()?;
        let (unit, ms) = UNITS
            .iter()
            .find(|(unit, _)| text[digits..].starts_with(unit))?;
        all = all.checked_add(count.checked_mul(*ms)?)?;
        text = &text[digits + unit.len()..];
    }
    Some(all)
}

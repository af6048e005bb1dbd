//! Which versions of a language an app wants, in the notations of the languages' own files.

use std::cmp::Ordering;

/// Whether `version` is one that `wanted` names: `>=18 <23`, `^8.1 || ^8.2`, `~> 3.1`, `17.+`,
/// `3.11`. None where it is no such notation, such as `lts/*`.
///
/// Toolchains are the host's, which mends them: of a version that is named in full, the last
/// part may differ.
#[must_use]
pub fn allows(wanted: &str, version: &str) -> Option<bool> {
    let version = numbers(version)?;
    let mut any = false;
    let alternatives = wanted.split('|').map(str::trim);
    for alternative in alternatives.filter(|text| !text.is_empty()) {
        any |= all(alternative, &version)?;
    }
    (!wanted.trim().is_empty()).then_some(any)
}

/// Whether `version` is `least` or later; none where one of them is no version.
#[must_use]
pub fn is_at_least(version: &str, least: &str) -> Option<bool> {
    Some(compare(&numbers(version)?, &numbers(least)?) != Ordering::Less)
}

/// The numbers at the start of a version: `v20.1.0-rc1` is 20, 1, 0.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let parts = text[..end.unwrap_or(text.len())].split('.');
    let numbers: Vec<u64> = parts.map_while(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

fn compare(left: &[u64], right: &[u64]) -> Ordering {
    let part = |of: &[u64], at: usize| of.get(at).copied().unwrap_or(0);
    (0..left.len().max(right.len()))
        .map(|at| part(left, at).cmp(&part(right, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Whether every term of an alternative holds.
fn all(alternative: &str, version: &[u64]) -> Option<bool> {
    if let Some((least, most)) = alternative.split_once(" - ") {
        let (least, most) = (numbers(least)?, numbers(most)?);
        let below = compare(&version[..version.len().min(most.len())], &most);
        return Some(compare(version, &least).is_ge() && below.is_le());
    }
    let mut rest = alternative.trim();
    let mut holds = true;
    while !rest.is_empty() {
        let signs = rest.len()
            - rest
                .trim_start_matches(['<', '>', '=', '~', '^', '!'])
                .len();
        let (operator, after) = rest.split_at(signs);
        let after = after.trim_start();
        let end = after.find(|letter: char| {
            letter.is_whitespace() || letter == ',' || "<>=~^!".contains(letter)
        });
        let (named, after) = after.split_at(end.unwrap_or(after.len()));
        holds &= term(operator, named, version)?;
        rest = after.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    }
    Some(holds)
}

fn term(operator: &str, named: &str, version: &[u64]) -> Option<bool> {
    if matches!(named, "*" | "x" | "X") {
        return Some(true);
    }
    let named = numbers(named)?;
    let order = compare(version, &named);
    let same = |parts: usize| {
        let parts = parts.min(named.len());
        version.get(..parts) == Some(&named[..parts])
    };
    Some(match operator {
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        "<=" => order.is_le() || same(named.len()),
        "<" => order.is_lt(),
        "!=" => !same(named.len()),
        // What changes nothing that was there before.
        "^" => {
            let zeros = named.iter().take_while(|part| **part == 0).count();
            order.is_ge() && same(zeros + 1)
        }
        // The last part may grow.
        "~" | "~>" | "~=" => order.is_ge() && same((named.len() - 1).max(1)),
        "" | "=" | "==" | "===" => same(2),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_of_all_languages_are_read() {
        let check = |wanted: &str, version: &str, expected: Option<bool>| {
            assert_eq!(allows(wanted, version), expected, "{wanted} {version}");
        };
        check(">=18", "20.20.2", Some(true));
        check(">= 18.0.0 < 20", "20.1.0", Some(false));
        check(">=18.0.0, <21", "v20.1.0", Some(true));
        check("18 || 20", "20.1.0", Some(true));
        check("18.x || 22.x", "20.1.0", Some(false));
        check("^20.3", "20.1.0", Some(false));
        check("^20.1", "20.3.0", Some(true));
        check("^0.3.1", "0.4.0", Some(false));
        check("~20.1.5", "20.1.7", Some(true));
        check("~20.1.5", "20.2.0", Some(false));
        check("~> 3.1", "3.4.1", Some(true));
        check("~> 3.1.0", "3.2.1", Some(false));
        check("~=3.8", "3.11.7", Some(true));
        check("^7.4|^8.1", "8.2.1", Some(true));
        check("3.11.4", "3.11.7", Some(true));
        check("3.11", "3.12.0", Some(false));
        check("==3.11.*", "3.11.2", Some(true));
        check("!=3.11.*", "3.11.2", Some(false));
        check("17.+", "17.0.15", Some(true));
        check("<=3.11", "3.11.7", Some(true));
        check("16 - 18", "18.4.0", Some(true));
        check("16 - 18", "20.1.0", Some(false));
        check("*", "1.0", Some(true));
        check("lts/*", "20.1.0", None);
        check("", "20.1.0", None);
        assert_eq!(is_at_least("1.26.8", "1.21"), Some(true));
        assert_eq!(is_at_least("17.0.15", "21"), Some(false));
        assert_eq!(is_at_least("1.63.0", "1.85"), Some(false));
    }
}

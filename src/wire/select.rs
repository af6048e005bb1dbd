//! Label selectors: which resources a list is narrowed to by their labels.

use std::collections::BTreeMap;

use super::Error;

/// Most requirements in one selector (Cloud Foundry's limit).
const MOST: usize = 50;

/// What all labels must fulfil, requirement by requirement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    /// The key is there with one of the values.
    In(String, Vec<String>),
    /// The key is missing or has none of the values.
    NotIn(String, Vec<String>),
}

impl Selector {
    /// The selector in a text such as `env=prod,tier in (web,api),!old`.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names the requirement that is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let terms = split(text);
        if terms.len() > MOST {
            return Err(Error::bad_query_parameter(format!(
                "The query parameter is invalid: label_selector has more than {MOST} requirements"
            )));
        }
        let requirements = terms.into_iter().map(|term| {
            requirement(term.trim()).ok_or_else(|| {
                Error::bad_query_parameter(format!(
                    "The query parameter is invalid: Invalid label_selector value: '{}' must be \
                     one of: key, !key, key=value, key!=value, key in (a,b), key notin (a,b)",
                    term.trim()
                ))
            })
        });
        requirements.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `labels` fulfil every requirement.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Missing(key) => !labels.contains_key(key),
            Requirement::In(key, values) => {
                labels.get(key).is_some_and(|value| values.contains(value))
            }
            Requirement::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(value))
            }
        })
    }
}

/// The terms between commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn requirement(term: &str) -> Option<Requirement> {
    if let Some(key) = term.strip_prefix('!') {
        return Some(Requirement::Missing(key_of(key)?));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Some(Requirement::NotIn(key_of(key)?, vec![value_of(value)?]));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Some(Requirement::In(key_of(key)?, vec![value_of(value)?]));
    }
    if let Some((head, values)) = term.strip_suffix(')').and_then(|term| term.split_once('(')) {
        let values: Option<Vec<_>> = values.split(',').map(value_of).collect();
        let head = head.trim_end();
        // What is left ends in one of the words, with white space before it.
        let (key, word) = head.rsplit_once(char::is_whitespace)?;
        return match word {
            "in" => Some(Requirement::In(key_of(key)?, values?)),
            "notin" => Some(Requirement::NotIn(key_of(key)?, values?)),
            _ => None,
        };
    }
    Some(Requirement::Exists(key_of(term)?))
}

fn key_of(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
}

fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars().all(good).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let selector = Selector::parse(selector).unwrap();
        assert_eq!(
            selector.selects(&labels),
            expected,
            "{selector:?} {labels:?}"
        );
    }

    #[test]
    fn every_form_selects_as_documented() {
        let labels = [("env", "prod"), ("a.kr/tier", "web"), ("empty", "")];
        for (selector, expected) in [
            ("env", true),
            ("!env", false),
            ("other", false),
            ("!other", true),
            ("env=prod", true),
            ("env==prod", true),
            ("env=test", false),
            ("env!=test", true),
            ("env!=prod", false),
            ("other!=x", true),
            ("env in (test,prod)", true),
            ("env in (test)", false),
            ("env notin (test, x)", true),
            ("other notin (prod)", true),
            ("env notin (prod)", false),
            ("env=prod,a.kr/tier in (web,api),!old", true),
            ("env=prod,!env", false),
            ("empty=", true),
        ] {
            check(selector, &labels, expected);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "",
            "a,,b",
            "=x",
            "a b",
            "a in x",
            "a inside (x)",
            "in (x)",
            "a=b c",
        ] {
            assert!(Selector::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,80}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn equality_is_membership_in_one(
            key in "[a-z]{1,3}", value in "[a-z]{0,2}",
            labels in prop::collection::btree_map("[a-z]{1,3}", "[a-z]{0,2}", 0..5),
        ) {
            let select = |text: String| Selector::parse(&text).unwrap().selects(&labels);
            let equal = select(format!("{key}={value}"));
            prop_assert_eq!(equal, select(format!("{key} in ({value})")));
            prop_assert_eq!(equal, !select(format!("{key}!={value}")));
            prop_assert_eq!(equal, !select(format!("{key} notin ({value})")));
            prop_assert_eq!(select(key.clone()), !select(format!("!{key}")));
        }

        #[test]
        fn terms_are_joined_by_and(
            labels in prop::collection::btree_map("[ab]", "[xy]", 0..3),
        ) {
            let select = |text: &str| Selector::parse(text).unwrap().selects(&labels);
            prop_assert_eq!(select("a=x,b notin (x,y)"), select("a=x") && select("b notin (x,y)"));
        }
    }
}

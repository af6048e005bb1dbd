//! Query strings of the API.

use std::collections::BTreeMap;

use super::Error;

/// The parameters of a request, decoded; what a handler takes is checked off, and what
/// nobody took is refused.
#[derive(Debug, Clone, Default)]
pub struct Query {
    parameters: BTreeMap<String, String>,
}

/// Parameters that every list takes.
const LIST: [&str; 7] = [
    "page",
    "per_page",
    "order_by",
    "label_selector",
    "include",
    "created_ats",
    "updated_ats",
];

impl Query {
    /// The parameters of `query` (without `?`), of which only `valid` and those of every list
    /// may be there; keys with brackets (`fields[x]`, `created_ats[gt]`) go by what is before them.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names what is unknown and what is valid.
    pub fn parse(query: &str, valid: &[&str]) -> Result<Self, Error> {
        let parameters: BTreeMap<String, String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(pair)
            .collect();
        let known = |key: &str| {
            let stem = key.split('[').next().unwrap_or(key);
            valid.contains(&stem) || LIST.contains(&stem)
        };
        let unknown: Vec<String> = parameters
            .keys()
            .filter(|key| !known(key))
            .map(|key| format!("'{key}'"))
            .collect();
        if unknown.is_empty() {
            return Ok(Self { parameters });
        }
        let valid: Vec<String> = valid
            .iter()
            .chain(&LIST)
            .map(|name| format!("'{name}'"))
            .collect();
        Err(Error::bad_query_parameter(format!(
            "The query parameter is invalid: Unknown query parameter(s): {}. Valid parameters are: {}",
            unknown.join(", "),
            valid.join(", ")
        )))
    }

    /// The value of `key`, if it was given, be it empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }

    /// The values of a comma-separated filter; none where it was not given. An empty value is
    /// a value: `hosts=` selects routes without a host. Commas inside a value arrive
    /// percent-encoded once more.
    #[must_use]
    pub fn values(&self, key: &str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        Some(value.split(',').map(|piece| decode(piece, false)).collect())
    }

    /// The filter `key`, made once for many items.
    #[must_use]
    pub fn filter(&self, key: &str) -> super::Filter {
        super::Filter::new(self.values(key))
    }

    /// Whether `value` passes the filter `key`: it is among the values, or there is no filter.
    #[must_use]
    pub fn selects(&self, key: &str, value: &str) -> bool {
        self.values(key)
            .is_none_or(|values| values.iter().any(|wanted| wanted == value))
    }

    /// Whether a comma-separated parameter such as `include` names `item`.
    #[must_use]
    pub fn names(&self, key: &str, item: &str) -> bool {
        self.values(key)
            .is_some_and(|values| values.iter().any(|value| value == item))
    }

    /// Passes where `include` names only what is in `valid`.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names what is not.
    pub fn check_include(&self, valid: &[&str]) -> Result<(), Error> {
        let wrong = self
            .values("include")
            .unwrap_or_default()
            .into_iter()
            .find(|item| !valid.contains(&item.as_str()));
        match wrong {
            None => Ok(()),
            Some(_) if valid.is_empty() => Err(Error::bad_query_parameter(
                "The query parameter is invalid: Unknown query parameter(s): 'include'",
            )),
            Some(wrong) => Err(Error::bad_query_parameter(format!(
                "The query parameter is invalid: Invalid included resource: '{wrong}'. Valid \
                 included resources are: {}",
                valid
                    .iter()
                    .map(|name| format!("'{name}'"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }

    /// Whether a parameter says `true`.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// A whole number from 1 to `max`.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] where the value is not one.
    pub fn number(&self, key: &str, default: usize, max: usize) -> Result<usize, Error> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        match value.parse() {
            Ok(number) if (1..=max).contains(&number) => Ok(number),
            _ => Err(Error::bad_query_parameter(format!(
                "The query parameter is invalid: {key} must be between 1 and {max}"
            ))),
        }
    }

    /// The parameters again as a query string, with another page.
    #[must_use]
    pub fn with_page(&self, page: usize, per_page: usize) -> String {
        let mut text = format!("page={page}&per_page={per_page}");
        for (key, value) in &self.parameters {
            if key != "page" && key != "per_page" {
                text.push('&');
                text.push_str(&encode(key));
                text.push('=');
                text.push_str(&encode(value));
            }
        }
        text
    }
}

/// The key and value of one `key=value` of a form or query string, decoded.
#[must_use]
pub fn pair(pair: &str) -> (String, String) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decode(key, true), decode(value, true))
}

fn decode(text: &str, form: bool) -> String {
    let text = if form {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    percent_encoding::percent_decode_str(&text)
        .decode_utf8_lossy()
        .into_owned()
}

/// `text` as it may stand as a key or a value of a query string or a form.
#[must_use]
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_filters_and_encoded_commas_are_values() {
        let query = Query::parse("hosts=&names=a%252Cb,c&page=2", &["hosts", "names"]).unwrap();
        assert_eq!(query.values("hosts"), Some(vec![String::new()]));
        assert_eq!(
            query.values("names"),
            Some(vec!["a,b".to_owned(), "c".to_owned()])
        );
        assert_eq!(query.values("paths"), None);
        assert!(query.selects("paths", "/x"));
        assert!(!query.selects("hosts", "x"));
        assert_eq!(
            query.with_page(3, 50),
            "page=3&per_page=50&hosts=&names=a%252Cb%2Cc"
        );
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let error = Query::parse("colour=red&fields%5Bspace%5D=name", &["fields"]).unwrap_err();
        assert!(
            error
                .detail
                .contains("Unknown query parameter(s): 'colour'"),
            "{error}"
        );
    }
}

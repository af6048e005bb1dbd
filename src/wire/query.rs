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
const LIST: [&str; 6] = [
    "page",
    "per_page",
    "order_by",
    "created_ats",
    "updated_ats",
    "guids",
];

/// Parameters whose keys go on in brackets: `fields[space]`, `created_ats[gt]`.
const BRACKETED: [&str; 4] = ["fields", "created_ats", "updated_ats", "target_guids"];

impl Query {
    /// The parameters of `query` (without `?`), of which only `valid` may be there; keys with
    /// brackets go by what is before them.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names what is unknown and what is valid.
    pub fn parse(query: &str, valid: &[&str]) -> Result<Self, Error> {
        let parameters: BTreeMap<String, String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(pair)
            .collect();
        let unknown: Vec<&str> = parameters
            .keys()
            .map(|key| stem(key))
            .filter(|stem| !valid.contains(stem))
            .collect();
        if !unknown.is_empty() {
            return Err(wrong(format!(
                "Unknown query parameter(s): {}. Valid parameters are: {}",
                quoted(&unknown),
                quoted(valid)
            )));
        }
        let hash = parameters
            .keys()
            .find(|key| key.contains('[') && !BRACKETED.contains(&stem(key)));
        if let Some(key) = hash {
            return Err(wrong(format!("{} must be an array", sentence(stem(key)))));
        }
        Ok(Self { parameters })
    }

    /// The same for a list, which takes `filters` and what every list does.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn list(query: &str, filters: &[&str]) -> Result<Self, Error> {
        let own = filters.iter().filter(|filter| !LIST.contains(filter));
        let valid: Vec<&str> = LIST.iter().chain(own).copied().collect();
        Self::parse(query, &valid)
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
        let mut pieces = value.split(',');
        let first = pieces.next().unwrap_or_default();
        // Cloud Foundry, app/messages/base_message.rb: white space after a comma does not count.
        let rest = pieces.map(str::trim_start);
        Some(
            std::iter::once(first)
                .chain(rest)
                .map(|piece| decode(piece, false))
                .collect(),
        )
    }

    /// The filter `key`, made once for many items.
    #[must_use]
    pub fn filter(&self, key: &str) -> super::Filter {
        super::Filter::new(self.values(key))
    }

    /// What stands in brackets after `key`, with the brackets; empty where it stands alone.
    pub(super) fn operators<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters
            .keys()
            .filter_map(move |given| given.strip_prefix(key))
    }

    /// The one of them that says what is not plainly equal, if there is one.
    #[must_use]
    pub fn only_operator<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.operators(key).max()
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

    /// Passes where `include` names only what is in `valid`, and nothing twice.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names what is not.
    pub fn check_include(&self, valid: &[&str]) -> Result<(), Error> {
        self.check_names("include", "included", valid)
    }

    /// The same for another parameter, whose items are `kind` resources.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names what is not.
    pub fn check_names(&self, key: &str, kind: &str, valid: &[&str]) -> Result<(), Error> {
        let mut seen = Vec::new();
        for item in self.values(key).unwrap_or_default() {
            if !valid.contains(&item.as_str()) {
                return Err(wrong(format!(
                    "Invalid {kind} resource: '{item}'. Valid {kind} resources are: {}",
                    quoted(valid)
                )));
            }
            if seen.contains(&item) {
                return Err(wrong(format!("Duplicate {kind} resource: '{item}'")));
            }
            seen.push(item);
        }
        Ok(())
    }

    /// Passes where `fields[resource]` asks only for what is in `valid`.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] says what may be asked for.
    pub fn check_fields(&self, valid: &[(&str, &[&str])]) -> Result<(), Error> {
        for key in self.parameters.keys() {
            if stem(key) != "fields" {
                continue;
            }
            let resource = key
                .strip_prefix("fields[")
                .and_then(|key| key.strip_suffix(']'))
                .ok_or_else(|| wrong("Fields must be an object"))?;
            let known = valid.iter().find(|(name, _)| *name == resource);
            let Some((_, fields)) = known else {
                let resources: Vec<&str> = valid.iter().map(|(name, _)| *name).collect();
                return Err(wrong(format!(
                    "Fields [{resource}] valid resources are: {}",
                    quoted(&resources)
                )));
            };
            let asked = self.values(key).unwrap_or_default();
            if !asked.iter().all(|field| fields.contains(&field.as_str())) {
                return Err(wrong(format!(
                    "Fields valid keys for '{resource}' are: {}",
                    quoted(fields)
                )));
            }
        }
        Ok(())
    }

    /// Passes where `key` is one of `valid`, or not there.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] says what it may be.
    pub fn check_one_of(&self, key: &str, valid: &[&str]) -> Result<(), Error> {
        match self.get(key) {
            Some(value) if !valid.contains(&value) => Err(wrong(format!(
                "{} must be one of {}",
                sentence(key),
                quoted(valid)
            ))),
            _ => Ok(()),
        }
    }

    /// Passes where each of `keys` is `true` or `false`, or not there.
    ///
    /// # Errors
    /// [`Error::bad_query_parameter`] names the one that is not.
    pub fn check_switches(&self, keys: &[&str]) -> Result<(), Error> {
        for key in keys {
            if !matches!(self.get(key), None | Some("true" | "false")) {
                return Err(wrong(format!(
                    "{} must be 'true' or 'false'",
                    sentence(key)
                )));
            }
        }
        Ok(())
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
            Ok(number) if number > max => Err(wrong(format!(
                "{} must be between 1 and {max}",
                sentence(key)
            ))),
            _ => Err(wrong(format!(
                "{} must be a positive integer",
                sentence(key)
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

/// What is before the bracket in a key.
fn stem(key: &str) -> &str {
    key.split('[').next().unwrap_or(key)
}

/// The error about a query, in Cloud Foundry's frame.
pub(super) fn wrong(what: impl std::fmt::Display) -> Error {
    Error::bad_query_parameter(format!("The query parameter is invalid: {what}"))
}

/// A parameter's name at the start of a sentence: `per_page` is `Per page`.
pub(super) fn sentence(key: &str) -> String {
    let mut words = key.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// The names between quotes, with commas.
pub(super) fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    quoted.join(", ")
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
        let query = Query::list("hosts=&names=a%252Cb,+c&page=2", &["hosts", "names"]).unwrap();
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
            "page=3&per_page=50&hosts=&names=a%252Cb%2C%20c"
        );
    }

    /// What Cloud Foundry says to a query string.
    fn complaint(text: &str) -> String {
        let query = match Query::list(text, &["names", "available", "type", "fields", "include"]) {
            Ok(query) => query,
            Err(error) => return error.detail,
        };
        let checks = [
            query.check_include(&["app", "space"]),
            query.check_fields(&[("space", &["name", "guid"])]),
            query.check_one_of("type", &["app", "key"]),
            query.check_switches(&["available"]),
            query.number("page", 1, usize::MAX).map(drop),
            query.number("per_page", 50, 5000).map(drop),
        ];
        checks.into_iter().find_map(Result::err).unwrap().detail
    }

    #[test]
    fn what_is_wrong_is_said_in_cloud_foundrys_words() {
        for (text, expected) in [
            ("per_page=0", "Per page must be a positive integer"),
            ("per_page=5001", "Per page must be between 1 and 5000"),
            ("page=x", "Page must be a positive integer"),
            (
                "include=app,org",
                "Invalid included resource: 'org'. Valid included resources are: 'app', 'space'",
            ),
            ("include=app,app", "Duplicate included resource: 'app'"),
            ("fields=name", "Fields must be an object"),
            (
                "fields[org]=name",
                "Fields [org] valid resources are: 'space'",
            ),
            (
                "fields[space]=name,url",
                "Fields valid keys for 'space' are: 'name', 'guid'",
            ),
            ("type=x", "Type must be one of 'app', 'key'"),
            ("available=yes", "Available must be 'true' or 'false'"),
            ("names[a]=b", "Names must be an array"),
        ] {
            let expected = format!("The query parameter is invalid: {expected}");
            assert_eq!(complaint(text), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let error = Query::list("colour=red&fields%5Bspace%5D=name", &["fields"]).unwrap_err();
        assert!(
            error.detail.contains(
                "Unknown query parameter(s): 'colour'. Valid parameters are: 'page', 'per_page'"
            ),
            "{error}"
        );
        let query = Query::parse("guids=x", &["include"]);
        assert!(query.is_err());
    }
}

//! Lists and their pages.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{Base, Error, Query};

/// Most results on one page (Cloud Foundry's own limit).
const MAX_PER_PAGE: usize = 5000;
/// Results on a page where the client does not say.
const PER_PAGE: usize = 50;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    total: usize,
    number: usize,
    per_page: usize,
}

/// The page that `query` asks for, out of `all`, which are filtered and in order.
///
/// # Errors
/// [`Error::bad_query_parameter`] where `page` or `per_page` is not a number in range.
pub fn paginate<T>(query: &Query, all: Vec<T>) -> Result<Page<T>, Error> {
    let number = query.number("page", 1, usize::MAX)?;
    let per_page = query.number("per_page", PER_PAGE, MAX_PER_PAGE)?;
    let total = all.len();
    let skip = (number - 1).saturating_mul(per_page);
    let items = all.into_iter().skip(skip).take(per_page).collect();
    Ok(Page {
        items,
        total,
        number,
        per_page,
    })
}

/// The document of a page. Its resources are text already: as values those of a large page
/// would take ten times the room, all at once.
#[derive(Debug, Serialize)]
pub struct List {
    pagination: Value,
    resources: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    included: Option<Map<String, Value>>,
}

impl JsonSchema for List {
    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }

    fn inline_schema() -> bool {
        true
    }
}

impl<T> Page<T> {
    /// The list document: `pagination`, `resources` and, where there is some, `included`.
    /// `path` is the list's own (`/v3/apps`).
    pub fn list(
        &self,
        base: &Base,
        path: &str,
        query: &Query,
        included: Option<Map<String, Value>>,
        mut present: impl FnMut(&T) -> Value,
    ) -> List {
        let pages = self.total.div_ceil(self.per_page).max(1);
        let link =
            |page: usize| base.link(&format!("{path}?{}", query.with_page(page, self.per_page)));
        // A value is always JSON.
        let text = |item| serde_json::value::to_raw_value(&present(item)).unwrap_or_default();
        List {
            pagination: json!({
                "total_results": self.total,
                "total_pages": pages,
                "first": link(1),
                "last": link(pages),
                "next": (self.number < pages).then(|| link(self.number + 1)),
                "previous": (self.number > 1).then(|| link(self.number - 1)),
            }),
            resources: self.items.iter().map(text).collect(),
            included,
        }
    }
}

/// `included` of a list or a single resource, under plural names.
#[must_use]
pub fn included<'a>(parts: impl IntoIterator<Item = (&'a str, Vec<Value>)>) -> Map<String, Value> {
    parts
        .into_iter()
        .map(|(name, items)| (name.to_owned(), Value::Array(items)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn following_next_shows_each_item_once(total in 0_usize..60, per_page in 1_usize..20) {
            let base = Base::new("https", "api.test");
            let mut text = format!("names=a%252Cb&per_page={per_page}");
            let mut seen = Vec::new();
            loop {
                let query = Query::list(&text, &["names"]).unwrap();
                let page = paginate(&query, (0..total).collect()).unwrap();
                let list = page.list(&base, "/v3/x", &query, None, |item| json!(item));
                let document = json!(list);
                prop_assert_eq!(&document["pagination"]["total_results"], &json!(total));
                let numbers = document["resources"].as_array().unwrap().clone();
                prop_assert!(numbers.len() <= per_page);
                seen.extend(numbers);
                prop_assert_eq!(query.values("names"), Some(vec!["a,b".to_owned()]));
                let Some(next) = document["pagination"]["next"]["href"].as_str() else {
                    break;
                };
                text = next.strip_prefix("https://api.test/v3/x?").unwrap().to_owned();
            }
            prop_assert_eq!(seen, (0..total).map(|n| json!(n)).collect::<Vec<_>>());
        }
    }
}

//! What every list can be narrowed and ordered by.

use std::{cmp::Ordering, collections::HashSet, ops::Deref};

use uuid::Uuid;

use super::{
    Error, Query,
    query::{quoted, sentence, wrong},
    select::Selector,
};
use crate::model::{
    App, AppUsage, Binding, Broker, Build, Deployment, Domain, Droplet, Event, IsolationSegment,
    Metadata, Offering, Org, OrgQuota, Package, Plan, Process, Revision, Role, Route, RouteBinding,
    SecurityGroup, Service, ServiceUsage, Sidecar, Space, SpaceQuota, Stack, Task, Timestamp, User,
};

/// Something that stands in lists.
pub trait Listed {
    /// Its guid.
    fn guid(&self) -> Uuid;
    /// When it was made.
    fn created_at(&self) -> Timestamp;
    /// When it was last changed.
    fn updated_at(&self) -> Timestamp;
    /// Its name, where `order_by=name` makes sense.
    fn name(&self) -> Option<&str>;
    /// Its labels and annotations, where it has some.
    fn metadata(&self) -> Option<&Metadata>;
}

macro_rules! listed {
    ($($kind:ident $changed:ident $name:expr, $metadata:expr;)*) => {$(
        impl Listed for $kind {
            fn guid(&self) -> Uuid {
                self.id.uuid()
            }
            fn created_at(&self) -> Timestamp {
                self.created_at
            }
            fn updated_at(&self) -> Timestamp {
                self.$changed
            }
            fn name(&self) -> Option<&str> {
                let name: fn(&Self) -> Option<&str> = $name;
                name(self)
            }
            fn metadata(&self) -> Option<&Metadata> {
                let metadata: fn(&Self) -> Option<&Metadata> = $metadata;
                metadata(self)
            }
        }
    )*};
}

listed! {
    Org updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    IsolationSegment updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    OrgQuota updated_at |x| Some(&x.name), |_| None;
    SpaceQuota updated_at |x| Some(&x.name), |_| None;
    Space updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    Stack updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    User updated_at |_| None, |x| Some(&x.metadata);
    Role created_at |_| None, |_| None;
    Domain updated_at |_| None, |x| Some(&x.metadata);
    App updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    Process updated_at |_| None, |x| Some(&x.metadata);
    Package updated_at |_| None, |x| Some(&x.metadata);
    Build updated_at |_| None, |x| Some(&x.metadata);
    Droplet updated_at |_| None, |x| Some(&x.metadata);
    Route updated_at |_| None, |x| Some(&x.metadata);
    Sidecar updated_at |x| Some(&x.plan.name), |_| None;
    Task updated_at |_| None, |x| Some(&x.metadata);
    Revision updated_at |_| None, |x| Some(&x.metadata);
    Deployment updated_at |_| None, |x| Some(&x.metadata);
    AppUsage created_at |_| None, |_| None;
    Event created_at |_| None, |_| None;
    SecurityGroup updated_at |x| Some(&x.name), |_| None;
    Service updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    Broker updated_at |x| Some(&x.name), |x| Some(&x.metadata);
    Offering updated_at |x| Some(&x.terms.name), |x| Some(&x.metadata);
    Plan updated_at |x| Some(&x.terms.name), |x| Some(&x.metadata);
    RouteBinding updated_at |_| None, |x| Some(&x.metadata);
    ServiceUsage created_at |_| None, |_| None;
    Binding updated_at |x| Some(x.name.as_deref().unwrap_or_default()), |x| Some(&x.metadata);
}

/// An order that a list can be put in beside those by time, with its name.
pub type Order<T> = (&'static str, fn(&T, &T) -> Ordering);

/// The order by name.
#[must_use]
pub const fn by_name<T: Listed>() -> Order<T> {
    ("name", |a, b| a.name().cmp(&b.name()))
}

/// Narrows `items` to what `guids`, `label_selector`, `created_ats` and `updated_ats` select,
/// and puts them in the order of `order_by`, which may be one of `orders`: oldest first where
/// nothing is said.
///
/// # Errors
/// [`Error::bad_query_parameter`] where one of these has a value that makes no sense.
pub fn arrange<P, T: Listed>(
    query: &Query,
    items: &mut Vec<P>,
    orders: &[Order<T>],
) -> Result<(), Error>
where
    P: Deref<Target = T>,
{
    let guids = query.filter("guids");
    let selector = query
        .get("label_selector")
        .map(Selector::parse)
        .transpose()?;
    let created = Times::parse(query, "created_ats")?;
    let updated = Times::parse(query, "updated_ats")?;
    items.retain(|item| {
        (guids.is_open() || guids.passes_id(item.guid()))
            && created.pass(item.created_at())
            && updated.pass(item.updated_at())
            && selector.as_ref().is_none_or(|selector| {
                item.metadata()
                    .is_some_and(|metadata| selector.selects(&metadata.labels))
            })
    });
    let order = query.get("order_by").unwrap_or("created_at");
    let (key, descending) = match order.strip_prefix('-') {
        Some(key) => (key, true),
        None => (order.strip_prefix('+').unwrap_or(order), false),
    };
    let compare = match key {
        "created_at" => |a: &T, b: &T| a.created_at().cmp(&b.created_at()),
        "updated_at" => |a: &T, b: &T| a.updated_at().cmp(&b.updated_at()),
        _ => match orders.iter().find(|(name, _)| *name == key) {
            Some((_, compare)) => *compare,
            None => {
                let own = orders.iter().map(|(name, _)| *name);
                let valid: Vec<&str> = ["created_at", "updated_at"]
                    .into_iter()
                    .chain(own)
                    .collect();
                return Err(wrong(format!("Order by can only be: {}", quoted(&valid))));
            }
        },
    };
    items.sort_by(|a, b| {
        let order = compare(a, b).then_with(|| a.guid().cmp(&b.guid()));
        if descending { order.reverse() } else { order }
    });
    Ok(())
}

/// The values that a filter lets pass.
#[derive(Debug, Clone)]
pub struct Filter {
    /// None where nobody asked for the filter.
    values: Option<HashSet<String>>,
    /// The same in lower case, made once for many names.
    lower: HashSet<String>,
}

impl Filter {
    pub(super) fn new(values: Option<Vec<String>>) -> Self {
        let lower = values.iter().flatten().map(|value| value.to_lowercase());
        Self {
            lower: lower.collect(),
            values: values.map(HashSet::from_iter),
        }
    }

    /// Whether everything passes, since nobody asked for the filter.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.values.is_none()
    }

    /// Whether `value` passes.
    #[must_use]
    pub fn passes(&self, value: &str) -> bool {
        self.values
            .as_ref()
            .is_none_or(|values| values.contains(value))
    }

    /// Whether the guid, or whatever `value` shows as, passes.
    #[must_use]
    pub fn passes_id(&self, value: impl std::fmt::Display) -> bool {
        self.values
            .as_ref()
            .is_none_or(|values| values.contains(&value.to_string()))
    }

    /// Whether the guid passes; where there is none, only an open filter lets it.
    #[must_use]
    pub fn passes_maybe(&self, value: Option<impl std::fmt::Display>) -> bool {
        self.is_open() || value.is_some_and(|value| self.passes_id(value))
    }

    /// Whether the name passes, whatever its case.
    #[must_use]
    pub fn passes_name(&self, name: &str) -> bool {
        self.is_open() || self.lower.contains(&name.to_lowercase())
    }
}

/// The seconds of a time as the API shows times, which is the one form that it reads.
fn seconds(text: &str) -> Option<u64> {
    let whole = text.len() == "YYYY-MM-DDThh:mm:ssZ".len() && text.ends_with('Z');
    let at = Timestamp::parse(text).filter(|_| whole)?;
    Some(at.seconds())
}

/// Points in time to compare with, in whole seconds as the API shows times.
struct Times(Vec<(Compare, Vec<u64>)>);

type Compare = fn(&u64, &u64) -> bool;

impl Times {
    fn parse(query: &Query, key: &str) -> Result<Self, Error> {
        let operators: [(&str, Compare); 5] = [
            ("", |a, b| a == b),
            ("[gt]", |a, b| a > b),
            ("[gte]", |a, b| a >= b),
            ("[lt]", |a, b| a < b),
            ("[lte]", |a, b| a <= b),
        ];
        if let Some(operator) = query.operators(key).find(|given| {
            let known = |(suffix, _): &(&str, Compare)| suffix == given;
            !operators.iter().any(known)
        }) {
            return Err(wrong(format!(
                "{} Invalid relational operator: '{}'",
                sentence(key),
                operator.trim_matches(['[', ']'])
            )));
        }
        let mut bounds = Vec::new();
        for (suffix, compare) in operators {
            let Some(values) = query.values(&format!("{key}{suffix}")) else {
                continue;
            };
            if !suffix.is_empty() && values.len() > 1 {
                return Err(wrong(format!(
                    "{} only accepts one value when using a relational operator",
                    sentence(key)
                )));
            }
            let times = values.iter().map(|value| seconds(value));
            let times = times.collect::<Option<Vec<_>>>().ok_or_else(|| {
                wrong(format!(
                    "{} has an invalid timestamp format. Timestamps should be formatted as \
                     'YYYY-MM-DDThh:mm:ssZ'",
                    sentence(key)
                ))
            })?;
            bounds.push((compare, times));
        }
        Ok(Self(bounds))
    }

    fn pass(&self, at: Timestamp) -> bool {
        self.0
            .iter()
            .all(|(compare, times)| times.iter().any(|time| compare(&at.seconds(), time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrgId, OrgName};

    fn org(name: &str, at: u64, labels: &[(&str, &str)]) -> Org {
        let mut metadata = Metadata::default();
        for (key, value) in labels {
            metadata
                .labels
                .insert((*key).to_owned(), (*value).to_owned());
        }
        Org {
            id: OrgId::random(),
            name: OrgName::parse(name).unwrap(),
            suspended: false,
            quota: None,
            isolation_segment: None,
            metadata,
            created_at: Timestamp::from_millis(at * 1000),
            updated_at: Timestamp::from_millis(at * 1000),
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let orgs = [
            org("b", 1, &[("env", "prod")]),
            org("c", 2, &[]),
            org("a", 3, &[("env", "test")]),
        ];
        let mut items: Vec<&Org> = orgs.iter().collect();
        let query = Query::list(text, &["label_selector"]).unwrap();
        arrange(&query, &mut items, &[by_name()]).unwrap();
        let names: Vec<_> = items.iter().map(|org| org.name.as_str()).collect();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn lists_are_narrowed_and_ordered() {
        check("", &["b", "c", "a"]);
        check("order_by=name", &["a", "b", "c"]);
        check("order_by=-created_at", &["a", "c", "b"]);
        check("label_selector=env", &["b", "a"]);
        check("label_selector=env%21%3Dprod&order_by=-name", &["c", "a"]);
        check("created_ats%5Bgt%5D=1970-01-01T00:00:01Z", &["c", "a"]);
        check("created_ats=1970-01-01T00:00:02Z", &["c"]);
        check("guids=", &[]);
    }

    #[test]
    fn nonsense_is_refused() {
        let orgs = [org("a", 1, &[])];
        for text in [
            "order_by=name",
            "created_ats[gt]=now",
            "created_ats[gt]=2026-01-02T03:04:05Z,2026-01-02T03:04:05Z",
            "created_ats[eq]=2026-01-02T03:04:05Z",
            "created_ats=2026-01-02T03:04:05.1Z",
            "label_selector=",
        ] {
            let query = Query::list(text, &["label_selector"]).unwrap();
            let mut items: Vec<&Org> = orgs.iter().collect();
            assert_eq!(
                arrange(&query, &mut items, &[]).unwrap_err().code,
                10005,
                "{text}"
            );
        }
    }
}

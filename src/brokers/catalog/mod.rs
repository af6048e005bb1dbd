//! Catalogs: what brokers say that they offer, checked.

mod complaints;
mod offering;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use self::complaints::Complaints;
pub use self::complaints::Invalid;
use crate::model::{OfferingTerms, PlanTerms};

/// What a broker offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Offerings, each with its plans.
    pub offerings: Vec<(OfferingTerms, Vec<PlanTerms>)>,
}

/// The catalog that `document` holds.
///
/// # Errors
/// Everything that is wrong with it, in Cloud Foundry's words.
pub fn read(document: &Value) -> Result<Catalog, Invalid> {
    let mut whole = Complaints::default();
    let mut catalog = Catalog::default();
    let services = match document.get("services") {
        Some(Value::Array(services)) if services.iter().all(Value::is_object) => {
            services.as_slice()
        }
        None | Some(Value::Null) => &[],
        Some(_) => {
            whole.add("Service broker must provide services as an array of hashes");
            return Err(whole.into());
        }
    };
    if services.is_empty() {
        whole.add("Service broker must provide at least one service");
    }
    for service in services {
        let (terms, plans, complaints) = offering::read(service);
        whole.nest(format!("Service {}", terms.name), complaints);
        catalog.offerings.push((terms, plans));
    }
    let offerings = || catalog.offerings.iter().map(|(terms, _)| terms);
    if repeats(offerings().map(|terms| &terms.id)) {
        whole.add("Service ids must be unique");
    }
    if repeats(offerings().map(|terms| &terms.name)) {
        whole.add("Service names must be unique within a broker");
    }
    let mut seen: Vec<(&OfferingTerms, &PlanTerms)> = Vec::new();
    for (offering, plans) in &catalog.offerings {
        for plan in plans {
            let same = |(of, other): &&(&OfferingTerms, &PlanTerms)| {
                other.id == plan.id && !std::ptr::eq(*of, offering)
            };
            if let Some((of, other)) = seen.iter().find(same) {
                whole.add(format!(
                    "Plan ids must be unique. Unable to register plan with id '{}' (plan name \
                     '{}', service name '{}') because it uses the same id as another plan in the \
                     catalog (plan name '{}', service name '{}')",
                    plan.id, plan.name, offering.name, other.name, of.name
                ));
            }
            seen.push((offering, plan));
        }
    }
    if whole.is_empty() {
        Ok(catalog)
    } else {
        Err(whole.into())
    }
}

fn repeats<'a>(values: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = BTreeSet::new();
    let mut values = values.filter(|value| !value.is_empty());
    !values.all(|value| seen.insert(value))
}

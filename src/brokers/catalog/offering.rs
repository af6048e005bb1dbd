//! One offering of a catalog.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    complaints::{Complaints, shown},
    plan,
};
use crate::model::{OfferingTerms, PlanTerms};

/// What an offering can have to be allowed.
const REQUIRES: [&str; 3] = ["syslog_drain", "route_forwarding", "volume_mount"];
/// Most characters of all tags together.
const LONGEST_TAGS: usize = 2048;

/// The offering, its plans, and what is wrong with them.
pub(super) fn read(service: &Value) -> (OfferingTerms, Vec<PlanTerms>, Complaints) {
    let mut wrong = Complaints::default();
    let id = wrong.text(service, "id", "Service id");
    let name = wrong.text(service, "name", "Service name");
    let description = wrong.description(service, "Service description");
    let bindable = wrong.flag(service, "bindable", "Service \"bindable\" field");
    let says = service
        .get("bindable")
        .is_some_and(|value| !value.is_null());
    if bindable.is_none() && !says {
        wrong.add("Service \"bindable\" field is required");
    }
    let mut flag = |key: &str| {
        let flag = wrong.flag(service, key, &format!("Service \"{key}\" field"));
        flag.unwrap_or_default()
    };
    let plan_updateable = flag("plan_updateable");
    let bindings_retrievable = flag("bindings_retrievable");
    let instances_retrievable = flag("instances_retrievable");
    let allow_context_updates = flag("allow_context_updates");
    let tags = wrong.texts(service, "tags", "Service tags");
    let length: usize = tags.iter().map(|tag| tag.chars().count()).sum();
    if length > LONGEST_TAGS {
        wrong.add(format!(
            "Tags for the service {name} must be 2048 characters or less."
        ));
    }
    let requires = wrong.texts(service, "requires", "Service requires");
    for required in &requires {
        if !REQUIRES.contains(&required.as_str()) {
            wrong.add(format!(
                "Service \"requires\" field contains unsupported value \"{required}\""
            ));
        }
    }
    let metadata = wrong.object(service, "metadata", "Service metadata");
    if let Some(shareable) = metadata.get("shareable")
        && !shareable.is_boolean()
        && !shareable.is_null()
    {
        let shown = shown(shareable);
        wrong.add(format!(
            "Service metadata shareable must be a boolean, but has value {shown}"
        ));
    }
    dashboard_client(service, &mut wrong);
    let plans = plans(service, &name, &mut wrong);
    let terms = OfferingTerms {
        id,
        name,
        description,
        bindable: bindable.unwrap_or_default(),
        plan_updateable,
        instances_retrievable,
        bindings_retrievable,
        allow_context_updates,
        tags,
        requires,
        metadata,
    };
    (terms, plans, wrong)
}

fn dashboard_client(service: &Value, wrong: &mut Complaints) {
    let name = "Service dashboard client attributes";
    let before = wrong.is_empty();
    let client = wrong.object(service, "dashboard_client", name);
    if client.is_empty() || before != wrong.is_empty() {
        return;
    }
    let client = Value::Object(client);
    wrong.text(&client, "id", "Service dashboard client id");
    wrong.text(&client, "secret", "Service dashboard client secret");
    let name = "Service dashboard client redirect_uri";
    wrong.text(&client, "redirect_uri", name);
}

fn plans(service: &Value, name: &str, wrong: &mut Complaints) -> Vec<PlanTerms> {
    let plans = match service.get("plans") {
        Some(Value::Array(plans)) if plans.iter().all(Value::is_object) => plans.as_slice(),
        None | Some(Value::Null) => &[],
        Some(other) => {
            let shown = shown(other);
            wrong.add(format!(
                "Service plans list must be an array of hashes, but has value {shown}"
            ));
            return Vec::new();
        }
    };
    if plans.is_empty() {
        wrong.add("At least one plan is required");
    }
    let mut read = Vec::new();
    for plan in plans {
        let (terms, complaints) = plan::read(plan);
        wrong.nest(format!("Plan {}", terms.name), complaints);
        read.push(terms);
    }
    for id in repeated(read.iter().map(|plan| plan.id.as_str())) {
        wrong.add(format!(
            "Plan ids must be unique. Service {name} already has a plan with id '{id}'"
        ));
    }
    for plan in repeated(read.iter().map(|plan| plan.name.as_str())) {
        wrong.add(format!(
            "Plan names must be unique within a service. Service {name} already has a plan named \
             {plan}"
        ));
    }
    read
}

/// Those that are there more than once.
fn repeated<'a>(values: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    values
        .filter(|value| !value.is_empty())
        .filter(|value| !seen.insert(*value))
        .collect()
}

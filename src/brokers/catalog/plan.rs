//! One plan of a catalog.

use serde_json::{Map, Value};

use super::complaints::{Complaints, shown};
use crate::model::{MaintenanceInfo, PlanTerms, Schemas};

/// Most characters of maintenance info as JSON.
const LONGEST_INFO: usize = 2000;
/// Most bytes of a schema as JSON.
const LONGEST_SCHEMA: usize = 64 * 1024;

/// The plan, and what is wrong with it.
pub(super) fn read(plan: &Value) -> (PlanTerms, Complaints) {
    let mut wrong = Complaints::default();
    let id = wrong.text(plan, "id", "Plan id");
    let name = wrong.text(plan, "name", "Plan name");
    let description = wrong.description(plan, "Plan description");
    let metadata = wrong.object(plan, "metadata", "Plan metadata");
    let free = wrong.flag(plan, "free", "Plan free");
    let bindable = wrong.flag(plan, "bindable", "Plan bindable");
    let plan_updateable = wrong.flag(plan, "plan_updateable", "Plan updateable");
    let maximum_polling_duration = match plan.get("maximum_polling_duration") {
        None | Some(Value::Null) => None,
        Some(value) => value.as_u64().or_else(|| {
            let shown = shown(value);
            wrong.add(format!(
                "Maximum polling duration must be an integer, but has value {shown}"
            ));
            None
        }),
    };
    let maintenance_info = maintenance_info(plan, &mut wrong);
    let schemas = schemas(plan, &mut wrong);
    let terms = PlanTerms {
        id,
        name,
        description,
        free: free.unwrap_or(true),
        bindable,
        plan_updateable,
        maximum_polling_duration,
        maintenance_info,
        metadata,
        schemas,
    };
    (terms, wrong)
}

fn maintenance_info(plan: &Value, wrong: &mut Complaints) -> Option<MaintenanceInfo> {
    let value = plan
        .get("maintenance_info")
        .filter(|value| !value.is_null())?;
    let info = wrong.object(plan, "maintenance_info", "Maintenance info");
    let whole = Value::Object(info);
    let version = whole.get("version");
    let version = match version {
        Some(Value::String(text)) if is_semantic(text) => text.clone(),
        other => {
            let shown = shown(other.unwrap_or(&Value::Null));
            wrong.add(format!(
                "Maintenance info version must be a Semantic Version, but has value {shown}"
            ));
            String::new()
        }
    };
    let name = "Maintenance info description";
    let description = wrong.text_or_none(&whole, "description", name);
    let length = value.to_string().chars().count();
    if length > LONGEST_INFO {
        wrong.add(format!(
            "Maintenance info must serialize to {LONGEST_INFO} characters or fewer in JSON, but \
             serializes to {length} characters"
        ));
    }
    let extra: Vec<_> = whole
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| !["version", "description"].contains(&key.as_str()))
        .map(String::as_str)
        .collect();
    if !extra.is_empty() {
        wrong.add(format!(
            "Maintenance info contains invalid key(s): {}",
            extra.join(", ")
        ));
    }
    Some(MaintenanceInfo {
        version,
        description,
    })
}

/// Whether it is a semantic version (Semantic Versioning 2.0.0).
fn is_semantic(text: &str) -> bool {
    let (rest, build) = text
        .split_once('+')
        .map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let numbers: Vec<_> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|part| number(part))
        && pre.is_none_or(|pre| {
            pre.split('.')
                .all(|part| word(part) && (!digits(part) || number(part)))
        })
        && build.is_none_or(|build| build.split('.').all(word))
}

fn schemas(plan: &Value, wrong: &mut Complaints) -> Schemas {
    let schemas = wrong.object(plan, "schemas", "Plan schemas");
    let mut found = Complaints::default();
    let mut schema = |kind: &str, verb: &str| {
        let part = schemas.get(kind).and_then(|part| part.get(verb));
        let Some(parameters) = part.and_then(|part| part.get("parameters")) else {
            return Map::new();
        };
        let name = format!("{kind}.{verb}.parameters");
        let Some(members) = parameters.as_object() else {
            let shown = shown(parameters);
            found.add(format!(
                "Schemas {name} must be a hash, but has value {shown}"
            ));
            return Map::new();
        };
        if parameters.to_string().len() > LONGEST_SCHEMA {
            found.add(format!("Schema {name} is larger than 64KB"));
            return Map::new();
        }
        if refers_elsewhere(parameters) {
            found.add(format!(
                "Schema {name} is not valid. No external references are allowed"
            ));
            return Map::new();
        }
        members.clone()
    };
    let schemas = Schemas {
        create: schema("service_instance", "create"),
        update: schema("service_instance", "update"),
        bind: schema("service_binding", "create"),
    };
    wrong.nest("Schemas".to_owned(), found);
    schemas
}

/// Whether a schema refers to one outside of itself, which would have to be fetched.
fn refers_elsewhere(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(key, value)| {
            let away = value.as_str().is_some_and(|to| !to.starts_with('#'));
            (key == "$ref" && away) || refers_elsewhere(value)
        }),
        Value::Array(items) => items.iter().any(refers_elsewhere),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in [
            "0.0.0",
            "1.2.3",
            "1.0.0-alpha.1",
            "1.0.0+20130313",
            "10.20.30-rc.1+b-7",
        ] {
            assert!(is_semantic(good), "{good}");
        }
        for bad in [
            "", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "v1.2.3", "1.2.x",
        ] {
            assert!(!is_semantic(bad), "{bad}");
        }
    }
}

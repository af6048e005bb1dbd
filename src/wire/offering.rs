//! What brokers offer: offerings, plans, and who sees them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Base, Links, Relationship, shared};
use crate::model::{Broker, MaintenanceInfo, Offering, Org, Plan, Space};

/// Body of `POST` and `PATCH /v3/service_plans/:guid/visibility`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Visibility {
    /// `public`, `admin` or `organization`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The organizations that see it.
    pub organizations: Option<Vec<Relationship>>,
}

/// One offering.
#[must_use]
pub fn present(offering: &Offering, base: &Base) -> Value {
    let terms = &offering.terms;
    let url = terms.metadata.get("documentationUrl");
    json!({
        "guid": offering.id.to_string(),
        "created_at": offering.created_at.to_string(),
        "updated_at": offering.updated_at.to_string(),
        "name": terms.name,
        "description": terms.description,
        "available": offering.available,
        "tags": terms.tags,
        "requires": terms.requires,
        "shareable": terms.shareable(),
        "documentation_url": url.and_then(Value::as_str).unwrap_or_default(),
        "broker_catalog": {
            "id": terms.id,
            "metadata": terms.metadata,
            "features": {
                "plan_updateable": terms.plan_updateable,
                "bindable": terms.bindable,
                "instances_retrievable": terms.instances_retrievable,
                "bindings_retrievable": terms.bindings_retrievable,
                "allow_context_updates": terms.allow_context_updates,
            },
        },
        "relationships": { "service_broker": shared::to_one(offering.broker) },
        "metadata": shared::metadata(&offering.metadata),
        "links": Links::new(base)
            .to("self", &format!("/v3/service_offerings/{}", offering.id))
            .to(
                "service_plans",
                &format!("/v3/service_plans?service_offering_guids={}", offering.id),
            )
            .to("service_broker", &format!("/v3/service_brokers/{}", offering.broker))
            .json(),
    })
}

/// How the plan is seen: `public`, `organization`, `space` or `admin`.
#[must_use]
pub fn visibility_type(plan: &Plan, broker: &Broker) -> &'static str {
    if broker.space.is_some() {
        "space"
    } else if plan.public {
        "public"
    } else if plan.orgs.is_empty() {
        "admin"
    } else {
        "organization"
    }
}

/// Who sees a plan; `orgs` are those that the caller may know of, none where nobody asked.
#[must_use]
pub fn visibility(kind: &str, orgs: Option<&[&Org]>, space: Option<&Space>) -> Value {
    let mut document = json!({ "type": kind });
    if let Some(orgs) = orgs.filter(|_| kind == "organization") {
        let orgs = orgs.iter();
        document["organizations"] = orgs
            .map(|org| json!({ "guid": org.id.to_string(), "name": org.name }))
            .collect();
    }
    if let Some(space) = space.filter(|_| kind == "space") {
        document["space"] = json!({ "guid": space.id.to_string(), "name": space.name });
    }
    document
}

/// One plan.
#[must_use]
pub fn present_plan(plan: &Plan, offering: &Offering, broker: &Broker, base: &Base) -> Value {
    let terms = &plan.terms;
    let path = format!("/v3/service_plans/{}", plan.id);
    let mut relationships = json!({ "service_offering": shared::to_one(plan.offering) });
    let mut links = Links::new(base)
        .to("self", &path)
        .to(
            "service_offering",
            &format!("/v3/service_offerings/{}", plan.offering),
        )
        .to("visibility", &format!("{path}/visibility"));
    if let Some(space) = broker.space {
        relationships["space"] = shared::to_one(space);
        links = links.to("space", &format!("/v3/spaces/{space}"));
    }
    json!({
        "guid": plan.id.to_string(),
        "created_at": plan.created_at.to_string(),
        "updated_at": plan.updated_at.to_string(),
        "name": terms.name,
        "visibility_type": visibility_type(plan, broker),
        "available": plan.available,
        "free": terms.free,
        "costs": costs(&terms.metadata),
        "description": terms.description,
        "maintenance_info": maintenance_info(terms.maintenance_info.as_ref()),
        "broker_catalog": {
            "id": terms.id,
            "metadata": terms.metadata,
            "maximum_polling_duration": terms.maximum_polling_duration,
            "features": {
                "bindable": plan.bindable(offering),
                "plan_updateable": plan.updateable(offering),
            },
        },
        "schemas": {
            "service_instance": {
                "create": { "parameters": terms.schemas.create },
                "update": { "parameters": terms.schemas.update },
            },
            "service_binding": { "create": { "parameters": terms.schemas.bind } },
        },
        "relationships": relationships,
        "metadata": shared::metadata(&plan.metadata),
        "links": links.json(),
    })
}

/// The version of something, or `{}`.
#[must_use]
pub fn maintenance_info(info: Option<&MaintenanceInfo>) -> Value {
    info.map_or_else(|| json!({}), |info| json!(info))
}

/// What a plan costs; nothing where the broker says it in a shape of its own.
fn costs(metadata: &Map<String, Value>) -> Vec<Value> {
    let read = || {
        let mut costs = Vec::new();
        for cost in metadata.get("costs")?.as_array()? {
            let unit = cost.get("unit")?.as_str()?;
            for (currency, amount) in cost.get("amount")?.as_object()? {
                let amount = amount.as_f64()?;
                if currency.is_empty() {
                    return None;
                }
                costs.push(json!({
                    "currency": currency.to_uppercase(), "amount": amount, "unit": unit,
                }));
            }
        }
        Some(costs)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_listed_one_by_one_or_not_at_all() {
        let check = |metadata: Value, expected: Value| {
            let metadata = metadata.as_object().unwrap();
            assert_eq!(json!(costs(metadata)), expected);
        };
        check(
            json!({ "costs": [{ "amount": { "usd": 9.5, "krw": 1 }, "unit": "MONTHLY" }] }),
            json!([
                { "currency": "USD", "amount": 9.5, "unit": "MONTHLY" },
                { "currency": "KRW", "amount": 1.0, "unit": "MONTHLY" },
            ]),
        );
        check(json!({}), json!([]));
        check(
            json!({ "costs": [{ "amount": { "": 1 }, "unit": "X" }] }),
            json!([]),
        );
        check(json!({ "costs": "cheap" }), json!([]));
    }
}

//! What brokers offer.

use serde::{Deserialize, Serialize};

use crate::cli::{
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

/// A plan of an offering.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Plan {
    pub(crate) guid: String,
    pub(crate) name: String,
    #[serde(default)]
    description: String,
    free: bool,
    relationships: Relationships,
}

#[derive(Debug, Clone, Deserialize)]
struct Relationships {
    service_offering: ToOne,
}

#[derive(Debug, Clone, Deserialize)]
struct ToOne {
    data: Id,
}

#[derive(Debug, Clone, Deserialize)]
struct Id {
    guid: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Offering {
    guid: String,
    name: String,
}

#[derive(Serialize)]
struct Row {
    offering: String,
    plan: String,
    free: bool,
    description: String,
}

pub(crate) async fn list(context: &Context<'_>) -> Outcome<()> {
    let space = context.space()?;
    let filter = format!("space_guids={}&available=true&per_page=5000", space.guid);
    let path = format!("/v3/service_offerings?{filter}");
    let offerings: Vec<Offering> = context.api.all(&path).await?;
    let plans: Vec<Plan> = context
        .api
        .all(&format!("/v3/service_plans?{filter}"))
        .await?;
    let mut rows: Vec<Row> = plans
        .into_iter()
        .filter_map(|plan| {
            let of = &plan.relationships.service_offering.data.guid;
            let offering = offerings.iter().find(|offering| offering.guid == *of)?;
            Some(Row {
                offering: offering.name.clone(),
                plan: plan.name,
                free: plan.free,
                description: plan.description,
            })
        })
        .collect();
    rows.sort_by(|a, b| (&a.offering, &a.plan).cmp(&(&b.offering, &b.plan)));
    context.output.result(&rows, |rows| {
        if rows.is_empty() {
            return "Brokers offer nothing here; an administrator registers one with `pastina \
                    broker create` and opens what it offers with `pastina broker open`.\n"
                .to_owned();
        }
        let mut table = Table::new(&["offering", "plan", "cost", "what it is"]);
        for row in rows {
            let cost = if row.free { "free" } else { "paid" };
            table.row([
                row.offering.clone(),
                row.plan.clone(),
                cost.to_owned(),
                row.description.clone(),
            ]);
        }
        table.render()
    });
    Ok(())
}

/// The plans of an offering, or the one that is named.
pub(crate) async fn plans(
    context: &Context<'_>,
    offering: &str,
    plan: Option<&str>,
) -> Outcome<Vec<Plan>> {
    let mut path = format!(
        "/v3/service_plans?service_offering_names={}&per_page=5000",
        name_query(offering)
    );
    if let Some(plan) = plan {
        path.push_str(&format!("&names={}", name_query(plan)));
    }
    let found: Vec<Plan> = context.api.all(&path).await?;
    if found.is_empty() {
        let name = plan.map_or_else(|| offering.to_owned(), |plan| format!("{offering} {plan}"));
        return Err(Failure::NotFound {
            what: "offer",
            name,
        });
    }
    Ok(found)
}

/// The plan that is meant: the one that is named, or the only one.
pub(crate) async fn plan(
    context: &Context<'_>,
    offering: &str,
    plan: Option<&str>,
) -> Outcome<Plan> {
    let mut found = plans(context, offering, plan).await?;
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|plan| plan.name.as_str()).collect();
        let names = names.join(", ");
        let message = format!("{offering} has more than one plan: say --plan with one of {names}");
        return Err(Failure::Usage(message));
    }
    found.pop().ok_or_else(|| Failure::NotFound {
        what: "offer",
        name: offering.to_owned(),
    })
}

/// The plan of this name beside the one that something has.
pub(crate) async fn sibling(context: &Context<'_>, of: &str, name: &str) -> Outcome<Plan> {
    let now: Plan = context.api.get(&format!("/v3/service_plans/{of}")).await?;
    let path = format!(
        "/v3/service_plans?service_offering_guids={}&names={}",
        now.relationships.service_offering.data.guid,
        name_query(name),
    );
    let found: Vec<Plan> = context.api.all(&path).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "plan",
        name: name.to_owned(),
    })
}

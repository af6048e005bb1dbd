//! `security-group`: rules about what apps and builds may reach.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    args::GroupPlace,
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Group {
    guid: String,
    name: String,
    rules: Vec<Value>,
    globally_enabled: Everywhere,
    relationships: Relationships,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Everywhere {
    running: bool,
    staging: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Relationships {
    running_spaces: Spaces,
    staging_spaces: Spaces,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spaces {
    data: Vec<Value>,
}

fn reach(everywhere: bool, spaces: &Spaces) -> String {
    match (everywhere, spaces.data.len()) {
        (true, _) => "everywhere".to_owned(),
        (false, 0) => "-".to_owned(),
        (false, 1) => "1 space".to_owned(),
        (false, count) => format!("{count} spaces"),
    }
}

pub(crate) async fn list(context: &Context<'_>) -> Outcome<()> {
    let path = "/v3/security_groups?order_by=name&per_page=5000";
    let groups: Vec<Group> = context.api.all(path).await?;
    context.output.result(&groups, |groups| {
        let mut table = Table::new(&["name", "rules", "running", "staging"]);
        for group in groups {
            let Group {
                globally_enabled: everywhere,
                relationships: spaces,
                ..
            } = group;
            table.row([
                group.name.clone(),
                group.rules.len().to_string(),
                reach(everywhere.running, &spaces.running_spaces),
                reach(everywhere.staging, &spaces.staging_spaces),
            ]);
        }
        table.render()
    });
    Ok(())
}

async fn find(context: &Context<'_>, name: &str) -> Outcome<Group> {
    let path = format!("/v3/security_groups?names={}", name_query(name));
    let found: Vec<Group> = context.api.all(&path).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "security group",
        name: name.to_owned(),
    })
}

pub(crate) async fn show(context: &Context<'_>, name: &str) -> Outcome<()> {
    let group = find(context, name).await?;
    context.output.result(&group, |group| {
        let mut table = Table::new(&["protocol", "destination", "ports", "description"]);
        for rule in &group.rules {
            let text = |key: &str| match &rule[key] {
                Value::Null => String::new(),
                Value::String(text) => text.replace(',', ", "),
                other => other.to_string(),
            };
            let ports = match (&rule["type"], &rule["code"]) {
                (Value::Null, _) => text("ports"),
                (kind, code) => format!("type {kind}, code {code}"),
            };
            table.row([
                text("protocol"),
                text("destination"),
                ports,
                text("description"),
            ]);
        }
        table.render()
    });
    Ok(())
}

/// The rules in a file as the stock command line takes it: a JSON array.
fn rules(path: &Path) -> Outcome<Value> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("{shown} is not JSON: {error}")))
}

fn say(context: &Context<'_>, group: &Group, what: &str) {
    let name = &group.name;
    context.output.result(group, |_| format!("{name} {what}\n"));
}

pub(crate) async fn create(context: &Context<'_>, name: &str, file: &Path) -> Outcome<()> {
    let body = json!({ "name": name, "rules": rules(file)? });
    let made = context.api.post("/v3/security_groups", &body).await?;
    say(
        context,
        &made.json()?,
        "is made; it holds where it is bound.",
    );
    Ok(())
}

pub(crate) async fn update(context: &Context<'_>, name: &str, file: &Path) -> Outcome<()> {
    let body = json!({ "rules": rules(file)? });
    let path = format!("/v3/security_groups/{}", find(context, name).await?.guid);
    let changed = context.api.patch(&path, &body).await?;
    say(
        context,
        &changed.json()?,
        "is changed; running apps are held to it at once.",
    );
    Ok(())
}

pub(crate) async fn delete(context: &Context<'_>, name: &str, force: bool) -> Outcome<()> {
    let group = find(context, name).await?;
    context.confirm(&format!("Delete the security group {name}?"), force)?;
    let path = format!("/v3/security_groups/{}", group.guid);
    context.api.delete(&path).await?;
    say(context, &group, "is deleted.");
    Ok(())
}

const fn lifecycle(place: &GroupPlace) -> &'static str {
    if place.staging { "staging" } else { "running" }
}

async fn set_everywhere(context: &Context<'_>, place: &GroupPlace, on: bool) -> Outcome<()> {
    let path = format!(
        "/v3/security_groups/{}",
        find(context, &place.name).await?.guid
    );
    let body = json!({ "globally_enabled": { lifecycle(place): on } });
    let changed = context.api.patch(&path, &body).await?;
    let what = if on { "holds" } else { "does not hold" };
    say(context, &changed.json()?, &format!("{what} everywhere."));
    Ok(())
}

pub(crate) async fn bind(context: &Context<'_>, place: &GroupPlace) -> Outcome<()> {
    if place.everywhere {
        return set_everywhere(context, place, true).await;
    }
    let (space, group) = (context.space()?, find(context, &place.name).await?);
    let path = format!(
        "/v3/security_groups/{}/relationships/{}_spaces",
        group.guid,
        lifecycle(place)
    );
    let body = json!({ "data": [{ "guid": space.guid }] });
    context.api.post(&path, &body).await?;
    say(context, &group, &format!("holds in {}.", space.name));
    Ok(())
}

pub(crate) async fn unbind(context: &Context<'_>, place: &GroupPlace) -> Outcome<()> {
    if place.everywhere {
        return set_everywhere(context, place, false).await;
    }
    let (space, group) = (context.space()?, find(context, &place.name).await?);
    let path = format!(
        "/v3/security_groups/{}/relationships/{}_spaces/{}",
        group.guid,
        lifecycle(place),
        space.guid
    );
    context.api.delete(&path).await?;
    say(
        context,
        &group,
        &format!("does not hold in {}.", space.name),
    );
    Ok(())
}

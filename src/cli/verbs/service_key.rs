//! `service key`: credentials for people and programs elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    api::guid,
    args::Key,
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

use super::service::{self, json_object};

const PATH: &str = "/v3/service_credential_bindings";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    guid: String,
    name: String,
}

pub(super) async fn run(context: &Context<'_>, verb: Key) -> Outcome<()> {
    match verb {
        Key::List { service } => list(context, &service).await,
        Key::Create {
            service,
            name,
            parameters,
        } => create(context, &service, &name, parameters.text.as_deref()).await,
        Key::Show { service, name } => show(context, &service, &name).await,
        Key::Delete {
            service,
            name,
            force,
        } => delete(context, &service, &name, force).await,
    }
}

async fn keys(context: &Context<'_>, service: &str, more: &str) -> Outcome<Vec<Found>> {
    let service = service::find(context, service).await?.guid;
    let path = format!("{PATH}?type=key&service_instance_guids={service}{more}");
    context.api.all(&path).await
}

async fn find(context: &Context<'_>, service: &str, name: &str) -> Outcome<Found> {
    let found = keys(context, service, &format!("&names={}", name_query(name))).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "key",
        name: name.to_owned(),
    })
}

async fn list(context: &Context<'_>, service: &str) -> Outcome<()> {
    let all = keys(context, service, "&per_page=5000").await?;
    context.output.result(&all, |all| {
        if all.is_empty() {
            return format!(
                "{service} has no key; `pastina service key create {service} NAME` makes one.\n"
            );
        }
        let mut table = Table::new(&["name"]);
        for one in all {
            table.row([one.name.clone()]);
        }
        table.render()
    });
    Ok(())
}

async fn create(
    context: &Context<'_>,
    service: &str,
    name: &str,
    parameters: Option<&str>,
) -> Outcome<()> {
    let instance = service::find(context, service).await?;
    let mut body = json!({
        "type": "key", "name": name,
        "relationships": { "service_instance": guid(&instance.guid) },
    });
    if let Some(text) = parameters {
        body["parameters"] = Value::Object(json_object("the parameters are", text)?);
    }
    let answer = context.api.post(PATH, &body).await?;
    context.api.finish(&answer, "making the key").await?;
    let made = find(context, service, name).await?;
    context.output.result(&made, |_| {
        format!("{name} is made; `pastina service key show {service} {name}` shows it.\n")
    });
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Details {
    credentials: Value,
}

async fn show(context: &Context<'_>, service: &str, name: &str) -> Outcome<()> {
    let found = find(context, service, name).await?;
    let path = format!("{PATH}/{}/details", found.guid);
    let details: Details = context.api.get(&path).await?;
    context.output.result(&details.credentials, |credentials| {
        format!("{credentials:#}\n")
    });
    Ok(())
}

async fn delete(context: &Context<'_>, service: &str, name: &str, force: bool) -> Outcome<()> {
    let found = find(context, service, name).await?;
    context.confirm(&format!("Delete the key {name} of {service}?"), force)?;
    context
        .api
        .delete(&format!("{PATH}/{}", found.guid))
        .await?;
    context
        .output
        .result(&found, |_| format!("{name} is deleted.\n"));
    Ok(())
}

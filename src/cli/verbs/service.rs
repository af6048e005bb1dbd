//! `service`: what runs elsewhere, and which apps are bound to it.

use std::io::Read as _;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cli::{
    api::{App, guid},
    args::ServiceSettings,
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Service {
    guid: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    syslog_drain_url: Option<String>,
    #[serde(default)]
    route_service_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Binding {
    guid: String,
    name: Option<String>,
    relationships: Relationships,
}

#[derive(Debug, Deserialize)]
struct Relationships {
    app: ToOne,
    service_instance: ToOne,
}

#[derive(Debug, Deserialize)]
struct ToOne {
    data: Named,
}

#[derive(Debug, Deserialize)]
struct Named {
    guid: String,
}

/// A service with the apps that are bound to it.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    service: Service,
    apps: Vec<String>,
}

async fn rows(context: &Context<'_>, services: Vec<Service>) -> Outcome<Vec<Row>> {
    let space = context.space()?.guid;
    let apps: Vec<App> = context
        .api
        .all(&format!("/v3/apps?space_guids={space}&per_page=5000"))
        .await?;
    let bindings: Vec<Binding> = context
        .api
        .all("/v3/service_credential_bindings?type=app&per_page=5000")
        .await?;
    let each = services.into_iter().map(|service| {
        let bound = bindings
            .iter()
            .filter(|binding| binding.relationships.service_instance.data.guid == service.guid);
        let apps = bound.filter_map(|binding| {
            let guid = &binding.relationships.app.data.guid;
            let app = apps.iter().find(|app| app.guid == *guid)?;
            Some(match &binding.name {
                Some(name) => format!("{} as {name}", app.name),
                None => app.name.clone(),
            })
        });
        let apps = apps.collect();
        Row { service, apps }
    });
    Ok(each.collect())
}

pub(crate) async fn list(context: &Context<'_>) -> Outcome<()> {
    let space = context.space()?;
    let filter = format!("space_guids={}&per_page=5000&order_by=name", space.guid);
    let path = format!("/v3/service_instances?{filter}");
    let services: Vec<Service> = context.api.all(&path).await?;
    let rows = rows(context, services).await?;
    context.output.result(&rows, |rows| {
        if rows.is_empty() {
            let space = &space.name;
            return format!(
                "There is no service in {space}; `pastina service create` makes one.\n"
            );
        }
        let mut table = Table::new(&["name", "type", "apps", "tags"]);
        for Row { service, apps } in rows {
            table.row([
                service.name.clone(),
                service.kind.clone(),
                apps.join(", "),
                service.tags.join(", "),
            ]);
        }
        table.render()
    });
    Ok(())
}

async fn find(context: &Context<'_>, name: &str) -> Outcome<Service> {
    let (space, names) = (context.space()?.guid, name_query(name));
    let path = format!("/v3/service_instances?names={names}&space_guids={space}");
    let found: Vec<Service> = context.api.all(&path).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "service",
        name: name.to_owned(),
    })
}

pub(crate) async fn show(context: &Context<'_>, name: &str) -> Outcome<()> {
    let service = find(context, name).await?;
    let rows = rows(context, vec![service]).await?;
    for row in &rows {
        context.output.result(row, |Row { service, apps }| {
            let mut text = format!("name:   {}\ntype:   {}\n", service.name, service.kind);
            let more = [
                ("apps", apps.join(", ")),
                ("tags", service.tags.join(", ")),
                (
                    "drain",
                    service.syslog_drain_url.clone().unwrap_or_default(),
                ),
                (
                    "route",
                    service.route_service_url.clone().unwrap_or_default(),
                ),
            ];
            for (label, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
                text.push_str(&format!("{:<8}{value}\n", format!("{label}:")));
            }
            text
        });
    }
    Ok(())
}

/// Credentials as they are given: JSON, a file of it (`@db.json`), or standard input (`@-`), so
/// that they need not be in the shell's history.
fn credentials(given: &str) -> Outcome<Map<String, Value>> {
    let text = match given.strip_prefix('@') {
        None => given.to_owned(),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.context("standard input cannot be read")?;
            text
        }
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?
        }
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "the credentials are not a JSON object such as {{\"uri\": \"...\"}}: {error}"
        ))
    })
}

fn body(settings: &ServiceSettings) -> Outcome<Value> {
    let mut body = json!({});
    if let Some(given) = &settings.credentials {
        body["credentials"] = Value::Object(credentials(given)?);
    }
    if let Some(url) = &settings.syslog_drain {
        body["syslog_drain_url"] = json!(url);
    }
    if let Some(url) = &settings.route_service {
        body["route_service_url"] = json!(url);
    }
    if !settings.tag.is_empty() {
        body["tags"] = json!(settings.tag);
    }
    Ok(body)
}

fn say(context: &Context<'_>, service: &Service, what: &str) {
    let name = &service.name;
    context
        .output
        .result(service, |_| format!("{name} {what}\n"));
}

pub(crate) async fn create(
    context: &Context<'_>,
    name: &str,
    settings: &ServiceSettings,
) -> Outcome<()> {
    let mut body = body(settings)?;
    body["type"] = json!("user-provided");
    body["name"] = json!(name);
    body["relationships"] = json!({ "space": guid(&context.space()?.guid) });
    let made = context.api.post("/v3/service_instances", &body).await?;
    say(context, &made.json()?, "is made.");
    Ok(())
}

pub(crate) async fn update(
    context: &Context<'_>,
    name: &str,
    new_name: Option<&str>,
    settings: &ServiceSettings,
) -> Outcome<()> {
    let service = find(context, name).await?;
    let mut body = body(settings)?;
    if let Some(new_name) = new_name {
        body["name"] = json!(new_name);
    }
    let path = format!("/v3/service_instances/{}", service.guid);
    let changed = context.api.patch(&path, &body).await?;
    let what = "is changed; apps that are bound to it see that after a restart.";
    say(context, &changed.json()?, what);
    Ok(())
}

pub(crate) async fn delete(context: &Context<'_>, name: &str, force: bool) -> Outcome<()> {
    let service = find(context, name).await?;
    context.confirm(
        &format!("Delete the service {name} and its bindings?"),
        force,
    )?;
    let path = format!("/v3/service_instances/{}", service.guid);
    context.api.delete(&path).await?;
    say(context, &service, "is deleted.");
    Ok(())
}

pub(crate) async fn bind(
    context: &Context<'_>,
    app: &str,
    name: &str,
    binding_name: Option<&str>,
) -> Outcome<()> {
    let (found, service) = (context.app(app).await?, find(context, name).await?);
    let mut body = json!({
        "type": "app",
        "relationships": {
            "app": guid(&found.guid), "service_instance": guid(&service.guid),
        },
    });
    if let Some(binding_name) = binding_name {
        body["name"] = json!(binding_name);
    }
    let path = "/v3/service_credential_bindings";
    context.api.post(path, &body).await?;
    let what = if found.started() {
        format!("is bound to {app}; `pastina restart {app}` lets it see that.")
    } else {
        format!("is bound to {app}.")
    };
    say(context, &service, &what);
    Ok(())
}

pub(crate) async fn unbind(context: &Context<'_>, app: &str, name: &str) -> Outcome<()> {
    let (found, service) = (context.app(app).await?, find(context, name).await?);
    let filter = format!(
        "app_guids={}&service_instance_guids={}",
        found.guid, service.guid
    );
    let path = format!("/v3/service_credential_bindings?type=app&{filter}");
    let bindings: Vec<Binding> = context.api.all(&path).await?;
    for binding in bindings {
        let path = format!("/v3/service_credential_bindings/{}", binding.guid);
        context.api.delete(&path).await?;
    }
    say(context, &service, &format!("is not bound to {app}."));
    Ok(())
}

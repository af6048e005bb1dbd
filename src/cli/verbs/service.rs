//! `service`: what runs elsewhere, and which apps are bound to it.

use std::io::Read as _;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cli::{
    api::{App, guid},
    args::{Parameters, Service as Verb, ServiceSettings},
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

use super::{offer, service_key};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) guid: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    syslog_drain_url: Option<String>,
    #[serde(default)]
    route_service_url: Option<String>,
    /// Of managed ones.
    #[serde(default)]
    last_operation: Option<Operation>,
    #[serde(default, skip_serializing)]
    relationships: Option<Place>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Operation {
    #[serde(rename = "type")]
    kind: String,
    state: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Place {
    service_plan: Option<ToOne>,
}

pub(crate) async fn run(context: &Context<'_>, verb: Verb) -> Outcome<()> {
    match verb {
        Verb::List => list(context).await,
        Verb::Offers => offer::list(context).await,
        Verb::Show { name } => show(context, &name).await,
        Verb::Create {
            name,
            offer: Some(offer),
            plan,
            parameters,
            settings,
        } => {
            let plan = offer::plan(context, &offer, plan.as_deref()).await?;
            order(context, &name, &plan, &parameters, &settings).await
        }
        Verb::Create { name, settings, .. } => create(context, &name, &settings).await,
        Verb::Update {
            name,
            rename,
            plan,
            parameters,
            settings,
        } => {
            let mut body = body(&settings)?;
            add(&mut body, &parameters)?;
            if let Some(new_name) = rename {
                body["name"] = json!(new_name);
            }
            update(context, &name, plan.as_deref(), body).await
        }
        Verb::Bind {
            app,
            service,
            name,
            parameters,
        } => bind(context, &app, &service, name.as_deref(), &parameters).await,
        Verb::Unbind { app, service } => unbind(context, &app, &service).await,
        Verb::Key(verb) => service_key::run(context, verb).await,
        Verb::Delete { name, force } => delete(context, &name, force).await,
    }
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

#[derive(Debug, Clone, Deserialize)]
struct ToOne {
    data: Named,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    guid: String,
}

impl Service {
    /// What a broker does with it, or did last.
    fn state(&self) -> String {
        let operation = self.last_operation.as_ref();
        let told = operation.map(|last| format!("{} {}", last.kind, last.state));
        told.unwrap_or_default()
    }
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

async fn list(context: &Context<'_>) -> Outcome<()> {
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
        let mut table = Table::new(&["name", "type", "state", "apps", "tags"]);
        for Row { service, apps } in rows {
            table.row([
                service.name.clone(),
                service.kind.clone(),
                service.state(),
                apps.join(", "),
                service.tags.join(", "),
            ]);
        }
        table.render()
    });
    Ok(())
}

pub(super) async fn find(context: &Context<'_>, name: &str) -> Outcome<Service> {
    let (space, names) = (context.space()?.guid, name_query(name));
    let path = format!("/v3/service_instances?names={names}&space_guids={space}");
    let found: Vec<Service> = context.api.all(&path).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "service",
        name: name.to_owned(),
    })
}

async fn show(context: &Context<'_>, name: &str) -> Outcome<()> {
    let service = find(context, name).await?;
    let rows = rows(context, vec![service]).await?;
    for row in &rows {
        context.output.result(row, |Row { service, apps }| {
            let mut text = format!("name:   {}\ntype:   {}\n", service.name, service.kind);
            let more = [
                ("state", service.state()),
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

/// What may be secret, as it is given: JSON, a file of it (`@db.json`), or standard input (`@-`),
/// so that it need not be in the shell's history. `what` names it in a complaint.
pub(super) fn json_object(what: &str, given: &str) -> Outcome<Map<String, Value>> {
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
            "{what} not a JSON object such as {{\"uri\": \"...\"}}: {error}"
        ))
    })
}

fn body(settings: &ServiceSettings) -> Outcome<Value> {
    let mut body = json!({});
    if let Some(given) = &settings.credentials {
        body["credentials"] = Value::Object(json_object("the credentials are", given)?);
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

/// Adds what a broker is told.
fn add(body: &mut Value, parameters: &Parameters) -> Outcome<()> {
    if let Some(text) = &parameters.text {
        body["parameters"] = Value::Object(json_object("the parameters are", text)?);
    }
    Ok(())
}

/// Has a broker make a service.
async fn order(
    context: &Context<'_>,
    name: &str,
    plan: &offer::Plan,
    parameters: &Parameters,
    settings: &ServiceSettings,
) -> Outcome<()> {
    let mut body = json!({
        "type": "managed", "name": name,
        "relationships": {
            "space": guid(&context.space()?.guid), "service_plan": guid(&plan.guid),
        },
    });
    if !settings.tag.is_empty() {
        body["tags"] = json!(settings.tag);
    }
    add(&mut body, parameters)?;
    let answer = context.api.post("/v3/service_instances", &body).await?;
    context.api.finish(&answer, "making the service").await?;
    say(context, &find(context, name).await?, "is made.");
    Ok(())
}

fn say(context: &Context<'_>, service: &Service, what: &str) {
    let name = &service.name;
    context
        .output
        .result(service, |_| format!("{name} {what}\n"));
}

async fn create(context: &Context<'_>, name: &str, settings: &ServiceSettings) -> Outcome<()> {
    let mut body = body(settings)?;
    body["type"] = json!("user-provided");
    body["name"] = json!(name);
    body["relationships"] = json!({ "space": guid(&context.space()?.guid) });
    let made = context.api.post("/v3/service_instances", &body).await?;
    say(context, &made.json()?, "is made.");
    Ok(())
}

async fn update(
    context: &Context<'_>,
    name: &str,
    plan: Option<&str>,
    mut body: Value,
) -> Outcome<()> {
    let service = find(context, name).await?;
    if let Some(plan) = plan {
        let now = service.relationships.as_ref();
        let now = now.and_then(|place| place.service_plan.as_ref());
        let now = now.ok_or_else(|| {
            Failure::Usage(format!("{name} runs elsewhere and has no plan to change"))
        })?;
        let plan = offer::sibling(context, &now.data.guid, plan).await?;
        body["relationships"] = json!({ "service_plan": guid(&plan.guid) });
    }
    let path = format!("/v3/service_instances/{}", service.guid);
    let answer = context.api.patch(&path, &body).await?;
    context.api.finish(&answer, "changing the service").await?;
    let changed: Service = context.api.get(&path).await?;
    let what = "is changed; apps that are bound to it see that after a restart.";
    say(context, &changed, what);
    Ok(())
}

async fn delete(context: &Context<'_>, name: &str, force: bool) -> Outcome<()> {
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

async fn bind(
    context: &Context<'_>,
    app: &str,
    name: &str,
    binding_name: Option<&str>,
    parameters: &Parameters,
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
    add(&mut body, parameters)?;
    let path = "/v3/service_credential_bindings";
    let answer = context.api.post(path, &body).await?;
    context.api.finish(&answer, "the binding").await?;
    let what = if found.started() {
        format!("is bound to {app}; `pastina restart {app}` lets it see that.")
    } else {
        format!("is bound to {app}.")
    };
    say(context, &service, &what);
    Ok(())
}

async fn unbind(context: &Context<'_>, app: &str, name: &str) -> Outcome<()> {
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

//! `network-policy`: which app may reach which other.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    api::{App, Route},
    args::PolicyEnds,
    context::{Context, INTERNAL},
    failure::{Failure, Outcome},
    output::Table,
};

const PATH: &str = "/networking/v1/external/policies";

#[derive(Deserialize)]
struct Policies {
    policies: Vec<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    source: Source,
    destination: Destination,
}

#[derive(Deserialize)]
struct Source {
    id: String,
}

#[derive(Deserialize)]
struct Destination {
    id: String,
    protocol: String,
    ports: Ports,
}

#[derive(Deserialize, Clone, Copy)]
struct Ports {
    start: u16,
    end: u16,
}

#[derive(Serialize)]
struct Row {
    source: String,
    destination: String,
    protocol: String,
    ports: String,
}

pub(crate) async fn list(context: &Context<'_>, source: Option<&str>) -> Outcome<()> {
    let space = context.space()?;
    let path = match source {
        Some(source) => format!("{PATH}?source_id={}", context.app(source).await?.guid),
        None => PATH.to_owned(),
    };
    let found: Policies = context.api.get(&path).await?;
    let apps: Vec<App> = context.api.all("/v3/apps?per_page=5000").await?;
    let here = format!("/v3/apps?space_guids={}&per_page=5000", space.guid);
    let here: Vec<App> = context.api.all(&here).await?;
    let name = |guid: &String| {
        let app = apps.iter().find(|app| app.guid == *guid);
        app.map_or_else(|| guid.clone(), |app| app.name.clone())
    };
    let from_here = |policy: &&Policy| here.iter().any(|app| app.guid == policy.source.id);
    let rows = found.policies.iter().filter(from_here).map(|policy| Row {
        source: name(&policy.source.id),
        destination: name(&policy.destination.id),
        protocol: policy.destination.protocol.clone(),
        ports: shown(policy.destination.ports),
    });
    let rows: Vec<Row> = rows.collect();
    context.output.result(&rows, |rows| {
        if rows.is_empty() {
            let space = &space.name;
            return format!("No app in {space} may reach another one.\n");
        }
        let mut table = Table::new(&["source", "destination", "protocol", "ports"]);
        for row in rows {
            let Row {
                source,
                destination,
                protocol,
                ports,
            } = row;
            table.row([source, destination, protocol, ports].map(Clone::clone));
        }
        table.render()
    });
    Ok(())
}

fn shown(ports: Ports) -> String {
    if ports.start == ports.end {
        ports.start.to_string()
    } else {
        format!("{}-{}", ports.start, ports.end)
    }
}

/// `8080` or `8080-8090`.
fn ports(text: &str) -> Outcome<Value> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    match (number(start), number(end)) {
        (Some(start), Some(end)) if start <= end => Ok(json!({ "start": start, "end": end })),
        _ => Err(Failure::Usage(format!(
            "{text:?} is neither a port nor a range of ports such as 8080-8090"
        ))),
    }
}

async fn send(context: &Context<'_>, path: &str, ends: &PolicyEnds) -> Outcome<Value> {
    let ports = ports(&ends.port)?;
    let source = context.app(&ends.source).await?;
    let destination = context.app(&ends.destination).await?;
    let policy = json!({
        "source": { "id": source.guid },
        "destination": { "id": destination.guid, "protocol": ends.protocol, "ports": ports },
    });
    context
        .api
        .post(path, &json!({ "policies": [policy] }))
        .await?;
    Ok(policy)
}

pub(crate) async fn add(context: &Context<'_>, ends: &PolicyEnds) -> Outcome<()> {
    let policy = send(context, PATH, ends).await?;
    let PolicyEnds {
        source,
        destination,
        protocol,
        port,
    } = ends;
    let guid = policy["destination"]["id"].as_str().unwrap_or_default();
    let routes: Vec<Route> = context.api.all(&format!("/v3/apps/{guid}/routes")).await?;
    let names = routes.into_iter().map(|route| route.url);
    let names: Vec<String> = names.filter(|url| url.ends_with(INTERNAL)).collect();
    context.output.result(&policy, |_| {
        let done = format!("{source} may reach {destination} at {protocol} {port}");
        if names.is_empty() {
            format!(
                "{done}, once it has a name: `pastina route map {destination} \
                 {destination}{INTERNAL}`\n"
            )
        } else {
            format!("{done} as {}.\n", names.join(", "))
        }
    });
    Ok(())
}

pub(crate) async fn remove(context: &Context<'_>, ends: &PolicyEnds) -> Outcome<()> {
    let policy = send(context, &format!("{PATH}/delete"), ends).await?;
    let PolicyEnds {
        source,
        destination,
        protocol,
        port,
    } = ends;
    context.output.result(&policy, |_| {
        format!("{source} may not reach {destination} at {protocol} {port}.\n")
    });
    Ok(())
}

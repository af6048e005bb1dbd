//! `apps`: the apps of the space.

use futures_util::future::try_join_all;
use serde::Serialize;

use crate::cli::{
    api::{App, Process, Resources, Route, Stats},
    context::Context,
    failure::Outcome,
    output::{DIM, GOOD, Table, WARN, paint},
};

#[derive(Serialize)]
struct Row {
    name: String,
    guid: String,
    state: String,
    processes: Vec<Count>,
    addresses: Vec<String>,
}

#[derive(Serialize)]
struct Count {
    #[serde(rename = "type")]
    kind: String,
    running: usize,
    instances: usize,
}

pub(crate) async fn apps(context: &Context<'_>) -> Outcome<()> {
    let space = context.space()?;
    let filter = format!("space_guids={}&per_page=5000", space.guid);
    let api = &context.api;
    let apps: Vec<App> = api.all(&format!("/v3/apps?{filter}&order_by=name")).await?;
    let processes: Vec<Process> = api.all(&format!("/v3/processes?{filter}")).await?;
    let routes: Vec<Route> = api.all(&format!("/v3/routes?{filter}")).await?;
    let rows = apps.iter().map(async |app| {
        let own = processes.iter().filter(|process| {
            let owner = process.relationships.as_ref().map(|all| &all.app.data.guid);
            owner == Some(&app.guid)
        });
        let counts = own.map(|process| count(context, app, process));
        let leads = |route: &&Route| route.destinations.iter().any(|to| to.app.guid == app.guid);
        Ok::<_, crate::cli::failure::Failure>(Row {
            name: app.name.clone(),
            guid: app.guid.clone(),
            state: app.state.to_lowercase(),
            processes: try_join_all(counts).await?,
            addresses: routes
                .iter()
                .filter(leads)
                .map(|r| context.address(&r.url))
                .collect(),
        })
    });
    let rows = try_join_all(rows).await?;
    context
        .output
        .result(&rows, |rows| table(rows, &space.name));
    Ok(())
}

async fn count(context: &Context<'_>, app: &App, process: &Process) -> Outcome<Count> {
    let mut count = Count {
        kind: process.kind.clone(),
        running: 0,
        instances: process.instances as usize,
    };
    if app.started() && process.instances > 0 {
        let path = format!("/v3/processes/{}/stats", process.guid);
        let stats: Resources<Stats> = context.api.get(&path).await?;
        count.running = stats
            .resources
            .iter()
            .filter(|one| one.state == "RUNNING")
            .count();
        count.instances = stats.resources.len();
    }
    Ok(count)
}

fn table(rows: &[Row], space: &str) -> String {
    if rows.is_empty() {
        return format!("There is no app in {space}; `pastina push` makes one.\n");
    }
    let mut table = Table::new(&["name", "state", "processes", "addresses"]);
    for row in rows {
        let shown = row
            .processes
            .iter()
            .filter(|p| p.instances > 0 || p.kind == "web");
        let counts: Vec<String> = shown
            .map(|p| format!("{}:{}/{}", p.kind, p.running, p.instances))
            .collect();
        let whole = row.processes.iter().all(|p| p.running == p.instances);
        let style = match (row.state.as_str(), whole) {
            ("started", true) => GOOD,
            ("started", false) => WARN,
            _ => DIM,
        };
        table.row([
            row.name.clone(),
            paint(style, &row.state),
            counts.join(", "),
            row.addresses.join(", "),
        ]);
    }
    table.render()
}

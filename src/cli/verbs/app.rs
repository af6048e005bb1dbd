//! `app`: one app as it stands.

use serde::Serialize;

use crate::cli::{
    api::{App, Droplet, Process, Resources, Route, Stats},
    context::Context,
    failure::Outcome,
    output::{BAD, BOLD, DIM, GOOD, Table, WARN, bytes, duration, paint},
};

#[derive(Serialize)]
struct Summary {
    name: String,
    guid: String,
    state: String,
    addresses: Vec<String>,
    runtimes: Vec<String>,
    stack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    processes: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(rename = "type")]
    kind: String,
    command: Option<String>,
    running: usize,
    memory_in_mb: u64,
    disk_in_mb: u64,
    instances: Vec<Stats>,
}

pub(crate) async fn app(context: &Context<'_>, name: &str) -> Outcome<()> {
    let app = context.app(name).await?;
    show(context, &app.guid).await
}

/// Prints the app of this id; the end of every verb that changes one.
pub(crate) async fn show(context: &Context<'_>, guid: &str) -> Outcome<()> {
    let summary = summary(context, guid).await?;
    context.output.result(&summary, text);
    Ok(())
}

async fn summary(context: &Context<'_>, guid: &str) -> Outcome<Summary> {
    let api = &context.api;
    let base = format!("/v3/apps/{guid}");
    let app: App = api.get(&base).await?;
    let routes: Vec<Route> = api.all(&format!("{base}/routes")).await?;
    let listed: Vec<Process> = api.all(&format!("{base}/processes")).await?;
    let droplet: Option<Droplet> = api.find(&format!("{base}/droplets/current")).await?;
    let mut processes = Vec::new();
    for process in listed {
        let path = format!("/v3/processes/{}/stats", process.guid);
        let stats: Resources<Stats> = api.get(&path).await?;
        let chosen = process
            .command
            .filter(|command| !command.starts_with("[PRIVATE"));
        let detected = droplet
            .as_ref()
            .and_then(|d| d.process_types.get(&process.kind));
        processes.push(Shown {
            running: stats
                .resources
                .iter()
                .filter(|one| one.state == "RUNNING")
                .count(),
            command: chosen.or_else(|| detected.cloned()),
            kind: process.kind,
            memory_in_mb: process.memory_in_mb,
            disk_in_mb: process.disk_in_mb,
            instances: stats.resources,
        });
    }
    // What receives requests comes first.
    processes.sort_by_key(|process| process.kind != "web");
    let built = droplet
        .as_ref()
        .and_then(|droplet| droplet.buildpacks.as_ref());
    let runtimes = built.into_iter().flatten().map(|one| match &one.version {
        Some(version) if !version.is_empty() => format!("{} {version}", one.name),
        _ => one.name.clone(),
    });
    Ok(Summary {
        name: app.name,
        guid: app.guid,
        state: app.state.to_lowercase(),
        addresses: routes
            .iter()
            .map(|route| context.address(&route.url))
            .collect(),
        runtimes: runtimes.collect(),
        stack: droplet.as_ref().and_then(|droplet| droplet.stack.clone()),
        image: droplet.as_ref().and_then(|droplet| droplet.image.clone()),
        processes,
    })
}

fn text(summary: &Summary) -> String {
    let dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let made_of = match &summary.image {
        Some(image) => format!("image:      {image}"),
        None => format!("runtime:    {}", dash(summary.runtimes.join(", "))),
    };
    let mut text = format!(
        "{}\nstate:      {}\naddresses:  {}\n{made_of}\n",
        paint(BOLD, &summary.name),
        summary.state,
        dash(summary.addresses.join(", ")),
    );
    for process in &summary.processes {
        if process.instances.is_empty() && process.kind != "web" {
            continue;
        }
        let (running, all) = (process.running, process.instances.len());
        let memory = bytes(process.memory_in_mb << 20);
        let disk = bytes(process.disk_in_mb << 20);
        text.push_str(&format!(
            "\n{}  {running}/{all} running, {memory} memory and {disk} disk each\n",
            paint(BOLD, &process.kind)
        ));
        if let Some(command) = &process.command {
            text.push_str(&format!("command:    {command}\n"));
        }
        if !process.instances.is_empty() {
            text.push_str(&instances(&process.instances));
        }
    }
    text
}

fn instances(all: &[Stats]) -> String {
    let counted = |one: &Stats| {
        let usage = one.usage.as_ref()?;
        Some([usage.rx_bytes?, usage.tx_bytes?])
    };
    let counts = all.iter().any(|one| counted(one).is_some());
    let mut columns = vec!["#", "state", "up", "cpu", "memory", "disk"];
    columns.extend(["received", "sent"].iter().filter(|_| counts));
    columns.push("details");
    let mut table = Table::new(&columns);
    for one in all {
        let style = match one.state.as_str() {
            "RUNNING" => GOOD,
            "CRASHED" => BAD,
            "STARTING" | "STOPPING" => WARN,
            _ => DIM,
        };
        let of = |used: Option<u64>, quota: Option<u64>| match (used, quota) {
            (Some(used), Some(quota)) => format!("{} of {}", bytes(used), bytes(quota)),
            _ => String::new(),
        };
        let usage = one.usage.as_ref();
        let up = one.uptime.filter(|_| one.state == "RUNNING");
        let mut row = vec![
            one.index.to_string(),
            paint(style, one.state.to_lowercase()),
            up.map_or_else(String::new, duration),
            usage.map_or_else(String::new, |usage| format!("{:.1} %", usage.cpu * 100.0)),
            of(usage.map(|usage| usage.mem), one.mem_quota),
            of(usage.map(|usage| usage.disk), one.disk_quota),
        ];
        if counts {
            let told = counted(one).map(|both| both.map(bytes));
            row.extend(told.unwrap_or_default());
        }
        row.push(one.details.clone().unwrap_or_default());
        table.row(row);
    }
    table.render()
}

//! `task`: commands that run once.

use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::sleep;

use crate::cli::{
    args::RunTask,
    context::Context,
    failure::{Failure, Outcome},
    output::Table,
};

/// Between looks at a task that is waited for.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Serialize, Deserialize)]
struct Task {
    guid: String,
    sequence_id: u64,
    name: String,
    state: String,
    created_at: String,
    /// Not everybody may see it.
    command: Option<String>,
    memory_in_mb: u32,
    disk_in_mb: u32,
    result: Ended,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    failure_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Process {
    guid: String,
}

pub(crate) async fn run(context: &Context<'_>, args: &RunTask) -> Outcome<()> {
    let app = context.app(&args.app).await?;
    let mut body = json!({ "name": args.name });
    if let Some(command) = &args.command {
        body["command"] = json!(command);
    } else {
        let path = format!("/v3/apps/{}/processes/{}", app.guid, args.process);
        let found: Option<Process> = context.api.find(&path).await?;
        let process = found.ok_or_else(|| {
            Failure::Usage(format!(
                "{} has no process {}: say with --command what to run",
                args.app, args.process
            ))
        })?;
        body["template"] = json!({ "process": { "guid": process.guid } });
    }
    for (key, size) in [("memory_in_mb", &args.memory), ("disk_in_mb", &args.disk)] {
        if let Some(size) = size {
            body[key] = json!(super::scale::megabytes(size)?);
        }
    }
    let path = format!("/v3/apps/{}/tasks", app.guid);
    let mut task: Task = context.api.post(&path, &body).await?.json()?;
    let number = task.sequence_id;
    context.output.note(format!(
        "Task {number} ({}) of {} is asked for.",
        task.name, args.app
    ));
    while args.wait && !["SUCCEEDED", "FAILED"].contains(&task.state.as_str()) {
        sleep(PAUSE).await;
        let path = format!("/v3/tasks/{}", task.guid);
        task = context.api.get(&path).await?;
    }
    if let Some(reason) = &task.result.failure_reason {
        return Err(Failure::Other(anyhow!(
            "task {number} failed: {reason}; `pastina logs {}` shows what it wrote",
            args.app
        )));
    }
    show_one(context, &task);
    Ok(())
}

pub(crate) async fn list(context: &Context<'_>, app: &str) -> Outcome<()> {
    let found = context.app(app).await?;
    let path = format!(
        "/v3/apps/{}/tasks?order_by=-created_at&per_page=5000",
        found.guid
    );
    let tasks: Vec<Task> = context.api.all(&path).await?;
    context.output.result(&tasks, |tasks| {
        if tasks.is_empty() {
            return format!("{app} has no tasks; `pastina task run {app}` runs one.\n");
        }
        let mut table = Table::new(&["number", "name", "state", "started", "command"]);
        for task in tasks {
            table.row([
                task.sequence_id.to_string(),
                task.name.clone(),
                state(task),
                task.created_at.clone(),
                task.command.clone().unwrap_or_default(),
            ]);
        }
        table.render()
    });
    Ok(())
}

pub(crate) async fn show(context: &Context<'_>, app: &str, number: u64) -> Outcome<()> {
    let task = find(context, app, number).await?;
    show_one(context, &task);
    Ok(())
}

pub(crate) async fn cancel(context: &Context<'_>, app: &str, number: u64) -> Outcome<()> {
    let task = find(context, app, number).await?;
    let path = format!("/v3/tasks/{}/actions/cancel", task.guid);
    let task: Task = context.api.post(&path, &json!({})).await?.json()?;
    show_one(context, &task);
    Ok(())
}

async fn find(context: &Context<'_>, app: &str, number: u64) -> Outcome<Task> {
    let found = context.app(app).await?;
    let path = format!("/v3/apps/{}/tasks?sequence_ids={number}", found.guid);
    let tasks: Vec<Task> = context.api.all(&path).await?;
    tasks.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "task",
        name: number.to_string(),
    })
}

fn show_one(context: &Context<'_>, task: &Task) {
    context.output.result(task, |task| {
        let mut table = Table::new(&["task", ""]);
        let size = format!("{}M memory, {}M disk", task.memory_in_mb, task.disk_in_mb);
        for (key, value) in [
            ("number", task.sequence_id.to_string()),
            ("name", task.name.clone()),
            ("state", state(task)),
            ("started", task.created_at.clone()),
            ("size", size),
            ("command", task.command.clone().unwrap_or_default()),
        ] {
            table.row([key.to_owned(), value]);
        }
        table.render()
    });
}

/// Where it stands, and why.
fn state(task: &Task) -> String {
    let state = task.state.to_lowercase();
    match &task.result.failure_reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state,
    }
}

//! `events`: what happened to an app, the newest first.

use serde::Serialize;
use serde_json::Value;

use crate::cli::{api::Event, context::Context, failure::Outcome, output::Table};

#[derive(Serialize)]
struct Row {
    time: String,
    event: String,
    actor: String,
    description: String,
}

pub(crate) async fn events(context: &Context<'_>, name: &str) -> Outcome<()> {
    let app = context.app(name).await?;
    let guid = app.guid;
    let path = format!("/v3/audit_events?target_guids={guid}&order_by=-created_at&per_page=50");
    let page: Value = context.api.get(&path).await?;
    let events: Vec<Event> = serde_json::from_value(page["resources"].clone())
        .map_err(|error| crate::cli::failure::Failure::Other(error.into()))?;
    let rows: Vec<Row> = events
        .into_iter()
        .map(|event| Row {
            time: event.created_at,
            event: event.kind,
            actor: event.actor.name.unwrap_or_default(),
            description: describe(&event.data),
        })
        .collect();
    context.output.result(&rows, |rows| {
        let mut table = Table::new(&["time", "event", "actor", "description"]);
        for row in rows {
            let Row {
                time,
                event,
                actor,
                description,
            } = row;
            table.row([time, event, actor, description].map(Clone::clone));
        }
        table.render()
    });
    Ok(())
}

/// What is worth reading of an event's data.
const TELLING: [&str; 11] = [
    "index",
    "reason",
    "exit_description",
    "exit_status",
    "recursive",
    "instances",
    "memory",
    "memory_in_mb",
    "disk_in_mb",
    "state",
    "command",
];

/// The telling parts of an event's data, on one line.
pub(crate) fn describe(data: &Value) -> String {
    let data = data.get("request").unwrap_or(data);
    let parts: Vec<String> = TELLING
        .iter()
        .filter_map(|key| match data.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(format!("{key}: {text}")),
            other => Some(format!("{key}: {other}")),
        })
        .collect();
    parts.join(", ")
}

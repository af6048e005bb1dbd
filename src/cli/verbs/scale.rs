//! `scale`: how many, and how large.

use serde_json::{Map, Value, json};

use crate::{
    cli::{
        args::Scale,
        context::Context,
        failure::{Failure, Outcome},
        push,
    },
    model::Megabytes,
};

use super::{app, lifecycle};

pub(crate) async fn scale(context: &Context<'_>, args: &Scale) -> Outcome<()> {
    let found = context.app(&args.name).await?;
    let mut change = Map::new();
    if let Some(instances) = args.instances {
        change.insert("instances".to_owned(), json!(instances));
    }
    for (key, size) in [("memory_in_mb", &args.memory), ("disk_in_mb", &args.disk)] {
        if let Some(size) = size {
            change.insert(key.to_owned(), json!(megabytes(size)?));
        }
    }
    if change.is_empty() {
        return app::show(context, &found.guid).await;
    }
    let (guid, process) = (&found.guid, &args.process);
    let path = format!("/v3/apps/{guid}/processes/{process}/actions/scale");
    context.api.post(&path, &Value::Object(change)).await?;
    // Memory and disk are fixed when an instance starts.
    let restart = args.memory.is_some() || args.disk.is_some();
    if found.started() && restart {
        lifecycle::act(context, guid, "restart").await?;
    }
    if found.started() {
        if restart {
            push::await_start(context, guid, &found.name).await?;
        }
        push::await_all(context, guid, &found.name, process).await?;
    }
    app::show(context, guid).await
}

pub(super) fn megabytes(text: &str) -> Outcome<u32> {
    let size: Result<Megabytes, _> = text.parse();
    size.map(|size| size.0)
        .map_err(|error| Failure::Usage(error.to_string()))
}

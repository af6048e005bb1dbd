//! `deployment`, `revisions` and `rollback`.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::app;
use crate::cli::{
    api::App,
    args::{Rollback, Strategy},
    context::Context,
    failure::{Failure, Outcome},
    output::Table,
};

/// Between looks at a deployment.
const PAUSE: Duration = Duration::from_millis(250);
/// As long as the stock client waits.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Serialize, Deserialize)]
struct Deployment {
    guid: String,
    strategy: String,
    created_at: String,
    status: Status,
}

#[derive(Debug, Serialize, Deserialize)]
struct Status {
    value: String,
    reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Revision {
    guid: String,
    version: u64,
    created_at: String,
    description: String,
    deployable: bool,
}

/// Replaces the instances of an app by such as `brings` says, which is a droplet, a revision or
/// nothing new; returns when that is done or a canary waits.
pub(crate) async fn deploy(
    context: &Context<'_>,
    found: &App,
    strategy: Strategy,
    brings: Value,
) -> Outcome<()> {
    let mut body = json!({
        "strategy": strategy.name(),
        "relationships": { "app": { "data": { "guid": found.guid } } },
    });
    if let (Some(body), Value::Object(brings)) = (body.as_object_mut(), brings) {
        body.extend(brings);
    }
    let made: Deployment = context.api.post("/v3/deployments", &body).await?.json()?;
    follow(context, found, &made.guid).await
}

async fn follow(context: &Context<'_>, found: &App, guid: &str) -> Outcome<()> {
    let name = &found.name;
    context.output.note("Replacing instances");
    let begin = Instant::now();
    loop {
        let deployment: Deployment = context.api.get(&format!("/v3/deployments/{guid}")).await?;
        match deployment.status.reason.as_str() {
            "DEPLOYED" => break,
            "PAUSED" => {
                context.output.note(format!(
                    "The first instances run. `pastina deployment continue {name}` goes on, \
                     `pastina deployment cancel {name}` goes back."
                ));
                break;
            }
            "CANCELED" | "CANCELING" | "SUPERSEDED" => {
                let reason = deployment.status.reason.to_lowercase();
                return Err(Failure::Other(anyhow!(
                    "the deployment of {name} was {reason}"
                )));
            }
            _ if begin.elapsed() > PATIENCE => {
                return Err(Failure::Start {
                    app: name.clone(),
                    reason: format!(
                        "new instances do not become healthy; what ran before goes on. \
                         `pastina logs {name}` may say why, `pastina deployment cancel {name}` \
                         gives up"
                    ),
                });
            }
            _ => sleep(PAUSE).await,
        }
    }
    app::show(context, &found.guid).await
}

pub(crate) async fn list(context: &Context<'_>, name: &str) -> Outcome<()> {
    let found = context.app(name).await?;
    let path = format!(
        "/v3/deployments?app_guids={}&order_by=-created_at",
        found.guid
    );
    let deployments: Vec<Deployment> = context.api.all(&path).await?;
    context.output.result(&deployments, |deployments| {
        if deployments.is_empty() {
            return format!("{name} was never deployed while it went on.\n");
        }
        let mut table = Table::new(&["started", "strategy", "status"]);
        for one in deployments {
            let status = one.status.reason.to_lowercase();
            table.row([one.created_at.clone(), one.strategy.clone(), status]);
        }
        table.render()
    });
    Ok(())
}

/// The deployment that is under way.
async fn active(context: &Context<'_>, name: &str) -> Outcome<(App, String)> {
    let found = context.app(name).await?;
    let path = format!(
        "/v3/deployments?app_guids={}&status_values=ACTIVE",
        found.guid
    );
    let deployments: Vec<Deployment> = context.api.all(&path).await?;
    match deployments.into_iter().next() {
        Some(deployment) => Ok((found, deployment.guid)),
        None => Err(Failure::NotFound {
            what: "deployment under way of",
            name: name.to_owned(),
        }),
    }
}

pub(crate) async fn go_on(context: &Context<'_>, name: &str) -> Outcome<()> {
    let (found, guid) = active(context, name).await?;
    let path = format!("/v3/deployments/{guid}/actions/continue");
    context.api.post(&path, &json!({})).await?;
    follow(context, &found, &guid).await
}

pub(crate) async fn cancel(context: &Context<'_>, name: &str) -> Outcome<()> {
    let (found, guid) = active(context, name).await?;
    let path = format!("/v3/deployments/{guid}/actions/cancel");
    context.api.post(&path, &json!({})).await?;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let now: Deployment = context.api.get(&format!("/v3/deployments/{guid}")).await?;
        if now.status.value == "FINALIZED" {
            return app::show(context, &found.guid).await;
        }
        sleep(PAUSE).await;
    }
    let reason = "what ran before does not become healthy again".to_owned();
    Err(Failure::Start {
        app: found.name,
        reason,
    })
}

async fn revisions_of(context: &Context<'_>, found: &App) -> Outcome<Vec<Revision>> {
    let path = format!(
        "/v3/apps/{}/revisions?order_by=-created_at&per_page=100",
        found.guid
    );
    context.api.all(&path).await
}

pub(crate) async fn revisions(context: &Context<'_>, name: &str) -> Outcome<()> {
    let found = context.app(name).await?;
    let revisions = revisions_of(context, &found).await?;
    context.output.result(&revisions, |revisions| {
        if revisions.is_empty() {
            return format!("{name} has no revisions: the next start makes the first.\n");
        }
        let mut table = Table::new(&["version", "started", "description"]);
        for one in revisions {
            let mut description = one.description.clone();
            if !one.deployable {
                description += " (its code is not kept any more)";
            }
            table.row([one.version.to_string(), one.created_at.clone(), description]);
        }
        table.render()
    });
    Ok(())
}

pub(crate) async fn rollback(context: &Context<'_>, args: &Rollback) -> Outcome<()> {
    let found = context.app(&args.name).await?;
    let revisions = revisions_of(context, &found).await?;
    let target = revisions
        .into_iter()
        .find(|one| one.version == args.version);
    let target = target.ok_or_else(|| Failure::NotFound {
        what: "revision",
        name: args.version.to_string(),
    })?;
    let brings = json!({ "revision": { "guid": target.guid } });
    deploy(context, &found, args.strategy, brings).await
}

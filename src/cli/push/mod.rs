//! `push`: from a folder to a running app.

mod archive;
mod files;
mod image;
mod manifest;
mod stage;
mod start;
mod upload;
mod vars;

pub(super) use stage::build;
pub(super) use start::{await_all, await_start};

use std::env;

use anyhow::Context as _;
use serde_json::json;

use super::{
    api::{App, guid},
    args::Push,
    context::Context,
    failure::{Failure, Outcome},
    output::{BOLD, paint},
    verbs,
};
use crate::wire::manifest::unknown_keys;
use manifest::Planned;

pub(super) async fn push(context: &Context<'_>, args: &Push) -> Outcome<()> {
    let space = context.space()?;
    let folder = env::current_dir().context("cannot tell the current folder")?;
    let planned = manifest::plan(args, &folder)?;
    for app in &planned {
        warn_of_unknown_keys(context, app);
    }
    // What cannot be packed is told before anything is changed.
    let packed = planned
        .iter()
        .map(|app| match &app.image {
            Some(image) => image::login(image).map(Content::Image),
            None => files::collect(&app.source).map(Content::Files),
        })
        .collect::<Outcome<Vec<_>>>()?;
    apply(context, &space.guid, &planned).await?;
    for (app, content) in planned.iter().zip(&packed) {
        let found = context.app(&app.name).await?;
        one(context, &found, content, args).await?;
    }
    Ok(())
}

/// The platform passes over keys that it does not know, as Cloud Foundry does, so whoever
/// misspelt one would never learn why it had no effect.
fn warn_of_unknown_keys(context: &Context<'_>, app: &Planned) {
    for unknown in unknown_keys(&app.entry) {
        let (place, key) = (unknown.place, unknown.key);
        let meant = match unknown.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "it has no effect".to_owned(),
        };
        let text = format!("the manifest has an unknown key `{key}` in {place}: {meant}");
        context.output.warning(text);
    }
}

/// Makes or changes the apps as the manifest wants them.
async fn apply(context: &Context<'_>, space: &str, planned: &[Planned]) -> Outcome<()> {
    let names: Vec<&str> = planned.iter().map(|app| app.name.as_str()).collect();
    let names = names.join(", ");
    context
        .output
        .note(format!("Pushing {}", paint(BOLD, names)));
    let entries: Vec<_> = planned.iter().map(|app| &app.entry).collect();
    // JSON is YAML, and leaves nothing to how a text without quotes is read.
    let body = json!({"applications": entries}).to_string();
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let answer = context
        .api
        .call_with(http::Method::POST, &path, "application/x-yaml", body.into())
        .await?;
    context.api.finish(&answer, "applying the manifest").await
}

/// What an app is made of.
enum Content {
    Files(files::Files),
    Image(image::Login),
}

async fn one(context: &Context<'_>, app: &App, content: &Content, args: &Push) -> Outcome<()> {
    let package = match content {
        Content::Files(files) => upload::upload(context, &app.guid, files).await?,
        Content::Image(image) => image::package(context, &app.guid, image).await?,
    };
    if args.no_start {
        if app.started() {
            verbs::lifecycle::act(context, &app.guid, "stop").await?;
        }
        return verbs::app::show(context, &app.guid).await;
    }
    let droplet = build(context, &app.guid, &package).await?;
    if let Some(strategy) = args.strategy {
        let brings = json!({ "droplet": { "guid": droplet } });
        return verbs::deployment::deploy(context, app, strategy, brings).await;
    }
    let path = format!("/v3/apps/{}/relationships/current_droplet", app.guid);
    context.api.patch(&path, &guid(&droplet)).await?;
    context.output.note("Starting");
    verbs::lifecycle::act(context, &app.guid, "restart").await?;
    await_start(context, &app.guid, &app.name).await?;
    verbs::app::show(context, &app.guid).await
}

/// A usage error out of any text.
fn usage<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Failure::Usage(message.into()))
}

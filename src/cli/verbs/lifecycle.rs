//! `start`, `stop`, `restart`, `restage` and `delete`.

use serde_json::json;

use crate::cli::{
    api::{App, Droplet, Package, Route, guid},
    args::{Delete, Restart},
    context::Context,
    failure::{Failure, Outcome},
    push,
};

use super::app;

/// Asks for one of an app's actions.
pub(crate) async fn act(context: &Context<'_>, app: &str, action: &str) -> Outcome<()> {
    let path = format!("/v3/apps/{app}/actions/{action}");
    context.api.post(&path, &json!({})).await?;
    Ok(())
}

pub(crate) async fn start(context: &Context<'_>, name: &str) -> Outcome<()> {
    let found = context.app(name).await?;
    if !found.started() {
        build_if_never_built(context, &found).await?;
        act(context, &found.guid, "start").await?;
    }
    push::await_start(context, &found.guid, name).await?;
    app::show(context, &found.guid).await
}

/// An app that was pushed with `--no-start` has a package and nothing that could run.
async fn build_if_never_built(context: &Context<'_>, found: &App) -> Outcome<()> {
    let path = format!("/v3/apps/{}/droplets/current", found.guid);
    let droplet: Option<Droplet> = context.api.find(&path).await?;
    match droplet {
        Some(_) => Ok(()),
        None => build_newest(context, found).await,
    }
}

async fn build_newest(context: &Context<'_>, found: &App) -> Outcome<()> {
    let (api, app) = (&context.api, &found.guid);
    let list = format!("/v3/packages?app_guids={app}&states=READY&order_by=-created_at&per_page=1");
    let page: crate::cli::api::Resources<Package> = api.get(&list).await?;
    let package = page
        .resources
        .into_iter()
        .next()
        .ok_or_else(|| Failure::NotFound {
            what: "uploaded code of",
            name: found.name.clone(),
        })?;
    let droplet = push::build(context, app, &package.guid).await?;
    let path = format!("/v3/apps/{app}/relationships/current_droplet");
    api.patch(&path, &guid(&droplet)).await?;
    Ok(())
}

pub(crate) async fn stop(context: &Context<'_>, name: &str) -> Outcome<()> {
    let found = context.app(name).await?;
    act(context, &found.guid, "stop").await?;
    app::show(context, &found.guid).await
}

pub(crate) async fn restart(context: &Context<'_>, args: &Restart) -> Outcome<()> {
    let name = &args.name;
    let found = context.app(name).await?;
    if let Some(strategy) = args.strategy {
        return super::deployment::deploy(context, &found, strategy, json!({})).await;
    }
    act(context, &found.guid, "restart").await?;
    push::await_start(context, &found.guid, name).await?;
    app::show(context, &found.guid).await
}

pub(crate) async fn restage(context: &Context<'_>, name: &str) -> Outcome<()> {
    let found = context.app(name).await?;
    build_newest(context, &found).await?;
    act(context, &found.guid, "restart").await?;
    push::await_start(context, &found.guid, name).await?;
    app::show(context, &found.guid).await
}

pub(crate) async fn delete(context: &Context<'_>, args: &Delete) -> Outcome<()> {
    let name = &args.name;
    let found = context.app(name).await?;
    let with = if args.routes {
        " and its addresses"
    } else {
        ""
    };
    context.confirm(&format!("Delete the app {name}{with}?"), args.force)?;
    let routes: Vec<Route> = if args.routes {
        context
            .api
            .all(&format!("/v3/apps/{}/routes", found.guid))
            .await?
    } else {
        Vec::new()
    };
    let shared = routes.iter().find(|route| {
        route
            .destinations
            .iter()
            .any(|to| to.app.guid != found.guid)
    });
    if let Some(route) = shared {
        let message = format!(
            "{} leads to another app, too: unmap it first, or delete without --routes",
            route.url
        );
        return Err(Failure::Usage(message));
    }
    context
        .api
        .delete(&format!("/v3/apps/{}", found.guid))
        .await?;
    for route in routes {
        context
            .api
            .delete(&format!("/v3/routes/{}", route.guid))
            .await?;
    }
    context.output.result(&json!({"deleted": name}), |_| {
        format!("{name} is deleted.\n")
    });
    Ok(())
}

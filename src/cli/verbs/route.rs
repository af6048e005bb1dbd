//! `route`: addresses that lead to apps.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{
    api::{App, Domain, Route, guid},
    context::{Context, query},
    failure::{Failure, Outcome},
    output::Table,
};

#[derive(Serialize)]
struct Row {
    address: String,
    guid: String,
    apps: Vec<String>,
}

pub(crate) async fn list(context: &Context<'_>) -> Outcome<()> {
    let space = context.space()?;
    let filter = format!("space_guids={}&per_page=5000", space.guid);
    let routes: Vec<Route> = context.api.all(&format!("/v3/routes?{filter}")).await?;
    let apps: Vec<App> = context.api.all(&format!("/v3/apps?{filter}")).await?;
    let name = |guid: &String| {
        let app = apps.iter().find(|app| app.guid == *guid);
        app.map_or_else(|| guid.clone(), |app| app.name.clone())
    };
    let row = |route: Route| Row {
        address: context.address(&route.url),
        apps: route
            .destinations
            .iter()
            .map(|to| name(&to.app.guid))
            .collect(),
        guid: route.guid,
    };
    let rows: Vec<Row> = routes.into_iter().map(row).collect();
    context.output.result(&rows, |rows| {
        let mut table = Table::new(&["address", "apps"]);
        for row in rows {
            table.row([row.address.clone(), row.apps.join(", ")]);
        }
        table.render()
    });
    Ok(())
}

/// An address in the parts that the API wants.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    domain: String,
    host: String,
    path: String,
}

/// Takes an address apart at the longest domain that fits.
fn parts(address: &str, domains: &[Domain]) -> Option<Parts> {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (authority, path) = bare
        .find('/')
        .map_or((bare, ""), |slash| bare.split_at(slash));
    let name = authority
        .split_once(':')
        .map_or(authority, |(name, _)| name);
    let fitting = domains.iter().filter_map(|domain| {
        let host = name.strip_suffix(&domain.name)?;
        let host = if host.is_empty() {
            host
        } else {
            host.strip_suffix('.')?
        };
        Some((domain, host))
    });
    let (domain, host) = fitting.max_by_key(|(domain, _)| domain.name.len())?;
    Some(Parts {
        domain: domain.guid.clone(),
        host: host.to_owned(),
        path: path.trim_end_matches('/').to_owned(),
    })
}

async fn resolve(context: &Context<'_>, address: &str) -> Outcome<Parts> {
    let org = context.org()?.guid;
    let list = format!("/v3/organizations/{org}/domains");
    let domains: Vec<Domain> = context.api.all(&list).await?;
    parts(&address.to_lowercase(), &domains).ok_or_else(|| {
        let names: Vec<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
        let names = names.join(", ");
        Failure::Usage(format!(
            "{address} is under none of this organization's domains: {names}"
        ))
    })
}

async fn look_up(context: &Context<'_>, parts: &Parts) -> Outcome<Option<Route>> {
    let (domain, host, path) = (&parts.domain, query(&parts.host), query(&parts.path));
    let list = format!("/v3/routes?domain_guids={domain}&hosts={host}&paths={path}");
    let found: Vec<Route> = context.api.all(&list).await?;
    Ok(found.into_iter().next())
}

async fn existing(context: &Context<'_>, address: &str) -> Outcome<Route> {
    let parts = resolve(context, address).await?;
    look_up(context, &parts)
        .await?
        .ok_or_else(|| Failure::NotFound {
            what: "address",
            name: address.to_owned(),
        })
}

async fn make(context: &Context<'_>, parts: &Parts) -> Outcome<Route> {
    let space = context.space()?.guid;
    let mut body = json!({
        "relationships": {"space": guid(&space), "domain": guid(&parts.domain)}
    });
    for (key, value) in [("host", &parts.host), ("path", &parts.path)] {
        if !value.is_empty() {
            body[key] = Value::String(value.clone());
        }
    }
    context.api.post("/v3/routes", &body).await?.json()
}

fn say(context: &Context<'_>, route: &Route, what: &str) {
    let address = context.address(&route.url);
    let value = json!({"address": address, "guid": route.guid});
    context
        .output
        .result(&value, |_| format!("{address} {what}\n"));
}

pub(crate) async fn create(context: &Context<'_>, address: &str) -> Outcome<()> {
    let parts = resolve(context, address).await?;
    let route = make(context, &parts).await?;
    say(context, &route, "is reserved.");
    Ok(())
}

pub(crate) async fn map(context: &Context<'_>, app: &str, address: &str) -> Outcome<()> {
    let found = context.app(app).await?;
    let parts = resolve(context, address).await?;
    let route = match look_up(context, &parts).await? {
        Some(route) => route,
        None => make(context, &parts).await?,
    };
    let path = format!("/v3/routes/{}/destinations", route.guid);
    let body = json!({"destinations": [{"app": {"guid": found.guid}}]});
    context.api.post(&path, &body).await?;
    say(context, &route, &format!("leads to {app}."));
    Ok(())
}

pub(crate) async fn unmap(context: &Context<'_>, app: &str, address: &str) -> Outcome<()> {
    let found = context.app(app).await?;
    let route = existing(context, address).await?;
    let leading = route
        .destinations
        .iter()
        .filter(|to| to.app.guid == found.guid);
    for destination in leading.filter_map(|to| to.guid.as_ref()) {
        let path = format!("/v3/routes/{}/destinations/{destination}", route.guid);
        context.api.delete(&path).await?;
    }
    say(context, &route, &format!("does not lead to {app}."));
    Ok(())
}

pub(crate) async fn delete(context: &Context<'_>, address: &str, force: bool) -> Outcome<()> {
    let route = existing(context, address).await?;
    context.confirm(&format!("Delete the address {}?", route.url), force)?;
    context
        .api
        .delete(&format!("/v3/routes/{}", route.guid))
        .await?;
    say(context, &route, "is deleted.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_at_the_longest_domain() {
        let domain = |name: &str| Domain {
            guid: name.to_owned(),
            name: name.to_owned(),
        };
        let domains = [domain("localhost"), domain("a.localhost"), domain("kr")];
        let check = |address: &str, expected: Option<(&str, &str, &str)>| {
            let expected = expected.map(|(domain, host, path)| Parts {
                domain: domain.to_owned(),
                host: host.to_owned(),
                path: path.to_owned(),
            });
            assert_eq!(parts(address, &domains), expected, "{address}");
        };
        check("shop.localhost", Some(("localhost", "shop", "")));
        check(
            "https://shop.localhost:8443/cart/",
            Some(("localhost", "shop", "/cart")),
        );
        check("b.a.localhost", Some(("a.localhost", "b", "")));
        check("a.localhost", Some(("a.localhost", "", "")));
        check("notlocalhost", None);
        check("example.com", None);
    }
}

//! `broker`: programs that offer services.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    api::guid,
    args::{Access, Broker, BrokerLogin},
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

use super::{login::ask_hidden, offer};

const PATH: &str = "/v3/service_brokers";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    guid: String,
    name: String,
    url: String,
}

pub(crate) async fn run(context: &Context<'_>, verb: Broker) -> Outcome<()> {
    match verb {
        Broker::List => list(context).await,
        Broker::Create {
            name,
            url,
            login,
            for_space,
        } => create(context, &name, &url, login, for_space).await,
        Broker::Update { name, url, login } => update(context, &name, url, login).await,
        Broker::Open(access) => open(context, &access).await,
        Broker::Close(access) => close(context, &access).await,
        Broker::Delete { name, force } => delete(context, &name, force).await,
    }
}

async fn list(context: &Context<'_>) -> Outcome<()> {
    let path = format!("{PATH}?order_by=name&per_page=5000");
    let all: Vec<Found> = context.api.all(&path).await?;
    context.output.result(&all, |all| {
        if all.is_empty() {
            return "There is no broker; `pastina broker create` registers one.\n".to_owned();
        }
        let mut table = Table::new(&["name", "address"]);
        for one in all {
            table.row([one.name.clone(), one.url.clone()]);
        }
        table.render()
    });
    Ok(())
}

async fn find(context: &Context<'_>, name: &str) -> Outcome<Found> {
    let path = format!("{PATH}?names={}", name_query(name));
    let found: Vec<Found> = context.api.all(&path).await?;
    found.into_iter().next().ok_or_else(|| Failure::NotFound {
        what: "broker",
        name: name.to_owned(),
    })
}

/// How the platform logs in, as the API takes it.
fn authentication(username: &str, password: Option<String>) -> Outcome<Value> {
    let prompt = format!("Password of {username} at the broker: ");
    let ask = || ask_hidden(&prompt, "give it with -p or PASTINA_BROKER_PASSWORD");
    let password = password.map_or_else(ask, Ok)?;
    Ok(json!({
        "type": "basic", "credentials": { "username": username, "password": password },
    }))
}

async fn create(
    context: &Context<'_>,
    name: &str,
    url: &str,
    login: BrokerLogin,
    for_space: bool,
) -> Outcome<()> {
    let username = login.username.ok_or_else(|| {
        Failure::Usage("say with -u as whom the platform logs in to the broker".to_owned())
    })?;
    let mut body = json!({
        "name": name, "url": url,
        "authentication": authentication(&username, login.password)?,
    });
    if for_space {
        body["relationships"] = json!({ "space": guid(&context.space()?.guid) });
    }
    let answer = context.api.post(PATH, &body).await?;
    context.api.finish(&answer, "the registration").await?;
    let made = find(context, name).await?;
    context.output.result(&made, |_| {
        let next = if for_space {
            "`pastina service offers` lists what it offers"
        } else {
            "`pastina broker open OFFERING` lets people use what it offers"
        };
        format!("{name} is registered; {next}.\n")
    });
    Ok(())
}

async fn update(
    context: &Context<'_>,
    name: &str,
    url: Option<String>,
    login: BrokerLogin,
) -> Outcome<()> {
    let found = find(context, name).await?;
    let mut body = json!({});
    if let Some(url) = url {
        body["url"] = json!(url);
    }
    if let Some(username) = login.username {
        body["authentication"] = authentication(&username, login.password)?;
    }
    let path = format!("{PATH}/{}", found.guid);
    let answer = context.api.patch(&path, &body).await?;
    context.api.finish(&answer, "reading the catalog").await?;
    context
        .output
        .result(&found, |_| format!("{name}'s catalog is read anew.\n"));
    Ok(())
}

async fn open(context: &Context<'_>, access: &Access) -> Outcome<()> {
    let body = if access.org {
        let org = context.org()?.guid;
        json!({ "type": "organization", "organizations": [{ "guid": org }] })
    } else {
        json!({ "type": "public" })
    };
    for plan in offer::plans(context, &access.offering, access.plan.as_deref()).await? {
        let path = format!("/v3/service_plans/{}/visibility", plan.guid);
        // One organization is added to those that have it.
        context.api.post(&path, &body).await?;
    }
    say(context, access, "is open to")
}

async fn close(context: &Context<'_>, access: &Access) -> Outcome<()> {
    for plan in offer::plans(context, &access.offering, access.plan.as_deref()).await? {
        let path = format!("/v3/service_plans/{}/visibility", plan.guid);
        if access.org {
            let org = context.org()?.guid;
            context.api.delete(&format!("{path}/{org}")).await?;
        } else {
            context
                .api
                .patch(&path, &json!({ "type": "admin" }))
                .await?;
        }
    }
    say(context, access, "is closed to")
}

fn say(context: &Context<'_>, access: &Access, what: &str) -> Outcome<()> {
    let whom = if access.org {
        context.org()?.name
    } else {
        "everybody".to_owned()
    };
    let plan = access.plan.as_deref().map(|plan| format!(" {plan}"));
    let told = json!({ "offering": access.offering, "plan": access.plan, "whom": whom });
    context.output.result(&told, |_| {
        format!(
            "{}{} {what} {whom}.\n",
            access.offering,
            plan.unwrap_or_default()
        )
    });
    Ok(())
}

async fn delete(context: &Context<'_>, name: &str, force: bool) -> Outcome<()> {
    let found = find(context, name).await?;
    context.confirm(&format!("Forget the broker {name}?"), force)?;
    context
        .api
        .delete(&format!("{PATH}/{}", found.guid))
        .await?;
    context
        .output
        .result(&found, |_| format!("{name} is forgotten.\n"));
    Ok(())
}

//! `user`: who can log in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    args::{NewPassword, User},
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
};

use super::login::{ask_hidden, ask_new};

/// The platform's own users.
const OWN: &str = "uaa";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) guid: String,
    /// A client that was never given a name has none.
    pub(crate) username: Option<String>,
    pub(crate) origin: Option<String>,
}

impl Person {
    pub(crate) fn name(&self) -> &str {
        self.username.as_deref().unwrap_or(&self.guid)
    }
}

pub(crate) async fn run(context: &Context<'_>, verb: User) -> Outcome<()> {
    match verb {
        User::List => list(context).await,
        User::Create {
            name,
            origin,
            password,
        } => create(context, &name, origin.as_deref(), password).await,
        User::Password { name, password } => set_password(context, name.as_deref(), password).await,
        User::Delete {
            name,
            origin,
            force,
        } => delete(context, &name, origin.as_deref(), force).await,
    }
}

async fn list(context: &Context<'_>) -> Outcome<()> {
    let path = "/v3/users?per_page=5000";
    let mut all: Vec<Person> = context.api.all(path).await?;
    all.sort_by(|a, b| a.name().cmp(b.name()));
    context.output.result(&all, |all| {
        let mut table = Table::new(&["name", "origin"]);
        for one in all {
            let origin = one.origin.clone().unwrap_or_default();
            table.row([one.name().to_owned(), origin]);
        }
        table.render()
    });
    Ok(())
}

/// The user of this name; `origin` tells those apart who have the same.
pub(crate) async fn find(
    context: &Context<'_>,
    name: &str,
    origin: Option<&str>,
) -> Outcome<Person> {
    let mut path = format!("/v3/users?usernames={}", name_query(name));
    if let Some(origin) = origin {
        path.push_str(&format!("&origins={}", name_query(origin)));
    }
    let mut found: Vec<Person> = context.api.all(&path).await?;
    if found.len() > 1 {
        let origins = found.iter().filter_map(|one| one.origin.clone());
        let origins = origins.collect::<Vec<_>>().join(", ");
        let message = format!("there is more than one {name}: say --origin with one of {origins}");
        return Err(Failure::Usage(message));
    }
    found.pop().ok_or_else(|| Failure::NotFound {
        what: "user",
        name: name.to_owned(),
    })
}

/// UAA's part of the API.
fn uaa(context: &Context<'_>, path: &str) -> String {
    format!("{}{path}", context.api.profile().login)
}

async fn create(
    context: &Context<'_>,
    name: &str,
    origin: Option<&str>,
    password: NewPassword,
) -> Outcome<()> {
    let mut body = json!({
        "userName": name,
        "origin": origin.unwrap_or(OWN),
        "name": { "givenName": name, "familyName": name },
        "emails": [{ "value": name, "primary": true }],
    });
    if origin.is_none_or(|origin| origin == OWN) {
        body["password"] = json!(password.text.map_or_else(|| ask_new(name), Ok)?);
    }
    let made: Value = context
        .api
        .post(&uaa(context, "/Users"), &body)
        .await?
        .json()?;
    let known = json!({ "guid": made["id"] });
    let person: Person = context.api.post("/v3/users", &known).await?.json()?;
    context.output.result(&person, |_| {
        format!(
            "{name} is made, and has no role yet; `pastina role give {name} developer` lets them \
             work in the targeted space.\n"
        )
    });
    Ok(())
}

async fn set_password(
    context: &Context<'_>,
    name: Option<&str>,
    password: NewPassword,
) -> Outcome<()> {
    let own = context.api.profile().username;
    let name = name.unwrap_or(&own);
    let person = find(context, name, Some(OWN)).await?;
    let mut body = json!({});
    if name.eq_ignore_ascii_case(&own) {
        body["oldPassword"] = json!(ask_hidden("Password until now: ", "do it at a terminal")?);
    }
    body["password"] = json!(password.text.map_or_else(|| ask_new(name), Ok)?);
    let path = uaa(context, &format!("/Users/{}/password", person.guid));
    context.api.put(&path, &body).await?;
    context.output.result(&person, |_| {
        format!("{name} has a new password; who was logged in as {name} has to log in again.\n")
    });
    Ok(())
}

async fn delete(
    context: &Context<'_>,
    name: &str,
    origin: Option<&str>,
    force: bool,
) -> Outcome<()> {
    let person = find(context, name, origin).await?;
    context.confirm(&format!("Delete the user {name}?"), force)?;
    context
        .api
        .delete(&format!("/v3/users/{}", person.guid))
        .await?;
    // On a platform whose UAA is apart from its API this is what ends the logins.
    let login = uaa(context, &format!("/Users/{}", person.guid));
    context.api.delete(&login).await?;
    context
        .output
        .result(&person, |_| format!("{name} is deleted.\n"));
    Ok(())
}

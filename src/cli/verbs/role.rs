//! `role`: who may do what in the targeted organization and space.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::{
    api::guid,
    args::{Role, RoleName, UserRole},
    context::Context,
    failure::{Failure, Outcome},
    output::Table,
};

use super::user::{self, Person};

#[derive(Debug, Deserialize)]
struct Found {
    guid: String,
    #[serde(rename = "type")]
    kind: String,
    relationships: Relationships,
}

#[derive(Debug, Deserialize)]
struct Relationships {
    user: ToOne,
}

#[derive(Debug, Deserialize)]
struct ToOne {
    data: Id,
}

#[derive(Debug, Deserialize)]
struct Id {
    guid: String,
}

/// Who has which role where.
#[derive(Debug, Serialize)]
struct Row {
    user: String,
    origin: String,
    role: String,
    place: String,
}

pub(crate) async fn run(context: &Context<'_>, verb: Role) -> Outcome<()> {
    match verb {
        Role::List => list(context).await,
        Role::Give(role) => give(context, &role).await,
        Role::Take(role) => take(context, &role).await,
    }
}

/// The filter for the place of a role, and its name.
fn place(
    context: &Context<'_>,
    of_spaces: bool,
) -> Outcome<(&'static str, crate::cli::profile::Named)> {
    Ok(if of_spaces {
        ("space_guids", context.space()?)
    } else {
        ("organization_guids", context.org()?)
    })
}

async fn list(context: &Context<'_>) -> Outcome<()> {
    let mut rows = Vec::new();
    for of_spaces in [false, true] {
        let (filter, place) = place(context, of_spaces)?;
        let path = format!("/v3/roles?{filter}={}&per_page=5000", place.guid);
        let found: Vec<Found> = context.api.all(&path).await?;
        let users = match filter {
            "space_guids" => format!("/v3/spaces/{}/users?per_page=5000", place.guid),
            _ => format!("/v3/organizations/{}/users?per_page=5000", place.guid),
        };
        let people: Vec<Person> = context.api.all(&users).await?;
        rows.extend(found.iter().filter_map(|role| {
            let of = |person: &&Person| person.guid == role.relationships.user.data.guid;
            let person = people.iter().find(of)?;
            Some(Row {
                user: person.name().to_owned(),
                origin: person.origin.clone().unwrap_or_default(),
                role: word(&role.kind),
                place: place.name.clone(),
            })
        }));
    }
    context.output.result(&rows, |rows| {
        let mut table = Table::new(&["user", "origin", "role", "in"]);
        for row in rows {
            table.row([
                row.user.clone(),
                row.origin.clone(),
                row.role.clone(),
                row.place.clone(),
            ]);
        }
        table.render()
    });
    Ok(())
}

/// Our word for the API's.
fn word(kind: &str) -> String {
    let known = RoleName::ALL.into_iter().find(|role| role.kind() == kind);
    known.map_or_else(|| kind.to_owned(), RoleName::word)
}

async fn held(context: &Context<'_>, person: &Person, role: RoleName) -> Outcome<Option<Found>> {
    let (filter, place) = place(context, role.of_spaces())?;
    let path = format!(
        "/v3/roles?{filter}={}&types={}&user_guids={}",
        place.guid,
        role.kind(),
        person.guid,
    );
    let found: Vec<Found> = context.api.all(&path).await?;
    Ok(found.into_iter().next())
}

async fn ensure(context: &Context<'_>, person: &Person, role: RoleName) -> Outcome<()> {
    if held(context, person, role).await?.is_some() {
        return Ok(());
    }
    let (_, place) = place(context, role.of_spaces())?;
    let key = if role.of_spaces() {
        "space"
    } else {
        "organization"
    };
    let mut body = json!({
        "type": role.kind(), "relationships": { "user": guid(&person.guid) },
    });
    body["relationships"][key] = guid(&place.guid);
    context.api.post("/v3/roles", &body).await?;
    Ok(())
}

async fn give(context: &Context<'_>, given: &UserRole) -> Outcome<()> {
    let person = user::find(context, &given.user, given.origin.as_deref()).await?;
    if given.role.of_spaces() {
        // Who is in a space belongs to its organization first.
        ensure(context, &person, RoleName::OrgUser).await?;
    }
    ensure(context, &person, given.role).await?;
    say(context, &person, given, "has", "now")
}

async fn take(context: &Context<'_>, taken: &UserRole) -> Outcome<()> {
    let person = user::find(context, &taken.user, taken.origin.as_deref()).await?;
    let role = held(context, &person, taken.role).await?;
    let role = role.ok_or_else(|| Failure::NotFound {
        what: "such role of",
        name: taken.user.clone(),
    })?;
    context
        .api
        .delete(&format!("/v3/roles/{}", role.guid))
        .await?;
    say(context, &person, taken, "no longer has", "")
}

fn say(
    context: &Context<'_>,
    person: &Person,
    role: &UserRole,
    has: &str,
    now: &str,
) -> Outcome<()> {
    let (_, place) = place(context, role.role.of_spaces())?;
    context.output.result(person, |person| {
        let text = format!(
            "{} {has} the role {} in {} {now}",
            person.name(),
            role.role.word(),
            place.name,
        );
        format!("{}.\n", text.trim_end())
    });
    Ok(())
}

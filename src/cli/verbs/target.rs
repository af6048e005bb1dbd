//! `target`: which organization and space the other verbs work in.

use serde::Serialize;

use crate::cli::{
    args::Target,
    context::{Context, name_query},
    failure::{Failure, Outcome},
    profile::Named,
};

#[derive(Serialize)]
struct Shown {
    api: String,
    user: String,
    org: Option<String>,
    space: Option<String>,
}

pub(crate) async fn target(context: &Context<'_>, args: &Target) -> Outcome<()> {
    if !context.api.profile().logged_in() {
        return Err(Failure::NotLoggedIn);
    }
    if args.org.is_some() || args.space.is_some() {
        settle(context, args).await?;
    }
    show(context);
    Ok(())
}

/// Chooses what was asked for, and where nothing was, what is there alone.
pub(crate) async fn settle(context: &Context<'_>, args: &Target) -> Outcome<()> {
    let before = context.api.profile();
    let list = "/v3/organizations?order_by=name";
    let org = choose(
        context,
        "organization",
        list,
        args.org.as_deref(),
        before.org.as_ref(),
    )
    .await?;
    let space = match &org {
        None => None,
        Some(org) => {
            let list = format!("/v3/spaces?organization_guids={}&order_by=name", org.guid);
            choose(
                context,
                "space",
                &list,
                args.space.as_deref(),
                before.space.as_ref(),
            )
            .await?
        }
    };
    context.api.remember(|profile| {
        profile.org = org;
        profile.space = space;
    })
}

async fn choose(
    context: &Context<'_>,
    what: &'static str,
    list: &str,
    wanted: Option<&str>,
    before: Option<&Named>,
) -> Outcome<Option<Named>> {
    if let Some(name) = wanted {
        let filtered = format!("{list}&names={}", name_query(name));
        let found: Vec<Named> = context.api.all(&filtered).await?;
        let found = found.into_iter().next();
        return found.map(Some).ok_or_else(|| Failure::NotFound {
            what,
            name: name.to_owned(),
        });
    }
    let all: Vec<Named> = context.api.all(list).await?;
    if let Some(kept) = all
        .iter()
        .find(|one| Some(&one.guid) == before.map(|b| &b.guid))
    {
        return Ok(Some(kept.clone()));
    }
    if all.len() > 1 {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let (names, flag) = (names.join(", "), &what[..1]);
        context.output.note(format!(
            "Choose one {what} with `pastina target -{flag} NAME`: {names}"
        ));
        return Ok(None);
    }
    Ok(all.into_iter().next())
}

/// Prints where the verbs work.
pub(crate) fn show(context: &Context<'_>) {
    let profile = context.api.profile();
    let shown = Shown {
        api: profile.api,
        user: profile.username,
        org: profile.org.map(|org| org.name),
        space: profile.space.map(|space| space.name),
    };
    context.output.result(&shown, |shown| {
        let none = "(none)";
        format!(
            "api:     {}\nuser:    {}\norg:     {}\nspace:   {}\n",
            shown.api,
            shown.user,
            shown.org.as_deref().unwrap_or(none),
            shown.space.as_deref().unwrap_or(none),
        )
    });
}

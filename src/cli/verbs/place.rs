//! `org` and `space`: where apps and people are.

use serde_json::json;

use crate::cli::{
    api::guid,
    args::{Place, Target},
    context::{Context, name_query},
    failure::{Failure, Outcome},
    output::Table,
    profile::Named,
};

use super::target;

/// Organizations, or spaces of the targeted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Org,
    Space,
}

impl Kind {
    const fn what(self) -> &'static str {
        match self {
            Self::Org => "organization",
            Self::Space => "space",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Org => "/v3/organizations",
            Self::Space => "/v3/spaces",
        }
    }

    fn list(self, context: &Context<'_>) -> Outcome<String> {
        let within = match self {
            Self::Org => String::new(),
            Self::Space => format!("&organization_guids={}", context.org()?.guid),
        };
        Ok(format!(
            "{}?order_by=name&per_page=5000{within}",
            self.path()
        ))
    }

    async fn find(self, context: &Context<'_>, name: &str) -> Outcome<Named> {
        let path = format!("{}&names={}", self.list(context)?, name_query(name));
        let found: Vec<Named> = context.api.all(&path).await?;
        found.into_iter().next().ok_or_else(|| Failure::NotFound {
            what: self.what(),
            name: name.to_owned(),
        })
    }
}

pub(crate) async fn run(context: &Context<'_>, kind: Kind, verb: Place) -> Outcome<()> {
    match verb {
        Place::List => list(context, kind).await,
        Place::Create { name } => create(context, kind, &name).await,
        Place::Rename { name, new_name } => rename(context, kind, &name, &new_name).await,
        Place::Delete { name, force } => delete(context, kind, &name, force).await,
    }
}

async fn list(context: &Context<'_>, kind: Kind) -> Outcome<()> {
    let all: Vec<Named> = context.api.all(&kind.list(context)?).await?;
    let profile = context.api.profile();
    let here = match kind {
        Kind::Org => profile.org,
        Kind::Space => profile.space,
    };
    context.output.result(&all, |all| {
        if all.is_empty() {
            let what = kind.what();
            return format!("You are in no {what} here; an administrator can change that.\n");
        }
        let mut table = Table::new(&["name", ""]);
        for one in all {
            let targeted = here.as_ref().is_some_and(|here| here.guid == one.guid);
            let mark = if targeted { "targeted" } else { "" };
            table.row([one.name.clone(), mark.to_owned()]);
        }
        table.render()
    });
    Ok(())
}

async fn create(context: &Context<'_>, kind: Kind, name: &str) -> Outcome<()> {
    let mut body = json!({ "name": name });
    if kind == Kind::Space {
        let org = context.org()?.guid;
        body["relationships"] = json!({ "organization": guid(&org) });
    }
    let made: Named = context.api.post(kind.path(), &body).await?.json()?;
    let flag = match kind {
        Kind::Org => "-o",
        Kind::Space => "-s",
    };
    context.output.result(&made, |_| {
        format!("{name} is made; `pastina target {flag} {name}` goes there.\n")
    });
    Ok(())
}

async fn rename(context: &Context<'_>, kind: Kind, name: &str, new_name: &str) -> Outcome<()> {
    let found = kind.find(context, name).await?;
    let path = format!("{}/{}", kind.path(), found.guid);
    let body = json!({ "name": new_name });
    let renamed: Named = context.api.patch(&path, &body).await?.json()?;
    // What is remembered has the name in it.
    context.api.remember(|profile| {
        let here = match kind {
            Kind::Org => &mut profile.org,
            Kind::Space => &mut profile.space,
        };
        if let Some(here) = here.as_mut().filter(|here| here.guid == renamed.guid) {
            here.name.clone_from(&renamed.name);
        }
    })?;
    context
        .output
        .result(&renamed, |_| format!("{name} is {new_name} now.\n"));
    Ok(())
}

async fn delete(context: &Context<'_>, kind: Kind, name: &str, force: bool) -> Outcome<()> {
    let found = kind.find(context, name).await?;
    let what = kind.what();
    let question = format!("Delete the {what} {name} with everything in it?");
    context.confirm(&question, force)?;
    let path = format!("{}/{}", kind.path(), found.guid);
    context.api.delete(&path).await?;
    let profile = context.api.profile();
    let here = match kind {
        Kind::Org => profile.org,
        Kind::Space => profile.space,
    };
    context
        .output
        .result(&found, |_| format!("{name} is deleted.\n"));
    if here.is_some_and(|here| here.guid == found.guid) {
        // What was targeted is gone; another may be there alone.
        target::settle(context, &Target::default()).await?;
    }
    Ok(())
}

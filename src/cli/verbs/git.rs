//! `git`: what `git push` needs to know, with the machine's own git.

use std::{
    env,
    io::{self, BufRead as _},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{
    args::{Git, GitRemote, GitSource},
    context::Context,
    failure::{Failure, Outcome},
};

/// The variable with the password for a repository.
const PASSWORD: &str = "PASTINA_GIT_PASSWORD";
/// The branch that is deployed where an app says no other.
const BRANCH: &str = "main";
/// The annotation by which it says another.
const ANNOTATION: &str = "git-branch";

/// What of a name has to be written otherwise in an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A remote, as it is shown.
#[derive(Debug, Serialize)]
struct Remote {
    name: String,
    url: String,
}

pub(crate) async fn run(context: &Context<'_>, verb: Git) -> Outcome<()> {
    match verb {
        Git::Remote(args) => remote(context, &args).await,
        Git::Branch { app, branch } => self::branch(context, &app, branch.as_deref()).await,
        Git::Source(args) => source(context, &args).await,
        Git::Deploy { app } => deploy(context, &app).await,
        Git::Credential { action } => credential(context, &action).await,
    }
}

async fn remote(context: &Context<'_>, args: &GitRemote) -> Outcome<()> {
    let (org, space) = (context.org()?, context.space()?);
    let path = [&org.name, &space.name, &args.app]
        .map(|name| utf8_percent_encode(name, SEGMENT).to_string())
        .join("/");
    let profile = context.api.profile();
    let url = if args.ssh {
        let root = context.api.root().await?;
        let at = root["links"]["app_ssh"]["href"].as_str();
        let at = at.context("the platform offers no SSH; listen.ssh of its configuration does")?;
        let user = utf8_percent_encode(&profile.username, SEGMENT);
        format!("ssh://{user}@{at}/{path}.git")
    } else {
        format!("{}/git/{path}.git", profile.api)
    };
    let shown = Remote {
        name: args.remote.clone(),
        url: url.clone(),
    };
    if args.print {
        context
            .output
            .result(&shown, |shown| format!("{}\n", shown.url));
        return Ok(());
    }
    if !git(&["rev-parse", "--git-dir"])? {
        return Err(Failure::Usage(
            "this folder is no git repository: `git init` makes it one".to_owned(),
        ));
    }
    if !git(&["remote", "add", &args.remote, &url])? {
        set(&["remote", "set-url", &args.remote, &url])?;
    }
    if !args.ssh {
        // What is said here holds for this platform alone.
        let api = &profile.api;
        let key = |section: &str, name: &str| format!("{section}.{api}.{name}");
        if let Some(file) = &profile.ca_file {
            let file = file
                .to_str()
                .context("the authority's file has no plain name")?;
            set(&["config", &key("http", "sslCAInfo"), file])?;
        }
        if profile.skip_ssl_validation {
            set(&["config", &key("http", "sslVerify"), "false"])?;
        }
        let helper = key("credential", "helper");
        set(&["config", "--replace-all", &helper, ""])?;
        set(&["config", "--add", &helper, &own()?])?;
    }
    context.output.result(&shown, |shown| {
        let Remote { name, url } = shown;
        format!("{name} is {url}\nDeploy with: git push {name} {BRANCH}\n")
    });
    Ok(())
}

/// This program as git's credential helper (gitcredentials(7)).
fn own() -> Outcome<String> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let program = program.to_str().context("this program has no plain name")?;
    Ok(format!(
        "!'{}' git credential",
        program.replace('\'', "'\\''")
    ))
}

/// Whether git did what it was told.
fn git(arguments: &[&str]) -> Outcome<bool> {
    let status = Command::new("git")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let status = status.context("cannot run git; install it")?;
    Ok(status.success())
}

fn set(arguments: &[&str]) -> Outcome<()> {
    if git(arguments)? {
        return Ok(());
    }
    let told = arguments.join(" ");
    Err(Failure::Other(anyhow::anyhow!("git refuses `git {told}`")))
}

async fn branch(context: &Context<'_>, name: &str, branch: Option<&str>) -> Outcome<()> {
    let app = context.app(name).await?;
    let path = format!("/v3/apps/{}", app.guid);
    let branch = match branch {
        Some(branch) => {
            let body = json!({ "metadata": { "annotations": { ANNOTATION: branch } } });
            context.api.patch(&path, &body).await?;
            branch.to_owned()
        }
        None => {
            let app: Value = context.api.get(&path).await?;
            let said = app["metadata"]["annotations"][ANNOTATION].as_str();
            said.unwrap_or(BRANCH).to_owned()
        }
    };
    let told = json!({ "app": name, "branch": branch });
    context.output.result(&told, |_| format!("{branch}\n"));
    Ok(())
}

async fn source(context: &Context<'_>, args: &GitSource) -> Outcome<()> {
    let app = context.app(&args.app).await?;
    let path = format!("/pastina/v1/apps/{}/git_source", app.guid);
    if args.remove {
        context.api.delete(&path).await?;
        let told = json!({ "app": app.name });
        context.output.result(&told, |_| {
            format!("{} is deployed from elsewhere no more.\n", app.name)
        });
        return Ok(());
    }
    let source: Value = match &args.url {
        None => context.api.get(&path).await?,
        Some(url) => {
            let password = match &args.username {
                Some(_) => Some(env::var(PASSWORD).map_err(|_| {
                    Failure::Usage(format!("the password or token has to be in {PASSWORD}"))
                })?),
                None => None,
            };
            let body = json!({
                "url": url,
                "username": args.username,
                "password": password,
                "secret": args.secret,
            });
            context.api.put(&path, &body).await?.json()?
        }
    };
    context.output.result(&source, |source| {
        let text = |key: &str| source[key].as_str().unwrap_or_default().to_owned();
        let mut shown = format!(
            "repository:  {}\nwebhook:     {}\n",
            text("url"),
            text("webhook")
        );
        if source["secret"].is_string() {
            shown += &format!("secret:      {}\n", text("secret"));
            shown +=
                "The secret is not shown again. Give the repository's host both, for pushes.\n";
        }
        shown
    });
    Ok(())
}

async fn deploy(context: &Context<'_>, name: &str) -> Outcome<()> {
    let app = context.app(name).await?;
    let path = format!("/pastina/v1/apps/{}/git_source/deploy", app.guid);
    let told: Value = context.api.post(&path, &json!({})).await?.json()?;
    context.output.result(&told, |told| {
        let result = told["result"].as_str().unwrap_or_default();
        format!("{name}: {result}. `pastina logs {name} --follow` shows how it goes.\n")
    });
    Ok(())
}

/// Answers git, which asks on standard input whom to be where.
async fn credential(context: &Context<'_>, action: &str) -> Outcome<()> {
    if action != "get" {
        return Ok(());
    }
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let of = |name: &str| {
        let mut values = asked.iter().filter_map(|line| line.strip_prefix(name));
        values.next().unwrap_or_default()
    };
    let profile = context.api.profile();
    // A token is for the platform that gave it.
    if format!("{}://{}", of("protocol="), of("host=")) != profile.api || !profile.logged_in() {
        return Ok(());
    }
    let token = context.api.token().await?;
    context
        .output
        .line(format!("username={}", profile.username));
    context.output.line(format!("password={token}"));
    Ok(())
}

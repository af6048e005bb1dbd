//! Builds a package while its output is shown.

use std::time::Duration;

use serde_json::json;

use crate::cli::{
    api::{Build, Since},
    context::Context,
    failure::{Failure, Outcome},
    output::{BAD, DIM, paint},
};

/// Often enough that the output flows and that a fast build is not waited for.
const FIRST_LOOK: Duration = Duration::from_millis(40);
const LAST_LOOK: Duration = Duration::from_millis(400);

/// Builds a package; gives the droplet's id.
pub(crate) async fn build(context: &Context<'_>, app: &str, package: &str) -> Outcome<String> {
    context.output.note("Building");
    let mut log = BuildLog::new(context, app).await;
    let body = json!({"package": {"guid": package}});
    let started: Build = context.api.post("/v3/builds", &body).await?.json()?;
    let mut pause = FIRST_LOOK;
    loop {
        let build: Build = context
            .api
            .get(&format!("/v3/builds/{}", started.guid))
            .await?;
        let done = build.state != "STAGING";
        // What is read now was written before the build was seen to be over.
        log.show().await;
        if done {
            return outcome(build, log.shown);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LAST_LOOK);
    }
}

/// `shown` says that the output was shown, which tells all but the first line of a failure.
fn outcome(build: Build, shown: bool) -> Outcome<String> {
    let failed = |reason: Option<String>| {
        let unknown = || "the platform does not say why".to_owned();
        let mut reason = reason.unwrap_or_else(unknown);
        if shown && let Some(end) = reason.find('\n') {
            reason.truncate(end);
        }
        Err(Failure::Build(reason))
    };
    match (build.state.as_str(), build.droplet) {
        ("STAGED", Some(droplet)) => Ok(droplet.guid),
        _ => failed(build.error),
    }
}

/// The lines of an app's log that are about its build.
struct BuildLog<'a, 'b> {
    context: &'a Context<'b>,
    app: &'a str,
    last: i64,
    /// Whether there was anything to show.
    shown: bool,
}

impl<'a, 'b> BuildLog<'a, 'b> {
    /// A log of what comes after now, by the platform's clock.
    async fn new(context: &'a Context<'b>, app: &'a str) -> Self {
        let newest = context.api.log_lines(app, Since::Newest(1)).await;
        let last = newest
            .ok()
            .and_then(|lines| lines.last().map(|line| line.timestamp));
        Self {
            context,
            app,
            last: last.unwrap_or(0),
            shown: false,
        }
    }

    /// Shows what is new. A log that cannot be read is no reason to give a build up.
    async fn show(&mut self) {
        let Ok(lines) = self
            .context
            .api
            .log_lines(self.app, Since::After(self.last))
            .await
        else {
            return;
        };
        for line in lines {
            self.last = self.last.max(line.timestamp);
            if line.source.starts_with("STG") {
                self.shown = true;
                let style = if line.stream == "ERR" { BAD } else { DIM };
                self.context
                    .output
                    .note(format!("  {} {}", paint(style, "|"), line.text));
            }
        }
    }
}

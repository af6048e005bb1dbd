//! What every verb starts from: the API, the target, and looking things up by name.

use std::io::{self, BufRead, IsTerminal as _};

use super::{
    api::{Api, App},
    failure::{Failure, Outcome},
    output::Output,
    profile::{Named, Profile},
};
pub(super) use crate::wire::query::encode as query;

/// The platform, and where to write.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) api: Api<'a>,
    pub(super) output: &'a Output,
}

/// What names of apps for other apps end in.
pub(super) const INTERNAL: &str = ".apps.internal";

/// `name` as one of a list of names in a query, where a comma would begin the next one.
pub(super) fn name_query(name: &str) -> String {
    query(&name.replace('%', "%25").replace(',', "%2C"))
}

impl Context<'_> {
    /// The organization that is targeted.
    pub(super) fn org(&self) -> Outcome<Named> {
        let profile = self.api.profile();
        if !profile.logged_in() {
            return Err(Failure::NotLoggedIn);
        }
        profile.org.ok_or(Failure::NoTarget("organization"))
    }

    /// The space that is targeted.
    pub(super) fn space(&self) -> Outcome<Named> {
        let profile = self.api.profile();
        if !profile.logged_in() {
            return Err(Failure::NotLoggedIn);
        }
        profile.space.ok_or(Failure::NoTarget("space"))
    }

    /// The app of this name in the targeted space.
    pub(super) async fn app(&self, name: &str) -> Outcome<App> {
        let space = self.space()?.guid;
        let names = name_query(name);
        let found: Vec<App> = self
            .api
            .all(&format!("/v3/apps?names={names}&space_guids={space}"))
            .await?;
        found.into_iter().next().ok_or_else(|| Failure::NotFound {
            what: "app",
            name: name.to_owned(),
        })
    }

    /// The whole address behind a route's `host.domain/path`: apps are served on the very
    /// port that the API is reached at, or on that of plain HTTP where it is this machine's.
    pub(super) fn address(&self, url: &str) -> String {
        // Only other apps reach these, and they by any protocol.
        if url.ends_with(INTERNAL) {
            return url.to_owned();
        }
        let Profile {
            mut api,
            local_http,
            ..
        } = self.api.profile();
        if let Some(port) = local_http {
            api = format!("http://localhost:{port}");
        }
        let (scheme, authority) = api.split_once("://").unwrap_or(("https", &api));
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        let port = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
        let (host, path) = url.find('/').map_or((url, ""), |slash| url.split_at(slash));
        match port {
            Some(port) if !host.contains(':') => format!("{scheme}://{host}:{port}{path}"),
            _ => format!("{scheme}://{url}"),
        }
    }

    /// Asks before something is destroyed.
    pub(super) fn confirm(&self, question: &str, force: bool) -> Outcome<()> {
        if force {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            let message = format!("{question} Nobody is here to answer; --force means yes");
            return Err(Failure::Usage(message));
        }
        self.output.note(format!("{question} [y/N]"));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| Failure::Other(error.into()))?;
        if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            return Ok(());
        }
        Err(Failure::Other(anyhow::anyhow!("nothing was done")))
    }
}

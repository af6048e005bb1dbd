//! Where an app's code is kept.

use std::fmt::Write as _;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps};
use crate::{
    authz::Verb,
    model::{App, AppId, GitSource, RegistryLogin},
    wire::git_source::{Put, check_url},
};

/// Bytes of a secret that is made here.
const SECRET: usize = 32;
/// Shortest secret that is taken: shorter ones can be guessed.
const SHORTEST: usize = 16;
/// Longest secret, name and password.
const LONGEST: usize = 4096;

impl Actions {
    /// Where the app's code is kept.
    ///
    /// # Errors
    /// Where the caller may not change it, or nothing is said.
    pub fn git_source(&self, caller: &Caller, id: AppId) -> Result<GitSource, ActionError> {
        let app = apps::find(&self.store.state(), caller, Verb::WriteApps, id)?;
        app.git_source
            .clone()
            .ok_or(ActionError::NotFound("Git source"))
    }

    /// Says where the app's code is kept, and whether a secret was made. The app is deployed from
    /// there with the caller's rights.
    ///
    /// # Errors
    /// Where the caller may not, or something is wrong with it.
    pub async fn set_git_source(
        &self,
        caller: &Caller,
        id: AppId,
        body: Put,
    ) -> Result<(GitSource, bool), ActionError> {
        check_url(&body.url).map_err(ActionError::Unprocessable)?;
        let login = login(body.username, body.password.0)?;
        let given = body.secret.0;
        if let Some(secret) = &given
            && !(SHORTEST..=LONGEST).contains(&secret.len())
        {
            return Err(ActionError::Unprocessable(format!(
                "Secret must have at least {SHORTEST} characters"
            )));
        }
        let fresh = fresh();
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = apps::find(tx, caller, Verb::WriteApps, id)?;
                let before = app.git_source.as_ref().map(|source| source.secret.clone());
                let known = given.or(before);
                let made = known.is_none();
                let source = GitSource {
                    url: body.url,
                    login,
                    secret: known.unwrap_or(fresh),
                    by: caller.user.id,
                    updated_at: now,
                };
                let data = json!({ "url": source.url });
                tx.put(App {
                    git_source: Some(source.clone()),
                    updated_at: now,
                    ..App::clone(&app)
                });
                apps::note(tx, caller, "audit.app.git-source.update", &app, data, now);
                Ok((source, made))
            })
            .await
    }

    /// Deploys the app from elsewhere no more.
    ///
    /// # Errors
    /// Where the caller may not, or it is not.
    pub async fn delete_git_source(&self, caller: &Caller, id: AppId) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = apps::find(tx, caller, Verb::WriteApps, id)?;
                if app.git_source.is_none() {
                    return Err(ActionError::NotFound("Git source"));
                }
                tx.put(App {
                    git_source: None,
                    updated_at: now,
                    ..App::clone(&app)
                });
                apps::note(
                    tx,
                    caller,
                    "audit.app.git-source.delete",
                    &app,
                    json!({}),
                    now,
                );
                Ok(())
            })
            .await
    }
}

fn login(
    username: Option<String>,
    password: Option<String>,
) -> Result<Option<RegistryLogin>, ActionError> {
    let good = |text: &String| text.len() <= LONGEST && !text.contains(char::is_control);
    match (username, password) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) if good(&username) && good(&password) => {
            Ok(Some(RegistryLogin { username, password }))
        }
        _ => Err(ActionError::Unprocessable(
            "Username and password must both be there, on one line each".to_owned(),
        )),
    }
}

/// A secret that nobody guesses.
fn fresh() -> String {
    let bytes: [u8; SECRET] = rand::random();
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! The environment variables of apps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ActionError, Actions, Caller, apps, flags};
use crate::{
    authz::Verb,
    model::{App, AppId, Flag},
};

/// Most bytes of all names and values: they travel to the process on the kernel's argument
/// pages, a quarter of the stack's limit (execve(2), "Limits on size of arguments").
const MOST: usize = 128 * 1024;

impl Actions {
    /// The app, for looking at its environment and other secrets.
    ///
    /// # Errors
    /// Where the caller may not see the app or not its secrets.
    pub fn app_with_secrets(
        &self,
        caller: &Caller,
        id: AppId,
    ) -> Result<std::sync::Arc<App>, ActionError> {
        let state = self.store.state();
        let app = apps::find(&state, caller, Verb::ReadSecrets, id)?;
        flags::need(&state, caller, Flag::EnvVarVisibility)?;
        flags::need(&state, caller, Flag::SpaceDeveloperEnvVarVisibility)?;
        Ok(app)
    }

    /// Sets and removes environment variables.
    ///
    /// # Errors
    /// Where the caller may not, or a name or value is not allowed.
    pub async fn update_app_env(
        &self,
        caller: &Caller,
        id: AppId,
        changes: BTreeMap<String, Value>,
    ) -> Result<App, ActionError> {
        let changes = texts(changes)?;
        let now = self.now();
        let app = self
            .store
            .commit(move |tx| {
                let mut app = App::clone(&*apps::find(tx, caller, Verb::OperateApps, id)?);
                apply(&mut app.env, changes).map_err(ActionError::Several)?;
                app.updated_at = now;
                tx.put(app.clone());
                // Values are secrets, and names may tell much.
                let data = json!({ "request": {
                    "environment_variables": "[PRIVATE DATA HIDDEN]",
                } });
                apps::note(tx, caller, "audit.app.update", &app, data, now);
                Ok::<_, ActionError>(app)
            })
            .await?;
        self.log(
            id,
            format!("Updated app with guid {id} (environment_variables)"),
        );
        Ok(app)
    }
}

/// The values as texts; null is none.
///
/// # Errors
/// Where a value is neither a string nor null.
pub(super) fn texts(
    variables: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Option<String>>, ActionError> {
    let mut errors = Vec::new();
    let mut texts = BTreeMap::new();
    for (name, value) in variables {
        match value {
            Value::Null => {
                texts.insert(name, None);
            }
            Value::String(text) => {
                texts.insert(name, Some(text));
            }
            _ => errors.push(format!(
                "Non-string value in environment variable for key '{name}', value must be a string"
            )),
        }
    }
    if errors.is_empty() {
        Ok(texts)
    } else {
        Err(ActionError::Several(errors))
    }
}

/// Sets and removes variables in `env`.
///
/// # Errors
/// Words for the user about each name or value that is not allowed.
pub(super) fn apply(
    env: &mut BTreeMap<String, String>,
    changes: BTreeMap<String, Option<String>>,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    for (name, value) in changes {
        let Some(value) = value else {
            env.remove(&name);
            continue;
        };
        match check(&name, &value) {
            Ok(()) => {
                env.insert(name, value);
            }
            Err(error) => errors.push(error),
        }
    }
    errors.extend(check_size(env).err());
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Passes where the environment is not too large.
///
/// # Errors
/// Words for the user.
pub(super) fn check_size(env: &BTreeMap<String, String>) -> Result<(), String> {
    let size: usize = env
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if size > MOST {
        return Err(format!(
            "Environment variables are too large: {size} bytes of at most {MOST}"
        ));
    }
    Ok(())
}

fn check(name: &str, value: &str) -> Result<(), String> {
    let upper = name.to_ascii_uppercase();
    if name.is_empty() {
        return Err("Environment variable name can't be blank".to_owned());
    }
    if upper.starts_with("VCAP_") {
        return Err(format!(
            "Environment variable '{name}' cannot start with VCAP_"
        ));
    }
    if upper.starts_with("VMC") {
        return Err(format!(
            "Environment variable '{name}' cannot start with VMC_"
        ));
    }
    if upper == "PORT" {
        return Err("Environment variable cannot set PORT".to_owned());
    }
    if name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!(
            "Environment variable {name:?} must have neither '=' in its name nor a NUL character"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[(&str, Option<&str>)], expected: Result<&[(&str, &str)], &str>) {
        let mut env = BTreeMap::from([("OLD".to_owned(), "1".to_owned())]);
        let changes = changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect();
        match (apply(&mut env, changes), expected) {
            (Ok(()), Ok(expected)) => {
                let expected: BTreeMap<_, _> = expected
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect();
                assert_eq!(env, expected);
            }
            (Err(errors), Err(expected)) => {
                assert!(errors.iter().any(|e| e.contains(expected)), "{errors:?}");
            }
            (got, expected) => panic!("{got:?} is not {expected:?}"),
        }
    }

    #[test]
    fn variables_are_set_and_removed_and_reserved_names_refused() {
        check(&[("A", Some("b"))], Ok(&[("A", "b"), ("OLD", "1")]));
        check(&[("OLD", None), ("X", None)], Ok(&[]));
        check(&[("OLD", Some(""))], Ok(&[("OLD", "")]));
        check(&[("vcap_X", Some(""))], Err("cannot start with VCAP_"));
        check(&[("VMC", Some(""))], Err("cannot start with VMC_"));
        check(&[("port", Some("1"))], Err("cannot set PORT"));
        check(
            &[("PORTAL", Some("1"))],
            Ok(&[("OLD", "1"), ("PORTAL", "1")]),
        );
        check(&[("", Some(""))], Err("can't be blank"));
        check(&[("A=B", Some(""))], Err("neither '='"));
        check(&[("A", Some("\0"))], Err("NUL"));
        check(&[("A", Some(&"x".repeat(MOST)))], Err("too large"));
    }
}

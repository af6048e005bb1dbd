//! `env`, `set-env` and `unset-env`.

use serde_json::{Value, json};

use crate::cli::{
    api::App,
    args::{SetEnv, UnsetEnv},
    context::Context,
    failure::{Failure, Outcome},
    output::{BOLD, paint},
};

pub(crate) async fn show(context: &Context<'_>, name: &str) -> Outcome<()> {
    let app = context.app(name).await?;
    let env: Value = context
        .api
        .get(&format!("/v3/apps/{}/env", app.guid))
        .await?;
    context.output.result(&env, text);
    Ok(())
}

fn text(env: &Value) -> String {
    let parts = [
        ("yours", "environment_variables"),
        ("the platform's", "system_env_json"),
        ("about the app", "application_env_json"),
        ("for everything that runs", "running_env_json"),
        ("for every build", "staging_env_json"),
    ];
    let mut text = String::new();
    for (title, key) in parts {
        let Some(variables) = env[key].as_object().filter(|all| !all.is_empty()) else {
            continue;
        };
        text.push_str(&format!("{}\n", paint(BOLD, title)));
        for (name, value) in variables {
            let value = match value {
                Value::String(value) => value.clone(),
                other => serde_json::to_string_pretty(other).unwrap_or_default(),
            };
            text.push_str(&format!("{name}={value}\n"));
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("The environment is empty.\n");
    }
    text
}

pub(crate) async fn set(context: &Context<'_>, args: &SetEnv) -> Outcome<()> {
    let (app, variable) = (context.app(&args.name).await?, &args.variable);
    change(context, &app, variable, &json!(args.value)).await?;
    tell(
        context,
        &app,
        &format!("{variable} is set for {}", app.name),
    );
    Ok(())
}

pub(crate) async fn unset(context: &Context<'_>, args: &UnsetEnv) -> Outcome<()> {
    let (app, variable) = (context.app(&args.name).await?, &args.variable);
    let path = format!("/v3/apps/{}/environment_variables", app.guid);
    let before: Value = context.api.get(&path).await?;
    if before["var"].get(variable).is_none() {
        return Err(Failure::NotFound {
            what: "variable",
            name: variable.clone(),
        });
    }
    change(context, &app, variable, &Value::Null).await?;
    tell(
        context,
        &app,
        &format!("{variable} is removed from {}", app.name),
    );
    Ok(())
}

async fn change(context: &Context<'_>, app: &App, variable: &str, value: &Value) -> Outcome<()> {
    let path = format!("/v3/apps/{}/environment_variables", app.guid);
    let body = json!({"var": {variable: value}});
    let variables: Value = context.api.patch(&path, &body).await?.json()?;
    context.output.result(&variables["var"], |_| String::new());
    Ok(())
}

/// Says what is done, and from when on a running app knows.
fn tell(context: &Context<'_>, app: &App, done: &str) {
    let name = &app.name;
    context.output.note(if app.started() {
        format!("{done}; `pastina restart {name}` lets it see that")
    } else {
        done.to_owned()
    });
}

//! `env`, `set-env` and `unset-env`.

use serde_json::{Value, json};

use crate::cli::{
    args::{SetEnv, UnsetEnv},
    context::Context,
    failure::Outcome,
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
    change(context, &args.name, &args.variable, &json!(args.value)).await
}

pub(crate) async fn unset(context: &Context<'_>, args: &UnsetEnv) -> Outcome<()> {
    change(context, &args.name, &args.variable, &Value::Null).await
}

async fn change(context: &Context<'_>, app: &str, variable: &str, value: &Value) -> Outcome<()> {
    let found = context.app(app).await?;
    let path = format!("/v3/apps/{}/environment_variables", found.guid);
    let answer = context
        .api
        .patch(&path, &json!({"var": {variable: value}}))
        .await?;
    let variables: Value = answer.json()?;
    context.output.result(&variables["var"], |_| String::new());
    if found.started() {
        let then = format!("{app} sees it after `pastina restart {app}`");
        context.output.note(then);
    }
    Ok(())
}

//! Names an image in place of code.

use std::env;

use serde_json::json;

use super::{manifest::Image, usage};
use crate::cli::{
    api::{Package, guid},
    context::Context,
    failure::Outcome,
};

/// Where the stock client looks for it, too: on a command line everybody could read it.
const PASSWORD: &str = "CF_DOCKER_PASSWORD";

/// An image with all that its registry may ask for.
pub(super) struct Login {
    image: Image,
    password: Option<String>,
}

/// Adds the password, where there has to be one.
pub(super) fn login(image: &Image) -> Outcome<Login> {
    let password = env::var(PASSWORD).ok().filter(|word| !word.is_empty());
    if image.username.is_some() && password.is_none() {
        return usage(format!(
            "the password of the image's registry belongs into the variable {PASSWORD}"
        ));
    }
    Ok(Login {
        // Without a name a password is for something else.
        password: password.filter(|_| image.username.is_some()),
        image: image.clone(),
    })
}

/// Makes a package of an image; gives its id.
pub(super) async fn package(context: &Context<'_>, app: &str, login: &Login) -> Outcome<String> {
    let mut data = json!({ "image": login.image.name });
    if let (Some(username), Some(password)) = (&login.image.username, &login.password) {
        data["username"] = json!(username);
        data["password"] = json!(password);
    }
    let body = json!({
        "type": "docker",
        "data": data,
        "relationships": { "app": guid(app) },
    });
    let made: Package = context.api.post("/v3/packages", &body).await?.json()?;
    Ok(made.guid)
}

//! How apps are built: which buildpacks and stacks there are.

use std::{collections::BTreeMap, sync::Arc};

use super::{ActionError, Actions, stacks};
use crate::{
    images::Reference,
    model::{Buildpack, Lifecycle, LifecycleKind, RegistryLogin, Stack},
    runtimes::Catalog,
    store::State,
    wire::app::{LifecyclePatch, RegistryCredentials},
};

/// The kind of lifecycle that a new app gets.
///
/// # Errors
/// Where there is no such kind here.
pub(super) fn kind(
    actions: &Actions,
    state: &State,
    name: Option<&str>,
) -> Result<LifecycleKind, ActionError> {
    let kind = named(name)?;
    match kind {
        LifecycleKind::Buildpack => {}
        LifecycleKind::Docker => actions.need_images(state)?,
        LifecycleKind::Cnb => actions.need_builder(state)?,
    }
    Ok(kind)
}

fn named(name: Option<&str>) -> Result<LifecycleKind, ActionError> {
    match name {
        None | Some("buildpack") => Ok(LifecycleKind::Buildpack),
        Some("docker") => Ok(LifecycleKind::Docker),
        Some("cnb") => Ok(LifecycleKind::Cnb),
        Some(kind) => Err(ActionError::Unprocessable(format!(
            "Lifecycle type '{kind}' is not included in the list: buildpack, cnb, docker"
        ))),
    }
}

/// Passes where an app of `kind` may be told that it is of the kind `name`: none changes.
///
/// # Errors
/// Where it is another one.
pub(super) fn stays(was: LifecycleKind, name: Option<&str>) -> Result<(), ActionError> {
    let other = match name {
        None => false,
        name => named(name)? != was,
    };
    if !other {
        return Ok(());
    }
    let words = match was {
        LifecycleKind::Buildpack => "of files",
        LifecycleKind::Docker => "of an image",
        LifecycleKind::Cnb => "by Cloud Native Buildpacks",
    };
    Err(ActionError::Unprocessable(format!(
        "Lifecycle type cannot be changed: the app is made {words}. Delete it first, or push under \
         another name."
    )))
}

/// `lifecycle` with the changes of `patch`.
///
/// # Errors
/// Where it names another kind, or a buildpack or stack that there is not.
pub(super) fn apply(
    known: &Known,
    lifecycle: &mut Lifecycle,
    patch: &LifecyclePatch,
) -> Result<(), ActionError> {
    stays(lifecycle.kind, patch.kind.as_deref())?;
    if lifecycle.kind == LifecycleKind::Docker {
        let nothing = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
        if !patch.data.buildpacks.as_ref().is_none_or(nothing) {
            return Err(ActionError::Unprocessable(
                "Lifecycle data of a Docker app has no buildpacks.".to_owned(),
            ));
        }
        return Ok(());
    }
    if let Some(buildpacks) = &patch.data.buildpacks {
        let buildpacks = buildpacks.clone().unwrap_or_default();
        let checked = match lifecycle.kind {
            LifecycleKind::Cnb => check_native(&buildpacks),
            _ => check_buildpacks(known, &buildpacks),
        };
        checked.map_err(ActionError::Unprocessable)?;
        lifecycle.buildpacks = buildpacks;
    }
    if lifecycle.kind == LifecycleKind::Cnb
        && let Some(credentials) = &patch.data.credentials
    {
        let credentials = credentials.clone().unwrap_or_default();
        lifecycle.credentials = logins(&credentials.0).map_err(ActionError::Unprocessable)?;
    }
    if let Some(stack) = &patch.data.stack
        && lifecycle.stack != *stack
    {
        stacks::check(&known.stacks, stack.as_deref(), true).map_err(ActionError::Unprocessable)?;
        lifecycle.stack.clone_from(stack);
    }
    Ok(())
}

/// The buildpacks and stacks that there are.
#[derive(Debug)]
pub(super) struct Known {
    catalog: Arc<Catalog>,
    own: Vec<Arc<Buildpack>>,
    /// The stacks.
    pub(super) stacks: Vec<Arc<Stack>>,
}

impl Actions {
    /// The buildpacks and stacks that an app may name.
    pub(super) fn known_buildpacks(&self) -> Known {
        Known {
            catalog: self.catalog(),
            own: self.buildpacks(),
            stacks: self.stacks(),
        }
    }
}

/// Passes where every name is a buildpack's, or the address of one.
///
/// # Errors
/// Words for the user.
pub(super) fn check_buildpacks(known: &Known, names: &[String]) -> Result<(), String> {
    for name in names {
        let own = known.own.iter().any(|own| own.is_called(name));
        if own || is_address(name) || known.catalog.answering(name).is_some() {
            continue;
        }
        let own = known.own.iter().map(|own| own.name.as_str());
        let all: Vec<&str> = own.chain(known.catalog.buildpacks()).collect();
        let all = all.join(", ");
        // Clients look for this text.
        return Err(format!(
            "Buildpack must be an existing admin buildpack or a valid git URI, not '{name}'; \
             there are: {all}"
        ));
    }
    Ok(())
}

/// Passes where every name is the address of a Cloud Native Buildpack, or may be one of the
/// builder's.
///
/// # Errors
/// Words for the user.
pub(super) fn check_native(names: &[String]) -> Result<(), String> {
    let of_builder = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+@".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    for name in names {
        let known = match name.strip_prefix("docker://") {
            Some(address) => Reference::parse(address).is_ok(),
            None => of_builder(name),
        };
        if !known {
            return Err(format!(
                "Buildpack must be an image (docker://REGISTRY/NAME:TAG) or the id of a buildpack in the \
                 platform's builder, not '{name}'"
            ));
        }
    }
    Ok(())
}

/// Longest name or password at a registry.
const LONGEST_LOGIN: usize = 4096;

/// Who asks registries.
///
/// # Errors
/// Words for the user, without what is secret.
pub(super) fn logins(
    credentials: &RegistryCredentials,
) -> Result<BTreeMap<String, RegistryLogin>, String> {
    let plain = |text: &&String| {
        !text.is_empty() && text.len() <= LONGEST_LOGIN && !text.contains(char::is_control)
    };
    let each = credentials.iter().map(|(registry, said)| {
        if Reference::parse(&format!("{registry}/any")).is_err() {
            return Err(format!("credentials for '{registry}' are not for a registry"));
        }
        let username = said.username.as_ref().filter(plain);
        let password = said.password.as_ref().filter(plain);
        match (username, password, &said.token) {
            (Some(username), Some(password), None) => {
                let login = RegistryLogin {
                    username: username.clone(),
                    password: password.clone(),
                };
                Ok((registry.clone(), login))
            }
            _ => Err(format!(
                "credentials for {registry} must have 'username' and 'password' (which may be a token)"
            )),
        }
    });
    each.collect()
}

/// Whether a name is where a buildpack can be fetched.
fn is_address(name: &str) -> bool {
    let schemes = ["https://", "http://", "git://", "ssh://", "git@"];
    let plain = !name
        .chars()
        .any(|letter| letter.is_whitespace() || letter.is_control());
    plain
        && schemes
            .iter()
            .any(|scheme| name.starts_with(scheme) && name.len() > scheme.len())
}

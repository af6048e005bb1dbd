//! How apps are built: which buildpacks and stacks there are.

use super::ActionError;
use crate::{
    model::Lifecycle,
    runtimes::Catalog,
    wire::{app::LifecyclePatch, platform::STACK_NAME},
};

/// `lifecycle` with the changes of `patch`.
///
/// # Errors
/// Where it names a kind, buildpack or stack that there is not.
pub(super) fn apply(
    catalog: &Catalog,
    lifecycle: &mut Lifecycle,
    patch: &LifecyclePatch,
) -> Result<(), ActionError> {
    match patch.kind.as_deref() {
        None | Some("buildpack") => {}
        Some(kind @ ("docker" | "cnb")) => {
            return Err(ActionError::Unprocessable(format!(
                "Lifecycle type '{kind}' is not supported on this platform; use 'buildpack'."
            )));
        }
        Some(kind) => {
            return Err(ActionError::Unprocessable(format!(
                "Lifecycle type '{kind}' is not included in the list: buildpack"
            )));
        }
    }
    if let Some(buildpacks) = &patch.data.buildpacks {
        let buildpacks = buildpacks.clone().unwrap_or_default();
        check_buildpacks(catalog, &buildpacks).map_err(ActionError::Unprocessable)?;
        lifecycle.buildpacks = buildpacks;
    }
    if let Some(stack) = &patch.data.stack {
        if let Some(stack) = stack {
            check_stack(stack).map_err(ActionError::Unprocessable)?;
        }
        lifecycle.stack.clone_from(stack);
    }
    Ok(())
}

/// Passes where every name is a buildpack's.
///
/// # Errors
/// Words for the user.
pub(super) fn check_buildpacks(catalog: &Catalog, names: &[String]) -> Result<(), String> {
    for name in names {
        if catalog.answering(name).is_some() {
            continue;
        }
        let url = name.contains("://") || name.starts_with("git@");
        let known: Vec<&str> = catalog.buildpacks().collect();
        let known = known.join(", ");
        return Err(if url {
            format!(
                "Buildpack '{name}' is a URL, and fetching buildpacks is not supported on this \
                 platform; there are: {known}"
            )
        } else {
            // Clients look for this text.
            format!(
                "Buildpack must be an existing admin buildpack or a valid git URI, not '{name}'; \
                 there are: {known}"
            )
        });
    }
    Ok(())
}

/// Passes where there is such a stack.
///
/// # Errors
/// Words for the user.
pub(super) fn check_stack(stack: &str) -> Result<(), String> {
    if stack == STACK_NAME {
        return Ok(());
    }
    Err(format!(
        "Stack must be an existing stack, not '{stack}'; there is: {STACK_NAME}"
    ))
}

//! Feature flags: what there is, and whether it stops somebody.

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
};
use crate::{
    authz::{Place, Reader},
    model::{FeatureFlag, Flag},
    store::State,
    wire::flag::Update,
};

/// What is never on here, with what is said of it.
const MISSING: [(Flag, &str); 1] = [(
    Flag::HashBasedRouting,
    "Routing by a hash is not supported on this platform.",
)];

/// What is said where there is nothing to build with.
const NO_BUILDER: &str = "Cloud Native Buildpacks are not supported on this platform: its operator names \
                          no builder (builds.cnb_builder).";

/// Longest error message of a flag in characters (Cloud Foundry's limit).
const LONGEST_MESSAGE: usize = 250;

impl Actions {
    /// Whether the flag is on.
    #[must_use]
    pub fn is_on(&self, flag: Flag) -> bool {
        let state = self.store.state();
        match (flag, state.flag(flag)) {
            // What the operator has turned off stays off, and what they allow is on.
            (Flag::DiegoDocker, _) if !self.config.images => false,
            (Flag::DiegoDocker, None) => true,
            (Flag::DiegoCnb, _) if !self.config.builder => false,
            _ => state.is_on(flag),
        }
    }

    /// Passes where apps may be made of images.
    ///
    /// # Errors
    /// [`ActionError::DockerDisabled`] where the operator has turned them off, and
    /// [`ActionError::FeatureDisabled`] where an admin has.
    pub(super) fn need_images(&self, state: &State) -> Result<(), ActionError> {
        if !self.config.images {
            return Err(ActionError::DockerDisabled);
        }
        match state.flag(Flag::DiegoDocker) {
            Some(set) if !set.enabled => Err(off(state, Flag::DiegoDocker)),
            _ => Ok(()),
        }
    }

    /// Passes where apps may be built by Cloud Native Buildpacks.
    ///
    /// # Errors
    /// Where the operator names no builder, and [`ActionError::FeatureDisabled`] where no admin
    /// has allowed it.
    pub(super) fn need_builder(&self, state: &State) -> Result<(), ActionError> {
        if !self.config.builder {
            return Err(ActionError::Unprocessable(NO_BUILDER.to_owned()));
        }
        if state.is_on(Flag::DiegoCnb) {
            return Ok(());
        }
        Err(off(state, Flag::DiegoCnb))
    }

    /// Sets a flag. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or there is nothing behind the flag here.
    pub async fn set_flag(
        &self,
        caller: &Caller,
        flag: Flag,
        body: Update,
    ) -> Result<(), ActionError> {
        caller.need_admin()?;
        let message = match body.custom_error_message {
            Some(Some(text)) if text.is_empty() || text.chars().count() > LONGEST_MESSAGE => {
                return Err(ActionError::Unprocessable(format!(
                    "Custom error message must have from 1 to {LONGEST_MESSAGE} characters"
                )));
            }
            message => message,
        };
        if body.enabled == Some(true) {
            let missing = MISSING.into_iter().find(|(missing, _)| *missing == flag);
            if let Some((_, why)) = missing {
                return Err(ActionError::Unprocessable(format!(
                    "The feature flag '{}' is always disabled: {why}",
                    flag.name()
                )));
            }
            if flag == Flag::DiegoCnb && !self.config.builder {
                return Err(ActionError::Unprocessable(NO_BUILDER.to_owned()));
            }
            if flag == Flag::DiegoDocker && !self.config.images {
                return Err(ActionError::Unprocessable(
                    "The feature flag 'diego_docker' is disabled by the platform's \
                     configuration (images.enabled)."
                        .to_owned(),
                ));
            }
        }
        let on = body.enabled.unwrap_or_else(|| self.is_on(flag));
        let now = self.now();
        self.store
            .commit(move |tx| {
                let old = tx
                    .flag(flag)
                    .and_then(|set| set.custom_error_message.clone());
                let set = FeatureFlag {
                    id: flag.id(),
                    name: flag.name().to_owned(),
                    enabled: on,
                    custom_error_message: message.unwrap_or(old),
                    updated_at: now,
                };
                let data = json!({ "request": {
                    "enabled": set.enabled, "custom_error_message": set.custom_error_message,
                } });
                tx.put(set);
                let target = target("feature_flag", flag.id(), flag.name());
                let kind = "audit.feature_flag.update";
                audit(
                    tx,
                    &caller.actor(),
                    kind,
                    target,
                    Place::Platform,
                    data,
                    now,
                );
                Ok(())
            })
            .await
    }
}

/// Passes where the flag is on, or does not hold for the caller.
///
/// # Errors
/// [`ActionError::FeatureDisabled`].
pub(super) fn need(state: &State, caller: &Caller, flag: Flag) -> Result<(), ActionError> {
    debug_assert!(flag != Flag::DiegoDocker, "see need_images");
    if state.is_on(flag) || passes_by(caller, flag) {
        return Ok(());
    }
    Err(off(state, flag))
}

/// What is said where a flag stops somebody.
pub(super) fn off(state: &State, flag: Flag) -> ActionError {
    let said = state
        .flag(flag)
        .and_then(|set| set.custom_error_message.clone());
    ActionError::FeatureDisabled(said.unwrap_or_else(|| flag.name().to_owned()))
}

/// Whether the caller is above the flag, as Cloud Foundry has it.
fn passes_by(caller: &Caller, flag: Flag) -> bool {
    match flag {
        Flag::AppBitsUpload
        | Flag::AppScaling
        | Flag::PrivateDomainCreation
        | Flag::RouteCreation
        | Flag::ServiceInstanceCreation
        | Flag::SetRolesByUsername
        | Flag::SpaceScopedPrivateBrokerCreation
        | Flag::TaskCreation
        | Flag::UnsetRolesByUsername
        | Flag::UserOrgCreation => caller.grants.admin,
        Flag::SpaceDeveloperEnvVarVisibility => {
            caller.grants.admin || caller.grants.reader == Some(Reader::Admin)
        }
        Flag::DiegoCnb
        | Flag::DiegoDocker
        | Flag::EnvVarVisibility
        | Flag::HashBasedRouting
        | Flag::HideMarketplace
        | Flag::ResourceMatching
        | Flag::RouteSharing
        | Flag::ServiceInstanceSharing => false,
    }
}

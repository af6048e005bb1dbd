//! Switches of apps.

use serde_json::json;

use super::{ActionError, Actions, Caller, apps};
use crate::{
    authz::Verb,
    model::{App, AppId, FILE_BASED_VCAP_SERVICES, SERVICE_BINDING_K8S},
};

/// A switch that an app has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in the API.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    default: bool,
}

impl Feature {
    /// Every switch.
    pub const ALL: [Self; 4] = [
        Self {
            name: "ssh",
            description: "Enable SSHing into the app.",
            default: true,
        },
        Self {
            name: "revisions",
            description: "Enable versioning of an application",
            default: true,
        },
        Self {
            name: SERVICE_BINDING_K8S,
            description: "Enable k8s service bindings for the app",
            default: false,
        },
        Self {
            name: FILE_BASED_VCAP_SERVICES,
            description: "Enable file-based VCAP service bindings for the app",
            default: false,
        },
    ];

    /// The switch with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name == name)
    }

    /// Whether it is on for `app`.
    #[must_use]
    pub fn is_on(self, app: &App) -> bool {
        app.features.get(self.name).copied().unwrap_or(self.default)
    }

    /// Sets it for `app`.
    pub(super) fn set(self, app: &mut App, enabled: bool) {
        if enabled == self.default {
            app.features.remove(self.name);
        } else {
            app.features.insert(self.name.to_owned(), enabled);
        }
    }
}

impl Actions {
    /// Turns a switch of an app on or off.
    ///
    /// # Errors
    /// Where the caller may not, or another switch that is on excludes it.
    pub async fn set_app_feature(
        &self,
        caller: &Caller,
        id: AppId,
        feature: Feature,
        enabled: bool,
    ) -> Result<App, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut app = App::clone(&*apps::find(tx, caller, Verb::WriteApps, id)?);
                feature.set(&mut app, enabled);
                exclude(&app)?;
                app.updated_at = now;
                tx.put(app.clone());
                let data = json!({ "request": { "feature": feature.name, "enabled": enabled } });
                apps::note(tx, caller, "audit.app.update", &app, data, now);
                Ok(app)
            })
            .await
    }
}

/// An app is told what it is bound to in one way.
pub(super) fn exclude(app: &App) -> Result<(), ActionError> {
    let both = [FILE_BASED_VCAP_SERVICES, SERVICE_BINDING_K8S];
    if both
        .iter()
        .all(|name| app.features.get(*name) == Some(&true))
    {
        let [one, other] = both;
        return Err(ActionError::Unprocessable(format!(
            "'{one}' and '{other}' features cannot be enabled at the same time."
        )));
    }
    Ok(())
}

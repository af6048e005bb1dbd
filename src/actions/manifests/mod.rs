//! Manifests: what they change, what they would change, and that of an app as it is.

mod apply;
mod routes;
mod words;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller, apps,
    jobs::{binding_job, finished_job},
};
use crate::{
    authz::Verb,
    model::{App, AppId, Job, Process, SpaceId},
    store::State,
    wire::manifest::{self, AppManifest, Document, RouteView, View},
};

impl Actions {
    /// Makes the apps of a space what a manifest says: all of it, or nothing where anything is
    /// wrong with it.
    ///
    /// # Errors
    /// Where the caller may not, or with everything that is wrong.
    pub async fn apply_manifest(
        &self,
        caller: &Caller,
        space: SpaceId,
        document: &Document,
    ) -> Result<Job, ActionError> {
        caller.need_in_space(&self.store.state(), Verb::WriteApps, space, "Space")?;
        let manifests = read(document)?;
        let now = self.now();
        let luck = rand::random();
        let (job, applied) = self
            .store
            .commit(|tx| {
                caller.need_in_space(tx, Verb::WriteApps, space, "Space")?;
                let mut applied = Vec::new();
                let mut errors = Vec::new();
                for manifest in manifests {
                    let name = manifest.name.clone();
                    let apply = apply::Apply {
                        actions: self,
                        caller,
                        space,
                        luck,
                        now,
                    };
                    match apply.run(tx, manifest) {
                        Ok(app) => applied.push(app),
                        Err(wrong) => errors.extend(
                            wrong
                                .into_iter()
                                .map(|error| format!("For application '{name}': {error}")),
                        ),
                    }
                }
                if !errors.is_empty() {
                    return Err(ActionError::Several(errors));
                }
                let bound = applied.iter().flat_map(|app| tx.bindings_of_app(*app));
                let open = bound.filter(|(binding, _)| binding.errand.is_some());
                let open: Vec<_> = open.map(|(binding, _)| binding.id).collect();
                let job = if open.is_empty() {
                    finished_job(tx, "space.apply_manifest", now)
                } else {
                    binding_job(tx, "space.apply_manifest", open, now)
                };
                Ok::<_, ActionError>((job, applied))
            })
            .await?;
        for app in applied {
            self.log(app, format!("Applied manifest to app with guid {app}"));
        }
        Ok(job)
    }

    /// What a manifest would change.
    ///
    /// # Errors
    /// Where the caller may not, or with everything that is wrong with the manifest.
    pub fn diff_manifest(
        &self,
        caller: &Caller,
        space: SpaceId,
        document: &Document,
    ) -> Result<Vec<Value>, ActionError> {
        let state = self.store.state();
        caller.need_in_space(&state, Verb::WriteApps, space, "Space")?;
        let manifests = read(document)?;
        let mut changes = Vec::new();
        let entries = document.applications.0.iter().zip(manifests).enumerate();
        for (index, (entry, manifest)) in entries {
            let existing = state
                .app_by_name(space, &manifest.name)
                .map(|app| manifest::present(&view(&state, app)));
            changes.extend(manifest::diff(index, entry, existing.as_ref()));
        }
        Ok(changes)
    }

    /// The manifest of an app as it is.
    ///
    /// # Errors
    /// Where the caller may not see its secrets.
    pub fn app_manifest(&self, caller: &Caller, id: AppId) -> Result<Value, ActionError> {
        let state = self.store.state();
        let app = apps::find(&state, caller, Verb::ReadSecrets, id)?;
        let entry = manifest::present(&view(&state, &app));
        Ok(json!({ "applications": [entry] }))
    }
}

fn read(document: &Document) -> Result<Vec<AppManifest>, ActionError> {
    let mut errors = Vec::new();
    let mut manifests = Vec::new();
    for (index, entry) in document.applications.0.iter().enumerate() {
        match manifest::read(index, entry) {
            Ok(manifest) => manifests.push(manifest),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() {
        Ok(manifests)
    } else {
        Err(ActionError::Several(errors))
    }
}

fn view<'a>(state: &'a State, app: &'a App) -> View<'a> {
    let routes = state.routes_of_app(app.id).filter_map(|route| {
        let domain = state.domains.get(&route.domain)?;
        let mut to_app = route.destinations.iter().filter(|d| d.app == app.id);
        let first = to_app.next().map(|destination| destination.protocol);
        Some(RouteView {
            url: route.url(&domain.name),
            protocol: first.unwrap_or_default(),
            options: route.options.clone(),
        })
    });
    // What runs, else what was last said.
    let current = app.current_droplet.and_then(|id| state.droplets.get(&id));
    let current = current.and_then(|droplet| state.packages.get(&droplet.package?));
    let package = current.map(|package| &**package);
    let image = package
        .or_else(|| state.packages_of(app.id).next_back())
        .and_then(|package| package.image.as_ref());
    View {
        app,
        docker: image.map(|image| {
            let login = image.login.as_ref();
            let username = login.map(|login| login.username.as_str());
            (image.reference.as_str(), username)
        }),
        processes: {
            let all = state.processes_of(app.id);
            let newest = |one: &&Process| {
                let newest = state.process_by_type(app.id, &one.process_type);
                newest.is_some_and(|newest| newest.id == one.id)
            };
            all.filter(newest).collect()
        },
        routes: routes.collect(),
        sidecars: state.sidecar_plans(app.id),
        services: state
            .bindings_of_app(app.id)
            .map(|(_, service)| service.name.as_str())
            .collect(),
    }
}

//! Applying the manifest of one app.

use serde_json::json;

use super::routes;
use crate::{
    actions::{
        ActionError, Actions, Caller, Feature, app_env,
        app_features::exclude,
        apps, bindings, deployments, lifecycle, process_rules, processes,
        quotas::{self, Before},
        sidecars, stacks,
    },
    model::{App, AppId, LifecycleKind, Metadata, Process, ProcessType, SpaceId, Timestamp},
    store::Tx,
    wire::{
        manifest::{AppManifest, ProcessManifest, ServiceManifest},
        process::Scale,
    },
};

/// What applying needs besides the manifest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apply<'a> {
    /// The platform.
    pub(super) actions: &'a Actions,
    /// Who applies.
    pub(super) caller: &'a Caller,
    /// Where.
    pub(super) space: SpaceId,
    /// A random number, for random routes.
    pub(super) luck: u64,
    /// When.
    pub(super) now: Timestamp,
}

impl Apply<'_> {
    /// Makes the app what `manifest` says; one that there is not is made.
    ///
    /// # Errors
    /// Everything that is wrong, without naming the app.
    pub(super) fn run(self, tx: &mut Tx, manifest: AppManifest) -> Result<AppId, Vec<String>> {
        let Self { caller, now, .. } = self;
        let mut errors = Vec::new();
        let existing = tx.app_by_name(self.space, &manifest.name).cloned();
        let new = existing.is_none();
        let mut app = match existing {
            Some(app) => app,
            None => self
                .actions
                .fresh_app(tx, self.space, manifest.name.clone(), now)
                .map_err(|error| vec![error.to_string()])?,
        };
        if new {
            let kind = lifecycle::kind(self.actions, tx, manifest.lifecycle());
            app.lifecycle.kind = kind.map_err(|error| vec![error.to_string()])?;
        }
        for (name, enabled) in &manifest.features {
            match Feature::named(name) {
                Some(feature) => feature.set(&mut app, *enabled),
                None => errors.push(format!("Features: there is no feature '{name}'")),
            }
        }
        if let Err(error) = exclude(&app) {
            errors.push(format!("Features: {error}"));
        }
        self.lifecycle(&mut app, &manifest, new)
            .unwrap_or_else(|error| errors.push(error));
        app_env::apply(&mut app.env, manifest.env.0).unwrap_or_else(|wrong| errors.extend(wrong));
        manifest
            .metadata
            .apply(&mut app.metadata)
            .unwrap_or_else(|error| errors.push(error));
        app.updated_at = now;
        tx.put(app.clone());
        if new {
            let data = json!({ "request": { "name": app.name } });
            apps::note(tx, caller, "audit.app.create", &app, data, now);
        }
        for process in &manifest.processes {
            self.process(tx, &app, process)
                .unwrap_or_else(|error| errors.push(error));
        }
        for sidecar in manifest.sidecars {
            let name = sidecar.name.clone();
            let patch = sidecars::Patch {
                name: Some(sidecar.name),
                command: sidecar.command.0,
                process_types: sidecar.process_types,
                memory: sidecar.memory.map(Some),
            };
            if let Err(error) = sidecars::upsert(tx, app.id, patch, now) {
                errors.push(format!("Sidecar \"{name}\": {error}"));
            }
        }
        routes::apply(self, tx, &app, &manifest.routing)
            .unwrap_or_else(|wrong| errors.extend(wrong));
        for service in &manifest.services {
            self.bind(tx, &app, service)
                .unwrap_or_else(|error| errors.push(error));
        }
        let data = json!({ "request": { "name": app.name } });
        apps::note(tx, caller, "audit.app.apply_manifest", &app, data, now);
        if errors.is_empty() {
            Ok(app.id)
        } else {
            Err(errors)
        }
    }

    fn lifecycle(self, app: &mut App, manifest: &AppManifest, is_new: bool) -> Result<(), String> {
        lifecycle::stays(app.lifecycle.kind, manifest.lifecycle())
            .map_err(|error| error.to_string())?;
        if app.lifecycle.kind == LifecycleKind::Docker {
            return Ok(());
        }
        let known = self.actions.known_buildpacks();
        if let Some(buildpacks) = &manifest.buildpacks {
            match app.lifecycle.kind {
                LifecycleKind::Cnb => lifecycle::check_native(buildpacks)?,
                _ => lifecycle::check_buildpacks(&known, buildpacks)?,
            }
            app.lifecycle.buildpacks.clone_from(buildpacks);
        }
        if let Some(credentials) = &manifest.credentials {
            if app.lifecycle.kind != LifecycleKind::Cnb {
                return Err("'cnb-credentials' needs 'lifecycle: cnb'".to_owned());
            }
            app.lifecycle.credentials = lifecycle::logins(&credentials.0)?;
        }
        let stack = manifest.stack.as_ref();
        if is_new || stack.is_some_and(|stack| app.lifecycle.stack.as_ref() != Some(stack)) {
            stacks::check(&known.stacks, stack.map(String::as_str), true)?;
            app.lifecycle.stack = stack.cloned();
        }
        Ok(())
    }

    /// What is bound already stays as it is; a manifest ends no binding.
    fn bind(self, tx: &mut Tx, app: &App, manifest: &ServiceManifest) -> Result<(), String> {
        let ServiceManifest {
            name,
            binding_name,
            parameters,
        } = manifest;
        let own = tx.service_by_name(self.space, name);
        let mut shared = tx.services_shared_with(self.space);
        let service = own.or_else(|| shared.find(|service| service.name.as_str() == name));
        let service = service.cloned();
        drop(shared);
        let service = service.ok_or_else(|| format!("Service instance '{name}' not found"))?;
        if bindings::is_bound(tx, app.id, service.id) {
            return Ok(());
        }
        if parameters.is_some() && !service.is_managed() {
            return Err(format!("For service '{name}': {}", bindings::NO_PARAMETERS));
        }
        let new = bindings::New {
            service: &service,
            app: Some(app),
            name: binding_name.clone(),
            parameters: parameters.clone().map(|parameters| parameters.0),
            multiple: false,
            metadata: Metadata::default(),
        };
        bindings::put(tx, self.caller, new, self.now)
            .map(drop)
            .map_err(|error| format!("For service '{name}': {error}"))
    }

    /// Instances are left alone: what changes here takes effect with the next start, which a
    /// push makes once its droplet is there.
    fn process(self, tx: &mut Tx, app: &App, manifest: &ProcessManifest) -> Result<(), String> {
        let kind = manifest
            .process_type
            .clone()
            .unwrap_or_else(ProcessType::web);
        let old = tx.process_by_type(app.id, &kind).cloned();
        let mut process = old.clone().unwrap_or_else(|| {
            process_rules::fresh(&self.actions.config, app.id, kind.clone(), self.now)
        });
        change(&mut process, manifest).map_err(|error| format!("Process \"{kind}\": {error}"))?;
        let scaled = old
            .as_ref()
            .is_some_and(|old| old.instances != process.instances);
        if scaled && kind == ProcessType::web() {
            deployments::idle(tx, app.id, ActionError::ScaleInFlight)
                .map_err(|error| error.to_string())?;
        }
        let before = Before::of(tx, app.space);
        match old {
            Some(old) if old == process => {}
            Some(_) => {
                process.updated_at = self.now;
                let data = json!({
                    "process_guid": process.id.to_string(),
                    "process_type": process.process_type,
                    "manifest_triggered": true,
                });
                let scaled = manifest.instances.is_some()
                    || manifest.memory.is_some()
                    || manifest.disk.is_some();
                let event = if scaled {
                    "audit.app.process.scale"
                } else {
                    "audit.app.process.update"
                };
                tx.put(process);
                apps::note(tx, self.caller, event, app, data, self.now);
            }
            None => processes::add(tx, self.caller, app, process, self.now),
        }
        match before.breaches(tx).as_slice() {
            [] => Ok(()),
            breaches => Err(quotas::words(breaches)),
        }
    }
}

fn change(process: &mut Process, manifest: &ProcessManifest) -> Result<(), String> {
    if let Some(command) = &manifest.command {
        process_rules::command(process, command.clone())?;
    }
    if let Some(patch) = &manifest.health {
        process_rules::health(&mut process.health, patch)?;
    }
    if let Some(patch) = &manifest.readiness {
        process_rules::readiness(&mut process.readiness, patch)?;
    }
    let scale = Scale {
        instances: manifest.instances.map(i64::from),
        memory_in_mb: manifest.memory.map(|size| i64::from(size.0)),
        disk_in_mb: manifest.disk.map(|size| i64::from(size.0)),
        log_rate_limit_in_bytes_per_second: manifest.log_rate_limit,
    };
    process_rules::scale(process, &scale)
}

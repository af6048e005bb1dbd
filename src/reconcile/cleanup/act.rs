//! Lets go of what was planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::plan::{Plan, digests, layers, plan};
use crate::{
    model::{
        AppId, Droplet, DropletId, DropletState, ImageSource, LayerId, Package, PackageState,
        Timestamp,
    },
    reconcile::{Config, Deps},
    store::StoreError,
};

/// How long changes are waited for together: nobody waits for any of this.
const GATHER: Duration = Duration::from_secs(5);
/// The longest time without a look, for what only time lets go.
const AT_LEAST: Duration = Duration::from_secs(60 * 60);

/// What was on disk when it was last looked at.
#[derive(Default)]
struct Known {
    /// Droplets whose trees stay, by app.
    trees: BTreeMap<AppId, BTreeSet<DropletId>>,
    digests: BTreeSet<String>,
    layers: BTreeSet<LayerId>,
    looked: bool,
}

/// Cleans up until its task is stopped.
pub(in crate::reconcile) async fn run(deps: Deps, config: Arc<Config>) {
    let mut changes = deps.store.watch();
    let mut known = Known::default();
    loop {
        sleep(GATHER).await;
        changes.borrow_and_update();
        let now = Timestamp::from_millis(deps.clock.now().wall_ms);
        let plan = plan(&deps.store.state(), config.keep, now);
        if !plan.is_empty()
            && let Err(error) = commit(&deps, plan, now).await
        {
            tracing::error!(%error, "cannot let old packages and droplets go");
        }
        known.sweep(&deps).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            // What was too young to go the last time is looked at again.
            () = sleep(AT_LEAST) => known.looked = false,
        }
    }
}

async fn commit(deps: &Deps, plan: Plan, now: Timestamp) -> Result<(), StoreError> {
    deps.store
        .commit(|tx| {
            for id in plan.packages {
                if let Some(package) = tx.packages.get(&id).cloned() {
                    let state = PackageState::Expired;
                    // A login is kept no longer than it is needed.
                    let image = package.image.clone().map(|image| ImageSource {
                        login: None,
                        ..image
                    });
                    tx.put(Package {
                        state,
                        image,
                        updated_at: now,
                        ..Package::clone(&package)
                    });
                }
            }
            for id in plan.droplets {
                // It may have become the current one since the plan was made.
                let droplet = tx.droplets.get(&id).cloned();
                let idle = droplet.filter(|droplet| {
                    let app = tx.apps.get(&droplet.app);
                    let mut tasks = tx.unfinished_tasks();
                    app.is_none_or(|app| app.current_droplet != Some(id))
                        && !tasks.any(|task| task.droplet == id)
                        && !tx.is_pinned(droplet)
                });
                if let Some(droplet) = idle {
                    let state = DropletState::Expired;
                    tx.put(Droplet {
                        state,
                        updated_at: now,
                        ..Droplet::clone(&droplet)
                    });
                }
            }
            for key in plan.records {
                tx.delete(key);
            }
            Ok(())
        })
        .await
}

impl Known {
    /// Removes from the disk what desired state does not know any more.
    async fn sweep(&mut self, deps: &Deps) {
        let state = deps.store.state();
        let mut trees: BTreeMap<AppId, BTreeSet<DropletId>> = state
            .apps
            .keys()
            .map(|app| (*app, BTreeSet::new()))
            .collect();
        for droplet in state.droplets.values() {
            if let (DropletState::Staged { .. }, Some(of_app)) =
                (&droplet.state, trees.get_mut(&droplet.app))
            {
                of_app.insert(droplet.id);
            }
        }
        // An instance may still run what was replaced.
        for instance in deps.drivers.observe(deps.clock.now()) {
            trees
                .entry(instance.app)
                .or_default()
                .insert(instance.version.droplet);
        }
        let mut gone: BTreeSet<AppId> = self
            .trees
            .keys()
            .filter(|app| !trees.contains_key(app))
            .copied()
            .collect();
        if !self.looked {
            let logs = deps.logs.clone();
            let kept = spawn_blocking(move || logs.apps())
                .await
                .unwrap_or_default();
            gone.extend(kept.into_iter().filter(|app| !trees.contains_key(app)));
        }
        for app in gone {
            let logs = deps.logs.clone();
            // A panic in it is the only way to fail, and is logged where it happens.
            let _ = spawn_blocking(move || logs.forget(app)).await;
            if let Err(error) = deps.builder.forget(app).await {
                tracing::error!(%app, %error, "cannot remove the build caches of an app");
            }
            self.retain(deps, app, &BTreeSet::new()).await;
        }
        // A build puts its bits in place before its record, so nothing of an app that is being
        // built is touched; it is looked at again when the build's outcome is committed.
        let building: BTreeSet<AppId> = state.staging_builds().map(|build| build.app).collect();
        for app in &building {
            match self.trees.get(app) {
                Some(before) => trees.insert(*app, before.clone()),
                None => trees.remove(app),
            };
        }
        for (app, keep) in &trees {
            let fewer = self
                .trees
                .get(app)
                .is_none_or(|before| !before.is_subset(keep));
            if fewer {
                self.retain(deps, *app, keep).await;
            }
        }
        // As new as can be, since all that took a while.
        let state = deps.store.state();
        let building = state.staging_builds().next().is_some();
        let mut digests = digests(&state);
        let mut layers = layers(&state);
        let running = deps.drivers.observe(deps.clock.now());
        layers.extend(running.into_iter().flat_map(|instance| instance.layers));
        if building {
            layers.append(&mut self.layers);
        } else if (!self.looked || !self.layers.is_subset(&layers))
            && let Err(error) = deps.builder.retain_layers(layers.clone()).await
        {
            tracing::error!(error = chain(&error), "cannot remove old layers of images");
        }
        if building {
            // Whatever could go now can go later.
            digests.append(&mut self.digests);
        } else if (!self.looked || !self.digests.is_subset(&digests))
            && let Err(error) = deps.blobs.retain(digests.clone()).await
        {
            tracing::error!(%error, "cannot remove old packages and droplets");
        }
        let looked = self.looked || !building;
        *self = Self {
            trees,
            digests,
            layers,
            looked,
        };
    }

    async fn retain(&self, deps: &Deps, app: AppId, keep: &BTreeSet<DropletId>) {
        let keep: Vec<DropletId> = keep.iter().copied().collect();
        if let Err(error) = deps.blobs.retain_trees(app, &keep).await {
            tracing::error!(%app, %error, "cannot remove an app's old droplets");
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

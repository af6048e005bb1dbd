//! Runs the builds that were planned.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::plan::plan;
use crate::{
    build::{Classic, Request, Room, Source, Staged},
    drivers::{bindings, credentials, environment},
    images::Lease,
    model::{
        App, AppId, Build, BuildId, BuildState, Droplet, DropletId, DropletState, Event, EventId,
        EventTarget, Failure, Megabytes, Metadata, NetworkPolicy, PackageState, Timestamp,
        Workload,
    },
    reconcile::{Config, Deps, network},
    stdx::clock::Clock,
    store::{State, Store, StoreError},
    wire::platform::STACK_NAME,
};

/// Between tries to write down what came of a build.
const AGAIN: Duration = Duration::from_secs(1);

/// A build that runs.
struct Running {
    app: AppId,
    network: watch::Sender<NetworkPolicy>,
    handle: AbortHandle,
}

/// What a build may reach, and where its memory is from.
type Given = (watch::Receiver<NetworkPolicy>, Room);

/// What came of a build.
type Outcome = Result<(DropletId, Staged, Option<Lease>), Failure>;

/// Runs builds until its task is stopped, which stops them. Their memory is of `room`: no instance
/// is started on it.
pub(in crate::reconcile) async fn run(deps: Deps, config: Arc<Config>, room: Room) {
    let mut changes = deps.store.watch();
    let mut bandwidth = deps.bandwidth.clone();
    let mut running: HashMap<BuildId, Running> = HashMap::new();
    // Dropped with this task, and all builds with it.
    let mut builds = JoinSet::new();
    loop {
        changes.borrow_and_update();
        let rate = *bandwidth.borrow_and_update();
        let state = deps.store.state();
        for running in running.values() {
            let now = network::plan::staging(&state, rate, running.app);
            running.network.send_if_modified(|before| {
                let other = *before != now;
                *before = now;
                other
            });
        }
        let known: Vec<_> = running
            .iter()
            .map(|(build, running)| (*build, running.app))
            .collect();
        let plan = plan(&state, &known, config.builds);
        for build in plan.cancel {
            if let Some(running) = running.remove(&build) {
                running.handle.abort();
            }
        }
        for id in plan.begin {
            if let Some(build) = state.builds.get(&id).cloned() {
                let app = build.app;
                let policy = network::plan::staging(&state, rate, app);
                let (network, policies) = watch::channel(policy);
                let given = (policies, room.clone());
                let handle = builds.spawn(one(deps.clone(), Arc::clone(&config), build, given));
                let begun = Running {
                    app,
                    network,
                    handle,
                };
                running.insert(id, begun);
            }
        }
        drop(state);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            // Where nobody can change it, it stays as it is.
            Ok(()) = bandwidth.changed() => {}
            Some(ended) = builds.join_next_with_id(), if !builds.is_empty() => {
                let task = match &ended {
                    Ok((task, ())) => *task,
                    Err(error) => error.id(),
                };
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!("a build panicked");
                }
                running.retain(|_, running| running.handle.id() != task);
            }
        }
    }
}

/// Runs one build and writes down what came of it.
async fn one(deps: Deps, config: Arc<Config>, build: Arc<Build>, given: Given) {
    let outcome = stage(&deps, &config, &build, given).await;
    // The bits are there; only the record is missing, so this is worth more than one try.
    while let Err(error) = finish(&deps.store, &deps.clock, &build, &outcome).await {
        tracing::error!(build = %build.id, %error, "cannot write down what came of a build");
        sleep(AGAIN).await;
    }
}

async fn stage(deps: &Deps, config: &Config, build: &Build, (network, room): Given) -> Outcome {
    let failed = |detail: String| Failure {
        id: "StagingError".to_owned(),
        detail,
    };
    let state = deps.store.state();
    let app = state
        .apps
        .get(&build.app)
        .ok_or_else(|| failed("the app is gone".to_owned()))?;
    let package = state.packages.get(&build.package);
    let source = match package.map(|package| (&package.state, &package.image)) {
        Some((PackageState::Ready { sha256 }, _)) => Source::Bits {
            sha256: sha256.clone(),
        },
        Some((PackageState::Remote, Some(image))) => Source::Image(image.clone()),
        _ => {
            let detail = "the package's bits are not there; upload the app again".to_owned();
            return Err(failed(detail));
        }
    };
    let platform = &deps.drivers.config().platform;
    let memory = build.memory.unwrap_or(config.build_memory);
    let env = environment::with_subject(&state, app.id, |subject| {
        environment::staging(platform, subject, memory)
    });
    if forgets(&state, app, build)
        && let Err(error) = deps.builder.forget(app.id).await
    {
        return Err(failed(format!(
            "the app's build cache cannot be cleared: {error}"
        )));
    }
    let droplet = DropletId::random();
    let request = Request {
        build: build.id,
        droplet,
        app: with_shared(&state, app),
        bearer: credentials::bearer(&state, app.id)
            .ok_or_else(|| failed("the app's space is gone".to_owned()))?,
        source,
        lifecycle: build.lifecycle.clone(),
        classic: classic(&state, build.lifecycle.stack.as_deref()),
        memory: build.memory,
        disk: disk(&state, app.id),
        env: env.unwrap_or_default(),
        files: bindings::files(app, &state.vcap_services(app.id)).map_err(failed)?,
        own_command: state
            .process_by_type(app.id, "web")
            .is_some_and(|web| web.command.is_some()),
        network,
        room,
        ids: deps
            .drivers
            .config()
            .identity
            .of(app)
            .ok_or_else(|| failed("the app has no range of user ids yet".to_owned()))?,
    };
    let (staged, lease) = deps.builder.stage(request).await?;
    Ok((droplet, staged, lease))
}

/// Whether a user wanted the app's cache to be cleared since the build before this one.
fn forgets(state: &State, app: &App, build: &Build) -> bool {
    let mut before = state
        .builds_of(app.id)
        .rev()
        .filter(|one| one.id != build.id);
    let before = before.next().map(|one| one.created_at);
    app.cache_cleared_at
        .is_some_and(|at| before.is_none_or(|before| before <= at))
}

/// The buildpacks of the operator that build for a stack, in the order in which they are asked.
fn classic(state: &State, stack: Option<&str>) -> Vec<Classic> {
    let stack = stack.unwrap_or(STACK_NAME);
    let mut all: Vec<_> = state.buildpacks.values().collect();
    all.sort_by_key(|buildpack| (buildpack.position, buildpack.id));
    let with_bits = all
        .into_iter()
        .enumerate()
        .filter_map(|(before, buildpack)| {
            let places = usize::try_from(buildpack.position).ok()?.saturating_sub(1);
            buildpack.is_for(stack).then_some(Classic {
                name: buildpack.name.clone(),
                sha256: buildpack.bits.clone()?,
                enabled: buildpack.enabled,
                behind: places.saturating_sub(before),
            })
        });
    with_bits.collect()
}

/// The app with the variables that admins set for every build, which lose against its own.
fn with_shared(state: &State, app: &Arc<App>) -> Arc<App> {
    let Some(group) = state.env_group(Workload::Staging) else {
        return Arc::clone(app);
    };
    let mut env = group.var.clone();
    env.extend(app.env.clone());
    Arc::new(App {
        env,
        ..App::clone(app)
    })
}

/// Commits the droplet, or the failure, unless nobody waits for it any more.
async fn finish(
    store: &Store,
    clock: &Clock,
    build: &Build,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let now = Timestamp::from_millis(clock.now().wall_ms);
    store
        .commit(|tx| {
            let still = tx
                .builds
                .get(&build.id)
                .filter(|now| now.state == BuildState::Staging);
            let (Some(build), Some(app)) = (still.cloned(), tx.apps.get(&build.app).cloned())
            else {
                return Ok(());
            };
            let mut build = Build::clone(&build);
            build.updated_at = now;
            match outcome {
                Ok((droplet, staged, _)) => {
                    tx.put(droplet_of(&build, *droplet, staged, now));
                    build.state = BuildState::Staged { droplet: *droplet };
                }
                Err(failure) => {
                    build.state = BuildState::Failed {
                        failure: failure.clone(),
                    }
                }
            }
            tx.record_event(event(tx, &app, &build, now));
            tx.put(build);
            Ok(())
        })
        .await
}

/// The disk of the app's largest instance.
fn disk(state: &State, app: AppId) -> Megabytes {
    let disks = state.processes_of(app).map(|process| process.disk);
    disks.max().unwrap_or(Megabytes(0))
}

fn droplet_of(build: &Build, id: DropletId, staged: &Staged, now: Timestamp) -> Droplet {
    Droplet {
        id,
        app: build.app,
        package: Some(build.package),
        build: Some(build.id),
        state: DropletState::Staged {
            sha256: staged.sha256.clone(),
            size: staged.size,
        },
        kind: staged.kind,
        process_types: staged.process_types.clone(),
        env: staged.env.clone(),
        static_root: staged.static_root.clone(),
        image: staged.image.clone(),
        launch: staged.launch.clone(),
        buildpacks: staged.buildpacks.clone(),
        stack: staged.stack.clone(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    }
}

fn event(state: &State, app: &App, build: &Build, now: Timestamp) -> Event {
    let mut data = json!({
        "build_guid": build.id.to_string(),
        "package_guid": build.package.to_string(),
    });
    let kind = match &build.state {
        BuildState::Failed { failure } => {
            data["error_id"] = failure.id.clone().into();
            data["error_message"] = failure.detail.clone().into();
            "audit.app.build.failed"
        }
        BuildState::Staged { droplet } => {
            data["droplet_guid"] = droplet.to_string().into();
            "audit.app.build.staged"
        }
        BuildState::Staging => "audit.app.build.create",
    };
    Event {
        id: EventId::random(),
        kind: kind.to_owned(),
        actor: build.created_by.clone(),
        target: EventTarget {
            guid: app.id.to_string(),
            kind: "app".to_owned(),
            name: app.name.to_string(),
        },
        data,
        space: Some(app.space),
        org: state.spaces.get(&app.space).map(|space| space.org),
        created_at: now,
    }
}

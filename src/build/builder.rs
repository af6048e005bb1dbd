//! From a package to a droplet.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use super::{
    Config, Request, Source, Staged,
    cache::{self, Cache, Caches},
    classic::{self, Classic},
    cnb,
    decision::{Decision, conclude, decide},
    environment::stack,
    failure,
    folder::Folder,
    git::Kept,
    leftovers::{Guard, Leftovers},
    log::StagingLog,
    run,
    tools::Versions,
};
use crate::{
    blobs::Blobs,
    images::{ImageError, Images, Lease, Reference},
    logs::Logs,
    model::{AppId, DropletBuildpack, DropletKind, Failure, LayerId, LifecycleKind, ProcessType},
    runtimes::{Catalog, PlacedFile, Release, Runtime},
    sites,
};

/// Pushes that git reads at a time: each costs memory beside that of apps and builds.
const PUSHES: usize = 2;

/// Runs builds; clones share it.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(super) config: Arc<Config>,
    pub(super) blobs: Blobs,
    logs: Logs,
    pub(super) images: Images,
    pub(super) runtimes: watch::Receiver<Arc<Catalog>>,
    pub(super) versions: Arc<Versions>,
    caches: Caches,
    pub(super) leftovers: Leftovers,
    /// How many pushes git reads at a time.
    pub(super) pushes: Arc<Semaphore>,
}

impl Builder {
    /// A builder; removes what builds of a predecessor left behind. Has to be called within an
    /// async runtime.
    #[must_use]
    pub fn new(
        config: Config,
        (blobs, images): (Blobs, Images),
        logs: Logs,
        runtimes: watch::Receiver<Arc<Catalog>>,
    ) -> Self {
        let leftovers = Leftovers::start();
        leftovers.sweep(&config.dir, cache::FOLDER);
        Self {
            caches: Caches::new(config.dir.join(cache::FOLDER), config.disks.clone()),
            config: Arc::new(config),
            blobs,
            images,
            logs,
            runtimes,
            versions: Arc::default(),
            leftovers,
            pushes: Arc::new(Semaphore::new(PUSHES)),
        }
    }

    /// Stages a package. Its output goes to the app's log as `STG` lines while it happens.
    /// Dropping the future kills the build and leaves nothing behind. The lease keeps the layers
    /// of an image until what was staged is in the state that says what is in use.
    ///
    /// # Errors
    /// Words for the user: which step failed, which command, its last lines, what to do.
    pub async fn stage(&self, request: Request) -> Result<(Staged, Option<Lease>), Failure> {
        let log = StagingLog::new(self.logs.clone(), request.app.id);
        let start = Instant::now();
        let dir = self.config.dir.join(request.build.to_string());
        let outcome = if let Source::Image(source) = &request.source {
            let pulled = self.pull(&request, source, &log).await;
            pulled.map(|(staged, lease)| (staged, Some(lease)))
        } else {
            let mut guard = Guard::new(self.leftovers.clone(), dir.clone());
            let outcome = self.build(&Arc::new(request), dir, &mut guard, &log).await;
            guard.clear().await;
            outcome
        };
        match &outcome {
            Ok(_) => log.say(format!("Staged in {}", seconds(start.elapsed()))),
            Err(failure) => log.complain(&failure.detail),
        }
        outcome
    }

    async fn build(
        &self,
        request: &Arc<Request>,
        dir: PathBuf,
        guard: &mut Guard,
        log: &StagingLog,
    ) -> Result<(Staged, Option<Lease>), Failure> {
        let (disks, size) = (self.config.disks.clone(), self.config.disk);
        let folder = blocking("make the build's folder", move || {
            Folder::create(dir, &disks, size)
                .map_err(|e| failure::host("make the build's folder", &e))
        })
        .await?;
        let app = folder.app();
        let unpacked = self.blobs.unpack_package(request.archive()?, &app, None);
        unpacked.await.map_err(|error| {
            // Only what is on the build's own disk.
            if error.is_disk_full() && folder.disk().root().is_some() {
                return failure::too_large_to_build(folder.disk().size());
            }
            failure::blob("unpack the package", &error)
        })?;

        let asked = self.ask(request, &folder, guard, log).await?;
        let mut decision = self.decide(request, &folder, asked.clone()).await?;
        let mut buildpacks = self.buildpacks(&mut decision).await?;
        if let (Some((_, said)), [only]) = (asked, buildpacks.as_mut_slice())
            && !said.is_empty()
        {
            only.detect_output = said;
        }
        for buildpack in &buildpacks {
            log.say(format!(
                "-----> {} ({})",
                buildpack.detect_output, buildpack.name
            ));
        }
        let decision = self.prepare(decision, &folder).await?;
        let runtime = decision.runtimes.last();
        let mut toolchain = match runtime {
            Some(runtime) => self.toolchain(runtime, log).await?,
            None => None,
        };
        if request.lifecycle.kind == LifecycleKind::Cnb
            && let Some(toolchain) = &mut toolchain
        {
            self.add_buildpacks(request, &folder, toolchain, log)
                .await?;
        }
        if !decision.steps.is_empty() {
            let cache = self.cache(request.app.id, &decision, &folder).await?;
            let (config, steps) = (&self.config, &decision);
            let place = run::Place {
                folder: &folder,
                cache: cache.as_ref(),
                buildpacks: self.unpacked(&decision.buildpacks).await?,
                toolchain: toolchain.as_ref(),
            };
            let ran = run::run(config, request, steps, place, guard, log).await;
            if let Some(cache) = cache {
                guard.end().await;
                cache.put_back(log.clone()).await;
            }
            ran?;
        }
        let (release, decision, found) = self.conclude(request, decision, &folder, log).await?;
        buildpacks = found.unwrap_or(buildpacks);
        let home = folder.home();
        let blob = self
            .blobs
            .put_droplet(request.app.id, request.droplet, &home)
            .await
            .map_err(|error| failure::blob("keep the droplet", &error))?;
        // The app runs where it was built, unless it needs nothing of that.
        let runs_there = |runtime: &Runtime| runtime.run_in_image;
        let toolchain = toolchain.filter(|_| decision.runtimes.last().is_some_and(runs_there));
        let (image, variables, lease) = match toolchain {
            Some(toolchain) => (Some(toolchain.image), toolchain.env, Some(toolchain.lease)),
            None => (None, Vec::new(), None),
        };
        let of_runtimes = decision
            .runtimes
            .iter()
            .flat_map(|runtime| runtime.env.clone());
        let env = variables.into_iter().chain(of_runtimes);
        let staged = Staged {
            sha256: blob.sha256,
            size: blob.size,
            kind: kind(&decision),
            process_types: release.process_types,
            env: env.collect(),
            static_root: release.root,
            image,
            launch: None,
            buildpacks,
            stack: stack(request),
        };
        Ok((staged, lease))
    }

    pub(super) async fn decide(
        &self,
        request: &Arc<Request>,
        folder: &Folder,
        asked: Option<(Classic, String)>,
    ) -> Result<Decision, Failure> {
        let catalog = self.runtimes.borrow().clone();
        let (request, app) = (request.clone(), folder.app());
        let config = self.config.clone();
        blocking("decide about the package", move || {
            let asked = asked.as_ref().map(|(classic, _)| classic);
            decide(&config, &catalog, &request, &app, asked)
        })
        .await
    }

    /// Puts the runtimes' own files beside the app.
    async fn prepare(&self, decision: Decision, folder: &Folder) -> Result<Decision, Failure> {
        let folder = folder.clone();
        blocking("prepare the build", move || {
            let tools = decision.tools_at_start();
            let files = decision.runtimes.iter().flat_map(|runtime| &runtime.files);
            for file in tools.iter().chain(files) {
                folder.place(file).map_err(|error| {
                    failure::host(&format!("write /home/vcap/{}", file.path), &error)
                })?;
            }
            Ok(decision)
        })
        .await
    }

    /// The app's caches, where its runtimes keep some.
    async fn cache(
        &self,
        app: AppId,
        decision: &Decision,
        folder: &Folder,
    ) -> Result<Option<Cache>, Failure> {
        let keeps = |runtime: &Runtime| !runtime.build.caches.is_empty();
        if !decision.runtimes.iter().any(keeps) {
            return Ok(None);
        }
        let (caches, dir) = (self.caches.clone(), folder.dir().to_owned());
        blocking("make the app's cache", move || {
            let taken = caches.take(app, &dir).map(Some);
            taken.map_err(|error| failure::host("make the app's cache", &error))
        })
        .await
    }

    /// Finds out how the built app is started, and leaves in its folder what is the droplet's.
    async fn conclude(
        &self,
        request: &Arc<Request>,
        decision: Decision,
        folder: &Folder,
        log: &StagingLog,
    ) -> Result<(Release, Decision, Option<Vec<DropletBuildpack>>), Failure> {
        let (request, folder) = (request.clone(), folder.clone());
        let concluded = blocking("look at what was built", move || {
            let runtime = decision.runtimes.last().ok_or_else(|| Failure {
                id: "NoAppDetectedError".to_owned(),
                detail: "no runtime was chosen".to_owned(),
            })?;
            let mut found = None;
            let release = if decision.classic {
                classic::release(&folder.home(), request.own_command, runtime)?
            } else if runtime.kind == DropletKind::Cnb {
                let taken = folder.reclaim();
                taken.map_err(|error| failure::host("take back what was built", &error))?;
                let (release, buildpacks) = cnb::release(&folder, request.own_command)?;
                found = Some(buildpacks);
                release
            } else {
                conclude(runtime, &request, &folder.app())?
            };
            if runtime.kind == DropletKind::Static {
                sites::read(&folder.app(), &release.root)
                    .map_err(|error| failure::bad_site(&error))?;
            }
            folder
                .reclaim()
                .and_then(|()| folder.tidy())
                .and_then(|()| folder.place(&staging_info(&decision, &release)))
                .map_err(|error| failure::host("tidy what was built", &error))?;
            Ok((release, decision, found))
        })
        .await?;
        for (process, command) in &concluded.0.process_types {
            log.say(format!("       {process}: {command}"));
        }
        Ok(concluded)
    }

    /// Removes the layers of images that are not in `keep`, unless a runtime is built with them
    /// or somebody needs them right now.
    ///
    /// # Errors
    /// Where one could not be removed.
    pub async fn retain_layers(&self, keep: BTreeSet<LayerId>) -> Result<(), ImageError> {
        let catalog = self.runtimes.borrow().clone();
        let named = catalog
            .iter()
            .filter_map(|runtime| runtime.image.as_deref());
        let toolchains = named
            .chain(self.config.builder.as_deref())
            .filter_map(|name| Reference::parse(name).ok())
            .map(|reference| reference.to_string());
        let toolchains = toolchains.collect();
        self.images.retain(keep, toolchains).await
    }

    /// Removes what is kept for the builds and pushes of `app`.
    ///
    /// # Errors
    /// Where something could not be removed.
    pub async fn forget(&self, app: AppId) -> std::io::Result<()> {
        let caches = self.caches.clone();
        let kept = Kept::of(&self.config.dir.join(cache::FOLDER), app);
        spawn_blocking(move || caches.remove(app).and_then(|()| kept.remove()))
            .await
            .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
    }
}

fn kind(decision: &Decision) -> DropletKind {
    let last = decision.runtimes.last();
    last.map_or(DropletKind::Process, |runtime| runtime.kind)
}

/// What Cloud Foundry's droplets say about themselves; JSON is YAML.
fn staging_info(decision: &Decision, release: &Release) -> PlacedFile {
    let runtime = decision.runtimes.last();
    let text = serde_json::json!({
        "detected_buildpack": runtime.map_or("", |runtime| runtime.buildpack()),
        "start_command": release.process_types.get(&ProcessType::web()).map_or("", String::as_str),
    });
    PlacedFile {
        path: "staging_info.yml".to_owned(),
        text: format!("{text}\n"),
        executable: false,
    }
}

/// Does what blocks on the disk elsewhere.
pub(super) async fn blocking<R: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<R, Failure> + Send + 'static,
) -> Result<R, Failure> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panicked) => Err(failure::host(what, &panicked)),
    }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    format!("{:.1} s", time.as_secs_f64())
}

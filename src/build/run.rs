//! Runs the steps of a build in one sandbox.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::{
    Config, Request,
    cache::Cache,
    decision::Decision,
    environment::environment,
    failure::{self, Ran},
    folder::Folder,
    image::Toolchain,
    leftovers::Guard,
    log::StagingLog,
    output::{Output, Shown},
    script::script,
};
use crate::{
    certs::{CREDENTIALS, InstanceAuthority, TRUSTED},
    logs,
    model::{Exit, Failure, Megabytes, NetworkPolicy},
    runtimes::Mistake,
    sandbox::{self, Bind, ImageRoot, Kind, Limits, Network, Sandbox, Spec, Status, log},
};

/// Processes and threads of a build; a JVM that compiles has hundreds.
const PIDS: u32 = 2048;

/// Open files of one process, as in Cloud Foundry.
const FILES: u64 = 16_384;

/// A build's share of the processors against apps, which have 100.
const CPU_WEIGHT: u32 = 50;

/// Output that is kept in the sandbox until it is read.
const LOG_BYTES: u64 = 16 * 1024 * 1024;

/// Between tries to tell a build what it may reach.
const AGAIN: Duration = Duration::from_secs(1);

/// Memory of the build: the default or what a runtime needs, and less where the request says so.
/// More is the operator's to grant. On a machine that is smaller than the default, all of it has
/// to do.
fn memory(config: &Config, request: &Request, decision: &Decision) -> Result<Megabytes, Failure> {
    let whole = request.room.whole();
    let needs = decision
        .runtimes
        .iter()
        .filter_map(|runtime| runtime.build.memory);
    let needs = needs.fold(config.memory.min(whole), Ord::max);
    let memory = granted(request.memory, needs);
    if memory > whole {
        return Err(failure::never_room(memory, whole));
    }
    Ok(memory)
}

fn granted(asked: Option<Megabytes>, most: Megabytes) -> Megabytes {
    asked.map_or(most, |asked| asked.min(most))
}

/// Where a build happens.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Folder,
    pub(super) cache: Option<&'a Cache>,
    /// Buildpacks that are to be seen.
    pub(super) buildpacks: Vec<Bind>,
    /// In place of the host's programs.
    pub(super) toolchain: Option<&'a Toolchain>,
}

fn root(toolchain: &Toolchain) -> ImageRoot {
    ImageRoot {
        layers: toolchain.layers.clone(),
        user: None,
        stop_signal: None,
    }
}

/// Does all steps, its output going to `staging` while it happens.
pub(super) async fn run(
    config: &Config,
    request: &Request,
    decision: &Decision,
    place: Place<'_>,
    guard: &mut Guard,
    staging: &StagingLog,
) -> Result<(), Failure> {
    let Place {
        folder,
        cache,
        toolchain,
        mut buildpacks,
    } = place;
    buildpacks.push(program(config));
    if let Some(authority) = &config.authority {
        buildpacks.extend(credentials(authority, request, folder).await?);
    }
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let memory = memory(config, request, decision)?;
    let taken = request.room.take(memory, |line| staging.say(line));
    let _held = tokio::time::timeout(config.timeout, taken)
        .await
        .map_err(|_| failure::no_room(memory, config.timeout))?;
    let mut network = request.network.clone();
    let first = egress(config, &network.borrow_and_update());
    let id = format!("build-{}", request.build);
    let argv = ["bash", "-c", &script(&decision.steps, &nonce)].map(str::to_owned);
    let spec = Spec {
        kind: Kind::Build,
        home: Some(folder.home()),
        home_writable: true,
        binds: buildpacks,
        env: environment(config, decision, toolchain, request, memory),
        cwd: "/home/vcap/app".to_owned(),
        hostname: "build".to_owned(),
        ids: request.ids,
        network: Network::Tunnel,
        egress: first,
        root: toolchain.map(root),
        limits: Limits {
            memory: Some(memory.bytes()),
            cpu_weight: Some(CPU_WEIGHT),
            io_weight: Some(CPU_WEIGHT),
            io_ceiling: config.io_ceiling,
            pids: Some(PIDS),
            files: Some(FILES),
            ..Limits::default()
        },
        disk: Some(folder.disk().spec().clone()),
        volumes: cache.map(Cache::volume).into_iter().collect(),
        files: request.files.clone(),
        log_bytes: LOG_BYTES,
        ..Spec::new(id, folder.sandbox(), argv)
    };
    let sandbox = sandbox::spawn(&spec)
        .await
        .map_err(|error| failure::host("start the build's sandbox", &error))?;
    guard.hold(sandbox.clone());
    let mut follower = Follower {
        sandbox: &sandbox,
        staging,
        decision,
        output: Output::new(&nonce, mistakes(decision)),
        config,
        network,
    };
    let exit = tokio::time::timeout(config.timeout, follower.follow()).await;
    let ran = Ran {
        app: &request.app.name,
        steps: &decision.steps,
        output: &follower.output,
        memory,
        disk: folder.disk().size(),
        full_cache: cache.and_then(Cache::full),
    };
    if !matches!(exit, Ok(Ok(Exit::Code { code: 0 }))) {
        // It may be why.
        for weaker in sandbox.weaker() {
            staging.say(format!("on this host {weaker}"));
        }
    }
    match exit {
        Ok(Ok(Exit::Code { code: 0 })) => Ok(()),
        Ok(Ok(exit)) => Err(ran.ended(&exit)),
        Ok(Err(error)) => Err(failure::host("read the build's output", &error)),
        Err(_) => Err(ran.timed_out(config.timeout)),
    }
}

/// A certificate of the build's own, and what is to be trusted, as they are seen inside. The
/// certificate outlives every build.
async fn credentials(
    authority: &Arc<InstanceAuthority>,
    request: &Request,
    folder: &Folder,
) -> Result<[Bind; 2], Failure> {
    let source = folder.dir().join("credentials");
    let (guid, bearer, path) = (request.build.to_string(), request.bearer, source.clone());
    let trusted = authority.trusted().to_owned();
    let authority = Arc::clone(authority);
    let what = "make the build's certificate";
    super::builder::blocking(what, move || {
        let made = authority.issue(&guid, &bearer);
        let made = made.map_err(|error| failure::host(what, &error))?;
        made.write(&path)
            .map_err(|error| failure::host(what, &error))
    })
    .await?;
    let each = [(source, CREDENTIALS), (trusted, TRUSTED)];
    Ok(each.map(|(source, target)| Bind {
        source,
        target: PathBuf::from(target),
        writable: false,
    }))
}

/// What may go wrong.
fn mistakes(decision: &Decision) -> Vec<Mistake> {
    let runtimes = decision.runtimes.iter();
    runtimes
        .flat_map(|runtime| runtime.mistakes.clone())
        .collect()
}

/// What the build may reach: what security groups open, and what the operator named for builds.
fn egress(config: &Config, policy: &NetworkPolicy) -> NetworkPolicy {
    let mut policy = policy.clone();
    policy.grants.extend(config.registries());
    policy
}

fn program(config: &Config) -> Bind {
    Bind {
        source: config.program.clone(),
        target: PathBuf::from("/.pastina/pastina"),
        writable: false,
    }
}

struct Follower<'a> {
    sandbox: &'a Sandbox,
    staging: &'a StagingLog,
    decision: &'a Decision,
    output: Output,
    config: &'a Config,
    network: watch::Receiver<NetworkPolicy>,
}

impl Follower<'_> {
    /// Forwards the output until the build has ended.
    async fn follow(&mut self) -> std::io::Result<Exit> {
        let mut reader = self.sandbox.log(0)?;
        let mut status = self.sandbox.status();
        let mut logged = self.sandbox.logged();
        let mut knows = true;
        loop {
            // Asked before the output is read, so that nothing is written after the reading.
            logged.mark_unchanged();
            let ended = match &*status.borrow_and_update() {
                Status::Ended(exit) => Some(exit.clone()),
                Status::Preparing | Status::Running { .. } => None,
            };
            while let Some(record) = reader.next()? {
                self.show(record);
            }
            if let Some(exit) = ended {
                return Ok(exit);
            }
            tokio::select! {
                // Both may be dropped at any time. A sandbox that nobody tells about any more
                // has vanished.
                changed = status.changed() => if changed.is_err() {
                    return Ok(Exit::Lost);
                },
                Ok(()) = logged.changed() => {}
                Ok(()) = self.network.changed() => knows = self.tell_network().await,
                () = sleep(AGAIN), if !knows => knows = self.tell_network().await,
            }
        }
    }

    /// Tells the build what it may reach by now; false where that could not be.
    async fn tell_network(&mut self) -> bool {
        let policy = egress(self.config, &self.network.borrow_and_update());
        let told = self.sandbox.set_network(&policy).await;
        if let Err(error) = &told {
            tracing::error!(%error, "cannot tell a build what it may reach");
        }
        told.is_ok()
    }

    fn show(&mut self, mut record: log::Record) {
        if let Some(at) = self.output.mark_within(&record.line) {
            let words = record.line.split_to(at);
            self.show_line(log::Record {
                line: words,
                ..record.clone()
            });
        }
        self.show_line(record);
    }

    fn show_line(&mut self, record: log::Record) {
        match self.output.take(&record.line) {
            Shown::Line => {
                let stream = match record.stream {
                    log::Stream::Out | log::Stream::SidecarOut(_) => logs::Stream::Out,
                    log::Stream::Err | log::Stream::SidecarErr(_) => logs::Stream::Err,
                };
                self.staging.forward(record.at_ns, stream, record.line);
            }
            Shown::Step(number) => {
                if let Some(step) = self.decision.steps.get(number) {
                    self.staging.say(format!("-----> {}", step.name));
                }
            }
            Shown::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_no_more_memory_than_there_is_for_a_build() {
        let check = |asked: Option<u32>, expected: u32| {
            let memory = granted(asked.map(Megabytes), Megabytes(1024));
            assert_eq!(memory, Megabytes(expected), "{asked:?}");
        };
        check(None, 1024);
        check(Some(512), 512);
        check(Some(u32::MAX), 1024);
    }
}

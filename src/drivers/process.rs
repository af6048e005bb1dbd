//! Processes in a sandbox: commands, and the Wasm host for components.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    Config, Order,
    config::{FILES, owner},
    credentials, image,
    launcher::Shell,
    record::{self, Record},
    runtime::{Backend, Running, Runtime},
};
use crate::{
    blobs::Blobs,
    images::Images,
    model::{DropletKind, DropletState, Megabytes, NetworkPolicy},
    sandbox::{
        self, Bind, Ids, Kind, Limits, Network, Sandbox, SandboxError, Spec, Status, Traffic,
        Turns, Usage, log,
    },
    stdx::removal::remove_tree,
};

/// The sandbox's folder in the instance's folder.
pub(super) const SANDBOX: &str = "sandbox";
/// The image of the sandbox's disk, in the sandbox's folder.
const DISK: &str = "disk.img";
/// Where components find the platform's own program.
const PROGRAM: &str = "/.pastina/pastina";

/// Runs commands.
#[derive(Debug)]
pub(super) struct Processes {
    config: Arc<Config>,
    blobs: Blobs,
    images: Images,
    shell: Shell,
}

impl Processes {
    pub(super) fn new(config: Arc<Config>, blobs: Blobs, images: Images) -> Self {
        let bash = Path::new("/bin/bash").exists();
        let shell = if bash { Shell::Bash } else { Shell::Posix };
        Self {
            config,
            blobs,
            images,
            shell,
        }
    }

    async fn begin(&self, order: &Order, dir: &Path) -> Result<Arc<dyn Running>, String> {
        let ids = self
            .config
            .identity
            .of(&order.app)
            .ok_or("the app has no range of user ids yet")?;
        let home = match order.droplet.kind {
            DropletKind::Image => None,
            _ => Some(tree(&self.blobs, order, owner(ids)).await?),
        };
        // Held until the sandbox has the layers; the record keeps them from then on.
        let (root, _lease) = image::root(&self.images, &order.droplet)?.unzip();
        let command = command(order, self.shell)?;
        let sidecars = sidecars(order, self.shell);
        let mut spec = spec(&self.config, order, (dir.join(SANDBOX), home), ids, command);
        spec.root = root;
        spec.sidecars = sidecars;
        spec.files = order.files.clone()?;
        let (folder, disks) = (spec.dir.clone(), self.config.disks.clone());
        let bytes = order.process.disk.bytes();
        let disk = spawn_blocking(move || {
            make_private(&folder)?;
            disks.create(&folder.join(DISK), bytes)
        });
        let disk = disk.await.map_err(io::Error::other).flatten();
        let disk = disk.map_err(|error| format!("cannot make the instance's folder: {error}"))?;
        spec.disk = Some(disk);
        if let Some(authority) = &self.config.authority {
            let guid = record::guid(order.instance, order.task.as_ref());
            let made = credentials::make(authority, guid, order.bearer, spec.dir.clone()).await;
            made.map_err(|error| {
                format!("cannot make the instance's certificate: {}", chain(&error))
            })?;
            spec.binds.extend(credentials::binds(authority, &spec.dir));
        }
        let sandbox = sandbox::spawn(&spec).await.map_err(|error| chain(&error))?;
        Ok(Arc::new(Process(sandbox)))
    }
}

/// The droplet's unpacked tree.
pub(super) async fn tree(
    blobs: &Blobs,
    order: &Order,
    owner: Option<u32>,
) -> Result<PathBuf, String> {
    let DropletState::Staged { sha256, .. } = &order.droplet.state else {
        return Err("the droplet's bits were removed; stage the app again".to_owned());
    };
    let tree = blobs
        .tree(order.app.id, order.droplet.id, sha256, owner)
        .await;
    tree.map_err(|error| format!("cannot unpack the droplet: {}", chain(&error)))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // What a predecessor left in it, which never got as far as a sandbox.
    remove_tree(dir)?;
    fs::DirBuilder::new().mode(0o700).create(dir)
}

/// What is run, and where.
fn command(order: &Order, shell: Shell) -> Result<(Vec<String>, String), String> {
    let process = &order.process;
    if let Some(launch) = &order.droplet.launch {
        return image::command(process, launch);
    }
    let command = process
        .command
        .as_ref()
        .or_else(|| order.droplet.process_types.get(&process.process_type))
        .filter(|command| !command.trim().is_empty())
        .ok_or_else(|| {
            format!(
                "process {:?} has no start command: give one in a Procfile, in the manifest, or \
                 with -c",
                process.process_type
            )
        })?;
    let argv = match order.droplet.kind {
        DropletKind::Cnb => launched(process.command.as_deref(), process.process_type.as_str()),
        _ => shell_of(order, shell).argv(command),
    };
    Ok((argv, "/home/vcap".to_owned()))
}

/// What commands are run with where the host's shell is `own`.
fn shell_of(order: &Order, own: Shell) -> Shell {
    match order.droplet.image {
        // What it was built with.
        Some(_) => Shell::Bash,
        None => own,
    }
}

/// What is run beside it.
fn sidecars(order: &Order, shell: Shell) -> Vec<Vec<String>> {
    let each = order.sidecars.iter();
    each.map(|sidecar| match order.droplet.launch {
        Some(_) => ["/bin/sh", "-c", &sidecar.command]
            .map(str::to_owned)
            .into(),
        None if order.droplet.kind == DropletKind::Cnb => launched(Some(&sidecar.command), ""),
        None => shell_of(order, shell).argv(&sidecar.command),
    })
    .collect()
}

/// What the lifecycle's launcher is told: a command of the user's, or by its own name which of the
/// app's processes it is (Platform Interface Specification, "launcher").
fn launched(command: Option<&str>, process_type: &str) -> Vec<String> {
    const LAUNCHER: &str = "/cnb/lifecycle/launcher";
    match command.filter(|command| !command.trim().is_empty()) {
        Some(command) => [LAUNCHER, "--", "bash", "-c", command]
            .map(str::to_owned)
            .into(),
        None => {
            let script = format!(
                "mkdir -p /tmp/process && ln -sfn {LAUNCHER} \"/tmp/process/$0\" && exec \"/tmp/process/$0\""
            );
            ["/bin/bash", "-c", &script, process_type]
                .map(str::to_owned)
                .into()
        }
    }
}

/// The sandbox of an instance that runs `argv` in `cwd`: `dir` is its folder, `home` the
/// droplet's tree.
fn spec(
    config: &Config,
    order: &Order,
    (dir, home): (PathBuf, Option<PathBuf>),
    ids: Ids,
    (argv, cwd): (Vec<String>, String),
) -> Spec {
    let process = &order.process;
    let mut binds = Vec::new();
    let mut kind = Kind::Process;
    if order.droplet.kind == DropletKind::Wasm {
        kind = Kind::Wasm;
        binds.push(Bind {
            source: config.program.clone(),
            target: PathBuf::from(PROGRAM),
            writable: false,
        });
    }
    Spec {
        kind,
        home,
        binds,
        env: order.env.clone(),
        cwd,
        ids,
        network: Network::Tunnel,
        egress: order.network.clone(),
        limits: Limits {
            memory: Some(process.memory.bytes()),
            cpu_weight: Some(cpu_weight(process.memory)),
            io_weight: Some(cpu_weight(process.memory)),
            io_ceiling: config.io_ceiling,
            pids: Some(config.pids),
            files: Some(FILES),
            ..Limits::default()
        },
        disk: None,
        volumes: Vec::new(),
        log_bytes: config.log_bytes,
        // Negative is Cloud Foundry's word for none.
        log_rate: u64::try_from(process.log_rate_limit).ok(),
        ..Spec::new(order.instance.to_string(), dir, argv)
    }
}

/// Processor time in proportion to memory: the kernel's default for a gigabyte.
fn cpu_weight(memory: Megabytes) -> u32 {
    (memory.0.saturating_mul(100) / 1024).clamp(1, 10_000)
}

impl Runtime for Processes {
    fn start<'a>(
        &'a self,
        order: &'a Order,
        dir: &'a Path,
    ) -> BoxFuture<'a, Result<Arc<dyn Running>, String>> {
        Box::pin(self.begin(order, dir))
    }

    fn adopt<'a>(
        &'a self,
        record: &'a Record,
        dir: &'a Path,
    ) -> BoxFuture<'a, Option<Arc<dyn Running>>> {
        Box::pin(async move {
            let dir = dir.join(SANDBOX);
            match sandbox::adopt(&dir).await {
                Ok(sandbox) => Some(Arc::new(Process(sandbox)) as Arc<dyn Running>),
                Err(SandboxError::NoSandbox { .. }) => None,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(instance = %record.instance, error, "cannot adopt");
                    None
                }
            }
        })
    }
}

#[derive(Debug)]
struct Process(Sandbox);

impl Running for Process {
    fn status(&self) -> watch::Receiver<Status> {
        self.0.status()
    }

    fn backend(&self) -> Backend {
        Backend::Sandbox {
            dir: self.0.dir().to_owned(),
        }
    }

    fn stop(&self, grace: Duration) {
        self.0.stop(grace);
    }

    fn set_network<'a>(
        &'a self,
        policy: &'a NetworkPolicy,
    ) -> BoxFuture<'a, Result<(), SandboxError>> {
        Box::pin(self.0.set_network(policy))
    }

    fn usage(&self) -> Option<Usage> {
        self.0.usage().ok()
    }

    fn cpu(&self) -> Option<Duration> {
        self.0.cpu().ok()
    }

    fn take_turns(&self, turns: Turns) -> io::Result<()> {
        self.0.take_turns(turns)
    }

    fn written(&self) -> Option<u64> {
        self.0.written()
    }

    fn traffic(&self) -> Traffic {
        self.0.traffic()
    }

    fn log(&self, position: u64) -> io::Result<Option<(log::Reader, watch::Receiver<u64>)>> {
        Ok(Some((self.0.log(position)?, self.0.logged())))
    }

    fn remove(&self) -> BoxFuture<'static, Result<(), SandboxError>> {
        Box::pin(self.0.clone().remove())
    }
}

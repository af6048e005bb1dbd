//! Puts the parts together and keeps them running.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::{
    banner,
    config::{Args, Config, Listen, Threads},
    control,
    ending::{Signals, Wish},
    endpoint::endpoint,
    hosts,
    reload::Reload,
    report::Report,
    ssh,
    watch::Watch,
};
use crate::{
    actions::{self, Actions, Bootstrap},
    api::{self, Api},
    blobs::Blobs,
    brokers::{self, Brokers},
    build::{self, Builder},
    certs::{self, Certs, InstanceAuthority, KeyFiles},
    cli::Endpoint,
    drains::{self, Drains},
    drivers::{self, Drivers},
    gateway::{self, Gateway, access_log},
    git::{self, Git},
    identity::{self, Identity},
    images::Images,
    logs::{self, Logs},
    model::{OrgName, SpaceName},
    net::{Lookup, Verify},
    reconcile::{self, Reconciler},
    routing::RouteTable,
    runtimes::Catalog,
    sandbox::{self, Disks},
    stdx::clock::Clock,
    store::{self, Store},
};

/// The stack that apps are told they run on: Cloud Foundry's newest that clients know.
const STACK: &str = "cflinuxfs4";

/// Bytes of an instance's own log files, which only have to last while no daemon runs.
const INSTANCE_LOG: u64 = 4 << 20;

/// How long an instance that shall stop is left alone for requests that it is answering.
const DRAIN: Duration = Duration::from_millis(500);

/// Access lines that may wait for the log: some 20 ms of a busy gateway.
const ACCESS_LINES: usize = 4096;

/// Wishes to restart single instances that may wait.
const RESTARTS: usize = 64;

/// Runs until a signal says otherwise.
pub(super) async fn run(config: Config, args: &Args) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let mut signals = Signals::new().context("cannot take over the signals")?;
    sandbox::raise_open_files();
    make_folders(&config)?;

    if let Err(reason) = sandbox::cgroup::prepare() {
        tracing::debug!(reason, "no control groups of our own");
    }
    let mut capabilities = sandbox::probe();
    let disks = Disks::open(&config.state_dir, config.app_disk.bytes());
    let owners = sandbox::shows_owners(&config.state_dir);
    capabilities.findings.extend([disks.finding(), owners]);
    let ceilings = [config.app_ceiling(false), config.build_ceiling()];
    let has_ceilings = ceilings != [sandbox::Ceiling::default(); 2];
    // What is not configured is not missed.
    let missed = |lack: &&sandbox::Finding| has_ceilings || lack.what != sandbox::cgroup::CEILINGS;
    for lack in capabilities.lacks().filter(missed) {
        tracing::warn!(remedy = lack.remedy, "{}: {}", lack.what, lack.reason);
    }

    let (store, _) = Store::open(&store::Config::new(config.state_dir.join("store")))?;
    let blobs = Blobs::open(&config.state_dir.join("blobs"), config.blobs())?;
    let logs = Logs::open(
        &config.state_dir.join("logs"),
        logs::Limits {
            app: config.log_bytes.bytes(),
            ..logs::Limits::default()
        },
    )?;
    let catalog = Arc::new(Catalog::load(Some(&config.runtimes_dir))?);
    let (catalogs, runtimes) = watch::channel(catalog);

    let identity = Identity::open(
        &identity::Config {
            dir: config.state_dir.join("identity"),
            lifetimes: identity::Lifetimes {
                access: config.access_token,
                session: config.refresh_token,
            },
            providers: config.providers.open()?,
        },
        store.clone(),
    )?;
    let brokers = Brokers::try_new(brokers::Config::default())?;
    let actions = Actions {
        brokers: brokers.clone(),
        store: store.clone(),
        blobs: blobs.clone(),
        logs: logs.clone(),
        config: Arc::new(actions::Config {
            domain: config.domain.clone(),
            memory: config.app_memory,
            disk: config.app_disk,
            upload: config.upload.bytes(),
            first_uid: config.app_first_uid.get(),
            images: config.images,
            builder: config.cnb_builder.is_some(),
            tcp_ports: config.tcp_ports.0,
        }),
        runtimes: runtimes.clone(),
    };
    let first = actions.bootstrap(&identity, bootstrap(&config)).await?;

    let platform = hosts::platform(
        &config.domain,
        config.external_url.as_ref().map(|url| url.as_str()),
    );
    let certs = Certs::open(certs::Config {
        dir: config.state_dir.join("certs"),
        files: key_files(&config),
        own: hosts::own(&config.domain),
        addresses: Vec::new(),
    })?;

    let authority =
        InstanceAuthority::open(&config.state_dir.join("certs"), config.app_certificate)?;
    let authority = Arc::new(authority);

    let table = Arc::new(ArcSwap::from_pointee(RouteTable::default()));
    let images = Images::open(config.images(std::env::vars()), capabilities.ranges)?;
    let mut building = build_config(&config, disks.clone());
    building.authority = Some(Arc::clone(&authority));
    let mut driving = drivers_config(
        &config,
        capabilities.ranges,
        building.program.clone(),
        disks,
    );
    driving.authority = Some(authority);
    let builder = Builder::new(
        building,
        (blobs.clone(), images.clone()),
        logs.clone(),
        runtimes,
    );
    let (bandwidths, bandwidth) = watch::channel(config.bytes_per_second());
    let clock = Clock::system();
    let drivers = Drivers::new(
        driving,
        (blobs.clone(), images),
        logs.clone(),
        clock.clone(),
    );
    let (tabled, tables) = watch::channel(());
    let (readers, identities) = (builder.clone(), drivers.config().identity);
    let fetching = bandwidth.clone();
    let (reconciler, mut observed) = Reconciler::start(reconcile::Deps {
        store: store.clone(),
        drivers: drivers.clone(),
        builder,
        brokers,
        blobs,
        logs: logs.clone(),
        table: Arc::clone(&table),
        tabled,
        clock: clock.clone(),
        config: reconcile_config(&config),
        bandwidth,
    });
    // What a predecessor left running is adopted and routed before the first request comes.
    let _ = observed.changed().await;
    let (restarts, wishes) = mpsc::channel(RESTARTS);
    tokio::spawn(control::restart_instances(wishes, reconciler.clone()));

    let drains = Drains::start(drains::Deps {
        store: store.clone(),
        logs: logs.clone(),
        lookup: Lookup::default(),
    });
    let (access, lines) = access_log(ACCESS_LINES);
    tokio::spawn(control::keep_access_lines(lines, logs.clone()));
    let git = Git::new(git::Deps {
        actions: actions.clone(),
        builder: readers,
        identity: identities,
        observed: observed.clone(),
        bandwidth: fetching,
    });
    let door = ssh::open(
        &config,
        crate::ssh::Deps {
            actions: actions.clone(),
            identity: identity.clone(),
            drivers,
            git: git.clone(),
            clock: clock.clone(),
        },
    )
    .await;
    let api = api::Service::new(Api {
        actions,
        identity,
        observed,
        restarts,
        streams: api::Streams::default(),
        ssh: door.as_ref().map(|door| ssh::offered(&config, door)),
        git: Some(git.clone()),
    });
    let gateway = Gateway::start(
        gateway_config(&config, platform, tables)?,
        table,
        &certs,
        control::service(api, config.behind_proxy),
        access,
    )?;

    let mut endpoint = endpoint(&config, &gateway, &certs);
    endpoint.ssh_listen = door.as_ref().map(|door| door.address().to_string());
    endpoint
        .write(&config.run_dir)
        .with_context(|| format!("cannot write {}", Endpoint::path(&config.run_dir).display()))?;
    Report::own(&capabilities.findings)
        .write(&config.run_dir)
        .with_context(|| format!("cannot write to {}", config.run_dir.display()))?;
    banner::announce(&config, &endpoint, first, begin.elapsed());

    let reload = Reload {
        config: config.clone(),
        args: args.clone(),
        certs,
        runtimes: catalogs,
        bandwidth: bandwidths,
    };
    let wish = stay(&mut signals, reload).await;

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let _ = fs::remove_file(Endpoint::path(&config.run_dir));
    Report::remove(&config.run_dir);
    drains.stop().await;
    if let Some(door) = door {
        door.close().await;
    }
    // What is pushed may take as long as a build, and is begun anew by pushing again.
    git.stop().await;
    gateway.drain(config.gateway_drain).await;
    if wish == Wish::EndAll {
        tracing::info!("ending the apps as well");
        reconciler
            .stop_with_instances(&clock, config.app_grace)
            .await;
    } else {
        reconciler.stop().await;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for a signal that ends the daemon; sees to reloads and the watchdog meanwhile.
async fn stay(signals: &mut Signals, mut reload: Reload) -> Wish {
    let mut watch = Watch::new(&reload.paths());
    // Half the limit, as sd_watchdog_enabled(3) advises.
    let beat = sd_notify::watchdog_enabled().map_or(Duration::from_secs(3600), |limit| limit / 2);
    let mut beats = tokio::time::interval(beat);
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        // All of these can be dropped half-way: nothing is taken before it is ready.
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Reload => reload.run(),
                wish => return wish,
            },
            () = watch.changed() => reload.run(),
            _ = beats.tick() => {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
        }
    }
}

/// What of the state folder is nobody else's to see: source code, logs, environments. A sandbox
/// is handed what it may see of it, and walks no path to it.
const PRIVATE: [&str; 5] = ["blobs", "builds", "images", "instances", "logs"];

/// Makes the folders. As root others may pass through the state folder, to the certificate of
/// the platform's authority; what is secret is closed one level down.
fn make_folders(config: &Config) -> anyhow::Result<()> {
    let mode = if config.system { 0o711 } else { 0o700 };
    let private = PRIVATE.map(|name| (config.state_dir.join(name), 0o700));
    let open = [
        (config.state_dir.clone(), mode),
        (config.run_dir.clone(), 0o755),
    ];
    for (dir, mode) in open.into_iter().chain(private) {
        fs::create_dir_all(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    }
    Ok(())
}

/// A first push needs somewhere to go: organization and space are there from the start.
fn bootstrap(config: &Config) -> Bootstrap {
    let home = OrgName::parse("dev").ok().zip(SpaceName::parse("dev").ok());
    Bootstrap {
        admin: config.admin_username.clone(),
        password: None,
        password_file: config.admin_password_file.clone(),
        home,
    }
}

/// What builds get of the daemon's own environment, and what the configuration adds.
fn build_config(config: &Config, disks: Disks) -> build::Config {
    let mut env = build::passed_on(std::env::vars());
    env.extend(config.build_environment(std::env::vars()));
    build::Config {
        memory: config.build_memory,
        disk: config.build_disk,
        io_ceiling: config.build_ceiling(),
        timeout: config.build_timeout,
        builder: config.cnb_builder.clone(),
        env,
        ..build::Config::new(config.state_dir.join("builds"), disks, [])
    }
}

fn drivers_config(
    config: &Config,
    ranges: bool,
    program: PathBuf,
    disks: Disks,
) -> drivers::Config {
    drivers::Config {
        dir: instances(config),
        identity: if ranges {
            drivers::Identity::Ranges
        } else {
            drivers::Identity::Own
        },
        program,
        platform: drivers::Platform {
            api_url: config.external_url.as_ref().map_or_else(
                || format!("https://api.{}", config.domain),
                |url| url.as_str().to_owned(),
            ),
            address: "127.0.0.1".to_owned(),
            cell: host_name(),
            stack: STACK.to_owned(),
        },
        authority: None,
        io_ceiling: config.app_ceiling(disks.are_own()),
        disks,
        pids: config.app_pids.get(),
        cores_per_gigabyte: cores_per_gigabyte(config),
        log_bytes: INSTANCE_LOG,
        drain: DRAIN,
    }
}

/// Of the machine's processors what falls to a gibibyte of its memory.
fn cores_per_gigabyte(config: &Config) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
    cores / (f64::from(config.memory_of_apps().0) / 1024.0).max(1.0)
}

fn reconcile_config(config: &Config) -> reconcile::Config {
    let memory = config.memory_of_apps();
    reconcile::Config {
        starting: config.app_starting.get(),
        grace: config.app_grace,
        builds: config.build_parallel.get(),
        build_memory: config.build_memory,
        ..reconcile::Config::for_machine(
            std::thread::available_parallelism().map_or(1, usize::from),
            memory,
        )
    }
}

fn instances(config: &Config) -> PathBuf {
    config.state_dir.join("instances")
}

/// The name of this machine (proc_sys_kernel(5), hostname).
fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

fn key_files(config: &Config) -> Vec<KeyFiles> {
    let pair = config.tls_cert.clone().zip(config.tls_key.clone());
    pair.into_iter()
        .map(|(cert, key)| KeyFiles { cert, key })
        .collect()
}

fn gateway_config(
    config: &Config,
    platform: gateway::PlatformHosts,
    tables: watch::Receiver<()>,
) -> anyhow::Result<gateway::Config> {
    let listen = |at: Listen, key: &'static str| {
        at.address()
            .map(|addr| gateway::Listen {
                addr,
                setting: key.into(),
            })
            .into_iter()
            .collect()
    };
    let limits = gateway::Limits {
        connections: config.gateway_connections.get(),
        connect: config.gateway_connect,
        response: config.gateway_request,
        header_time: config.gateway_header,
        idle: config.gateway_idle,
        ..gateway::Limits::default()
    };
    let seal = gateway::Seal::open(&config.state_dir.join("gateway/route-services.key"))?;
    Ok(gateway::Config {
        http: listen(config.http, "--http (listen.http)"),
        https: listen(config.https, "--https (listen.https)"),
        threads: match config.gateway_threads {
            Threads::Auto => 0,
            Threads::Exactly(count) => count.get(),
        },
        keep_forwarded_proto: config.behind_proxy,
        tcp: config.tcp_ports.0.map(|_| gateway::Tcp {
            addresses: tcp_addresses(config),
            setting: "listen.tcp_ports".into(),
            changed: tables,
        }),
        route_services: Some(gateway::RouteServices::try_new(
            seal,
            &limits,
            &Verify::System,
        )?),
        limits,
        ..gateway::Config::new(tokio::runtime::Handle::current(), platform)
    })
}

/// Where TCP routes are: where HTTP is, and each address once, which "any" stands for as well.
fn tcp_addresses(config: &Config) -> Vec<IpAddr> {
    let each = [config.http, config.https].into_iter();
    let mut addresses: Vec<IpAddr> = each
        .filter_map(|listen| Some(listen.address()?.ip()))
        .collect();
    // Any IPv6 address is any IPv4 address too.
    let any = [IpAddr::from([0; 16]), IpAddr::from([0; 4])];
    if let Some(any) = any.into_iter().find(|any| addresses.contains(any)) {
        return vec![any];
    }
    addresses.dedup();
    addresses
}

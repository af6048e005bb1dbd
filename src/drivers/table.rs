//! All instances of this machine.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    Cause, Config, Happening, Order, Phase, Slot, Version,
    process::Processes,
    record::Record,
    runtime::{Backend, Running, Runtime},
    static_files::StaticFiles,
    supervise::{Begin, Supervisor},
    usage::Sample,
    voice::Voice,
};
use crate::{
    blobs::Blobs,
    drivers::End,
    logs::Logs,
    model::{AppId, DropletKind, Exit, InstanceId, ProcessType, Usage},
    sandbox::Status,
    stdx::{
        clock::{Clock, Moment},
        tasks::Tasks,
    },
};

/// From SIGTERM to SIGKILL, where nobody says otherwise (Cloud Foundry's default).
pub const GRACE: Duration = Duration::from_secs(10);
/// How long an instance with which something is wrong is left alone, so that it is out of the
/// routes before it is gone.
const UNROUTE: Duration = Duration::from_millis(100);
/// Instances that are adopted side by side.
const ADOPT_AT_ONCE: usize = 64;

/// Tells whether an instance still answers requests.
pub type Busy = Arc<dyn Fn() -> bool + Send + Sync>;

/// A wish that an instance should end.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) grace: Duration,
    pub(super) drain: Duration,
    pub(super) busy: Busy,
}

impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.busy, &other.busy) && self.grace == other.grace
    }
}

/// What is wanted of an instance; its task hears of every change.
#[derive(Clone, Default)]
pub(super) struct Wish {
    pub(super) stop: Option<Stop>,
    pub(super) forget: bool,
    /// Counts what else its task should look at.
    looks: u64,
}

/// One instance as it is now.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Which start of the slot it is.
    pub instance: InstanceId,
    /// Where it stands in.
    pub slot: Slot,
    /// The app.
    pub app: AppId,
    /// The process's type.
    pub process_type: ProcessType,
    /// What it was started from.
    pub version: Version,
    /// Crashes in a row before it.
    pub crashes: u32,
    /// What it takes from the machine's budget, in mebibytes.
    pub memory_mb: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Whether its crash is in the audit events.
    pub reported: bool,
    /// Where its requests go, once that is known.
    pub backend: Option<Backend>,
    /// What it uses.
    pub usage: Usage,
}

struct Entry {
    record: Record,
    running: Option<Arc<dyn Running>>,
    /// Why the last look at it failed, while it starts.
    failure: Option<String>,
    sample: Sample,
    wish: watch::Sender<Wish>,
}

/// The handle on all instances; clones share it.
#[derive(Clone)]
pub struct Drivers {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<Config>,
    clock: Clock,
    logs: Logs,
    processes: Box<dyn Runtime>,
    static_files: Box<dyn Runtime>,
    tasks: Tasks,
    table: Mutex<BTreeMap<InstanceId, Entry>>,
    changes: watch::Sender<u64>,
}

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drivers")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Drivers {
    /// Drivers that have not adopted anything yet (see [`Drivers::adopt`]).
    #[must_use]
    pub fn new(config: Config, blobs: Blobs, logs: Logs, clock: Clock) -> Self {
        let config = Arc::new(config);
        let processes = Processes::new(Arc::clone(&config), blobs.clone());
        let static_files = StaticFiles::new(blobs);
        Self::with_runtimes(
            config,
            logs,
            clock,
            Box::new(processes),
            Box::new(static_files),
        )
    }

    pub(super) fn with_runtimes(
        config: Arc<Config>,
        logs: Logs,
        clock: Clock,
        processes: Box<dyn Runtime>,
        static_files: Box<dyn Runtime>,
    ) -> Self {
        let (tasks, table) = (Tasks::new(), Mutex::default());
        let (changes, _) = watch::channel(0);
        let inner = Inner {
            config,
            clock,
            logs,
            processes,
            static_files,
            tasks,
            table,
            changes,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Entry>> {
        self.inner
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What drivers were told once.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.inner.logs
    }

    pub(super) fn voice(&self, record: &Record) -> Voice {
        let Inner {
            logs,
            clock,
            config,
            ..
        } = &*self.inner;
        Voice::new(logs.clone(), clock.clone(), &config.platform.cell, record)
    }

    fn dir(&self, instance: InstanceId) -> PathBuf {
        self.inner.config.dir.join(instance.to_string())
    }

    fn runtime(&self, kind: DropletKind) -> &dyn Runtime {
        match kind {
            DropletKind::Process | DropletKind::Wasm => &*self.inner.processes,
            DropletKind::Static => &*self.inner.static_files,
        }
    }

    /// Wakes whenever [`Drivers::observe`] would tell something else.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// Every instance as it is at `now`, by its identity.
    #[must_use]
    pub fn observe(&self, now: Moment) -> Vec<Instance> {
        let mut table = self.table();
        let each = table.values_mut().map(|entry| {
            if let Some(phase) = entry.record.phase.after(Happening::Tick, now) {
                entry.record.phase = phase;
            }
            entry.instance()
        });
        each.collect()
    }

    /// Takes over what daemons before this one started. Returns once it is known which of it
    /// still runs.
    ///
    /// # Errors
    /// Where the folder of the instances cannot be made or listed.
    pub async fn adopt(&self) -> io::Result<()> {
        let dir = self.inner.config.dir.clone();
        let found = spawn_blocking(move || records(&dir))
            .await
            .map_err(io::Error::other)??;
        stream::iter(found)
            .for_each_concurrent(ADOPT_AT_ONCE, |record| self.adopt_one(record))
            .await;
        self.changed();
        let sampler = self.clone();
        self.inner
            .tasks
            .spawn("usage", async move { sampler.sample_usage().await });
        Ok(())
    }

    async fn adopt_one(&self, mut record: Record) {
        let now = self.inner.clock.now();
        let dir = self.dir(record.instance);
        let running = self.runtime(record.kind).adopt(&record, &dir).await;
        let boot = self.inner.clock.boot();
        if record.boot != boot && !record.boot.is_empty() && !boot.is_empty() {
            // Nothing outlives a reboot, and nobody is to blame for it.
            record.phase = Phase::Ended {
                at: now,
                end: End::Stopped,
            };
        }
        boot.clone_into(&mut record.boot);
        record.phase = record.phase.adopted(now);
        let exit = running
            .as_ref()
            .map(|running| match &*running.status().borrow() {
                Status::Ended(exit) => Some(exit.clone()),
                Status::Preparing | Status::Running { .. } => None,
            });
        let happening = match exit {
            None => Some(Happening::Interrupted),
            Some(exit) => exit.map(Happening::Exited),
        };
        if let Some(phase) = happening.and_then(|happening| record.phase.after(happening, now)) {
            record.phase = phase;
        }
        let stop = matches!(record.phase, Phase::Stopping { .. }).then(|| Stop {
            grace: GRACE,
            drain: Duration::ZERO,
            busy: Arc::new(|| false),
        });
        let begin = running.map_or(Begin::Ended, Begin::Adopted);
        self.insert(
            record,
            begin,
            Wish {
                stop,
                ..Wish::default()
            },
        );
    }

    /// Starts an instance; what becomes of it is observed.
    pub async fn start(&self, order: Order) {
        let now = self.inner.clock.now();
        let mut record = Record::new(
            self.inner.clock.boot(),
            order.slot,
            (order.instance, order.version, order.crashes),
            &order.process,
            order.droplet.kind,
            Phase::Starting { since: now },
        );
        // The record is there before anything that it tells of, or a daemon that dies here
        // would leave something that the next one cannot know.
        let dir = self.dir(order.instance);
        let copy = record.clone();
        let made = spawn_blocking(move || {
            fs::create_dir_all(&dir)?;
            copy.write(&dir)
        });
        let begin = match made.await.map_err(io::Error::other).flatten() {
            Ok(()) => Begin::Start(Box::new(order)),
            Err(error) => {
                let reason = format!("cannot write the instance's record: {error}");
                let failed = Happening::Exited(Exit::NotStarted { reason });
                if let Some(phase) = record.phase.after(failed, now) {
                    record.phase = phase;
                }
                Begin::Ended
            }
        };
        self.insert(record, begin, Wish::default());
        self.changed();
    }

    fn insert(&self, record: Record, begin: Begin, wish: Wish) {
        let (wish, wishes) = watch::channel(wish);
        let running = match &begin {
            Begin::Adopted(running) => Some(Arc::clone(running)),
            Begin::Start(_) | Begin::Ended => None,
        };
        let supervisor = Supervisor::new(self.clone(), record.clone(), wishes);
        let sample = Sample::default();
        let entry = Entry {
            running,
            failure: None,
            sample,
            wish,
            record,
        };
        self.table().insert(entry.record.instance, entry);
        self.inner.tasks.spawn("instance", supervisor.run(begin));
    }

    /// Asks an instance to stop: takes it out of what is routable at once, waits while it is
    /// `busy`, but not for long, and then gives it `grace` between SIGTERM and SIGKILL. With a
    /// `cause`, because something is wrong with it.
    pub fn stop(&self, instance: InstanceId, grace: Duration, cause: Option<Cause>, busy: Busy) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&instance) else {
            return;
        };
        let voice = self.voice(&entry.record);
        let drain = if cause.is_some() {
            UNROUTE
        } else {
            self.inner.config.drain
        };
        if let Some(cause) = &cause
            && matches!(entry.record.phase, Phase::Starting { .. })
        {
            if let Some(failure) = &entry.failure {
                voice.health(failure);
            }
            voice.health(cause);
        }
        let wanted = Happening::StopWanted(cause);
        if let Some(phase) = entry.record.phase.after(wanted, self.inner.clock.now()) {
            entry.record.phase = phase;
            voice.cell("stopping");
        }
        let stop = Stop { grace, drain, busy };
        entry.wish.send_modify(|wish| wish.stop = Some(stop));
        drop(table);
        self.changed();
    }

    /// Marks that the instance's crash is in the audit events.
    pub fn mark_reported(&self, instance: InstanceId) {
        if let Some(entry) = self.table().get_mut(&instance) {
            entry.record.reported = true;
            entry.wish.send_modify(|wish| wish.looks += 1);
        }
        self.changed();
    }

    /// Removes what is left of an ended instance.
    pub fn forget(&self, instance: InstanceId) {
        if let Some(entry) = self.table().remove(&instance) {
            // The last wish; the task goes on until it is fulfilled.
            entry.wish.send_modify(|wish| wish.forget = true);
        }
        self.changed();
    }

    /// Ends all tasks; what runs goes on running.
    pub async fn shut_down(&self) {
        self.inner.tasks.stop().await;
    }
}

/// What an instance's task calls.
impl Drivers {
    pub(super) fn happens(&self, instance: InstanceId, happening: Happening) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&instance) else {
            return;
        };
        let now = self.inner.clock.now();
        let Some(phase) = entry.record.phase.after(happening, now) else {
            return;
        };
        if let Phase::Ended {
            end: End::Crashed { exit, .. },
            ..
        } = &phase
        {
            self.voice(&entry.record).exit(&exit.describe());
        }
        entry.record.phase = phase;
        entry.wish.send_modify(|wish| wish.looks += 1);
        drop(table);
        self.changed();
    }

    pub(super) fn is_healthy(&self, instance: InstanceId) -> bool {
        let table = self.table();
        let phase = table.get(&instance).map(|entry| &entry.record.phase);
        phase.is_some_and(|phase| !matches!(phase, Phase::Starting { .. }))
    }

    pub(super) fn note_failure(&self, instance: InstanceId, why: String) {
        if let Some(entry) = self.table().get_mut(&instance) {
            entry.failure = Some(why);
        }
    }

    pub(super) fn wrote(&self, instance: InstanceId, bytes: u64) {
        if let Some(entry) = self.table().get_mut(&instance) {
            entry.sample.wrote(bytes);
        }
    }

    pub(super) async fn begin(&self, order: &Order) -> Result<Arc<dyn Running>, String> {
        let dir = self.dir(order.instance);
        self.runtime(order.droplet.kind).start(order, &dir).await
    }

    pub(super) fn began(&self, instance: InstanceId, running: &Arc<dyn Running>) {
        if let Some(entry) = self.table().get_mut(&instance) {
            if let Backend::Static { root } = running.backend() {
                entry.record.static_root = Some(root);
            }
            entry.running = Some(Arc::clone(running));
        }
        self.changed();
    }

    pub(super) fn record(&self, instance: InstanceId) -> Option<Record> {
        self.table()
            .get(&instance)
            .map(|entry| entry.record.clone())
    }

    pub(super) async fn write(&self, record: Record) {
        let dir = self.dir(record.instance);
        let instance = record.instance;
        let written = spawn_blocking(move || record.write(&dir))
            .await
            .map_err(io::Error::other);
        if let Err(error) = written.flatten() {
            tracing::error!(%instance, %error, "cannot write an instance's record");
        }
    }

    /// Removes the instance's folder.
    pub(super) async fn remove(&self, record: &Record) {
        let dir = self.dir(record.instance);
        let (app, instance) = (record.app, record.instance);
        let logs = self.inner.logs.clone();
        let removed = spawn_blocking(move || {
            logs.release(app, instance);
            fs::remove_dir_all(&dir)
        });
        match removed.await.map_err(io::Error::other).flatten() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%instance, %error, "cannot remove an instance's folder");
            }
            _ => {}
        }
    }

    /// Samples what every instance uses, again and again.
    async fn sample_usage(&self) {
        loop {
            tokio::time::sleep(super::usage::EVERY).await;
            let running: Vec<_> = {
                let table = self.table();
                let each = table.iter();
                each.filter_map(|(id, entry)| Some((*id, entry.running.clone()?)))
                    .collect()
            };
            if running.is_empty() {
                continue;
            }
            let asked = spawn_blocking(move || {
                let each = running.into_iter();
                each.map(|(id, running)| (id, running.usage()))
                    .collect::<Vec<_>>()
            });
            let now = self.inner.clock.now();
            for (id, usage) in asked.await.unwrap_or_default() {
                if let Some(entry) = self.table().get_mut(&id) {
                    entry.sample.take(usage, now);
                }
            }
            self.changed();
        }
    }
}

impl Entry {
    fn instance(&self) -> Instance {
        let record = &self.record;
        Instance {
            instance: record.instance,
            slot: record.slot,
            app: record.app,
            process_type: record.process_type.clone(),
            version: record.version,
            crashes: record.crashes,
            memory_mb: record.memory_mb,
            phase: record.phase.clone(),
            reported: record.reported,
            backend: self.running.as_ref().map(|running| running.backend()),
            usage: self.sample.usage(),
        }
    }
}

/// The records in `dir`, which is made where there is none. Folders without one are of a start
/// that never came so far.
fn records(dir: &std::path::Path) -> io::Result<Vec<Record>> {
    fs::create_dir_all(dir)?;
    let mut records = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match Record::read(&path) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => drop(fs::remove_dir_all(&path)),
            Err(error) => {
                let dir = path.display();
                tracing::error!(%dir, %error, "cannot read an instance's record; leaving it alone");
            }
        }
    }
    Ok(records)
}

//! All instances of this machine.

mod adopt;
mod credentials;
mod reports;
mod turns;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
    images::Images,
    logs::Logs,
    model::{
        AppId, DropletKind, Exit, InstanceId, LayerId, NetworkPolicy, ProcessType, TaskId, Usage,
    },
    sandbox::SandboxError,
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

/// Tells whether an instance still answers requests.
pub type Busy = Arc<dyn Fn() -> bool + Send + Sync>;

/// A wish that an instance should end.
#[derive(Clone)]
pub(in crate::drivers) struct Stop {
    pub(in crate::drivers) grace: Duration,
    pub(in crate::drivers) drain: Duration,
    pub(in crate::drivers) busy: Busy,
}

impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.busy, &other.busy) && self.grace == other.grace
    }
}

/// What is wanted of an instance; its task hears of every change.
#[derive(Clone, Default)]
pub(in crate::drivers) struct Wish {
    pub(in crate::drivers) stop: Option<Stop>,
    pub(in crate::drivers) forget: bool,
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
    /// The port that it listens on.
    pub port: u16,
    /// The layers of images that it runs in.
    pub layers: Vec<LayerId>,
    /// What it uses.
    pub usage: Usage,
    /// The task that it is, in place of an instance of a process.
    pub task: Option<TaskId>,
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
    /// Of those that were forgotten and whose task may not have removed them yet.
    leaving: Mutex<Vec<watch::Sender<Wish>>>,
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
    pub fn new(config: Config, (blobs, images): (Blobs, Images), logs: Logs, clock: Clock) -> Self {
        let config = Arc::new(config);
        let processes = Processes::new(Arc::clone(&config), blobs.clone(), images);
        let static_files = StaticFiles::new(blobs);
        Self::with_runtimes(
            config,
            logs,
            clock,
            Box::new(processes),
            Box::new(static_files),
        )
    }

    pub(in crate::drivers) fn with_runtimes(
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
            leaving: Mutex::default(),
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

    pub(in crate::drivers) fn logs(&self) -> &Logs {
        &self.inner.logs
    }

    pub(in crate::drivers) fn voice(&self, record: &Record) -> Voice {
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
            DropletKind::Process | DropletKind::Wasm | DropletKind::Image | DropletKind::Cnb => {
                &*self.inner.processes
            }
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

    /// Starts an instance; what becomes of it is observed.
    pub async fn start(&self, order: Order) {
        let now = self.inner.clock.now();
        let starting = Phase::Starting { since: now };
        let mut record = Record::new(self.inner.clock.boot(), &order, starting);
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
    /// `busy`, but not for longer than `drain` (none for as short as it can be), and then gives
    /// it `grace` between SIGTERM and SIGKILL. With a `cause`, because something is wrong with it.
    pub fn stop(
        &self,
        instance: InstanceId,
        grace: Duration,
        cause: Option<Cause>,
        (busy, drain): (Busy, Option<Duration>),
    ) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&instance) else {
            return;
        };
        let voice = self.voice(&entry.record);
        let drain = if cause.is_some() {
            UNROUTE
        } else {
            drain.unwrap_or(self.inner.config.drain)
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

    /// Says what an instance may reach from now on; one that has not been started so far, or is
    /// gone, is told nothing.
    ///
    /// # Errors
    /// Where it could not be told.
    pub async fn set_network(
        &self,
        instance: InstanceId,
        policy: &NetworkPolicy,
    ) -> Result<(), SandboxError> {
        let running = {
            let table = self.table();
            table.get(&instance).and_then(|entry| entry.running.clone())
        };
        match running {
            Some(running) => running.set_network(policy).await,
            None => Ok(()),
        }
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
            let mut leaving = self.leaving();
            leaving.retain(|wish| !wish.is_closed());
            leaving.push(entry.wish);
        }
        self.changed();
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<watch::Sender<Wish>>> {
        let leaving = self.inner.leaving.lock();
        leaving.unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what is left of all instances, which have ended; returns when nothing is, of
    /// those that were forgotten before either.
    pub async fn forget_all(&self) {
        let instances: Vec<_> = self.table().keys().copied().collect();
        for instance in instances {
            self.forget(instance);
        }
        let leaving = std::mem::take(&mut *self.leaving());
        for wish in leaving {
            // An instance's task listens until it has read its log to the end and removed it.
            wish.closed().await;
        }
    }

    /// Ends all tasks; what runs goes on running.
    pub async fn shut_down(&self) {
        self.inner.tasks.stop().await;
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
            port: record.port,
            layers: record.layers.clone(),
            usage: self.sample.usage(),
            task: record.task.as_ref().map(|task| task.id),
        }
    }
}

//! The handle on all logs, and the thread that writes them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    Entry, Interest, Kinds, Limits, Line, Listener, Measured, Query, codec::Origin, live::Live,
    measure::Measures, shelf::Shelf,
};
use crate::model::{AppId, InstanceId};

/// Single lines that may wait for the writer; a burst of access lines fits, some 2 MB.
const QUEUE: usize = 4096;
/// Batches of instances' lines that may wait.
const BATCHES: usize = 32;
/// Messages that are written together.
const ROUND: usize = 256;

/// Why the logs could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The folder cannot be made.
    #[error("cannot make the folder {} for logs", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The writing thread cannot be started.
    #[error("cannot start the thread that writes logs")]
    Thread(#[source] io::Error),
}

enum Message {
    Line(Line),
    Batch(Vec<(Line, Option<Origin>)>, OwnedSemaphorePermit),
}

/// The handle on all logs; clones share it. The default keeps lines in memory alone.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
    /// None for logs in memory, which are written where they stand.
    queue: Option<mpsc::Sender<Message>>,
}

#[derive(Debug)]
struct Shared {
    shelf: Mutex<Shelf>,
    batches: Arc<Semaphore>,
    lost: AtomicU64,
    measures: Mutex<Measures>,
    live: Arc<Live>,
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measures(&self) -> MutexGuard<'_, Measures> {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps lines, and hands them to whoever listens.
    fn keep(&self, lines: Vec<(Line, Option<Origin>)>) {
        let heard: Vec<Entry> = lines
            .iter()
            .filter(|(line, _)| self.live.is_heard(line.app))
            .map(|(line, _)| Entry::Line(Arc::new(line.clone())))
            .collect();
        self.shelf().add(lines);
        for entry in &heard {
            self.live.tell(entry);
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            shared: Self::share(None, Limits::default()),
            queue: None,
        }
    }
}

impl Logs {
    /// The logs in the folder `dir`, which is made where there is none. Starts the writing
    /// thread; it ends with the last handle, after it wrote everything.
    ///
    /// # Errors
    /// Where the folder or the thread cannot be made.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, LogsError> {
        fs::create_dir_all(dir).map_err(|source| LogsError::Folder {
            path: dir.to_owned(),
            source,
        })?;
        let shared = Self::share(Some(dir.to_owned()), limits);
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || write(&writer, messages))
            .map_err(LogsError::Thread)?;
        Ok(Self {
            shared,
            queue: Some(queue),
        })
    }

    fn share(dir: Option<PathBuf>, limits: Limits) -> Arc<Shared> {
        Arc::new(Shared {
            shelf: Mutex::new(Shelf::new(dir, limits)),
            batches: Arc::new(Semaphore::new(BATCHES)),
            lost: AtomicU64::new(0),
            measures: Mutex::default(),
            live: Arc::default(),
        })
    }

    /// Keeps one line. Never blocks on the disk; lines of one source keep their order. Where
    /// the writer can't keep up the line is dropped, and counted.
    pub fn append(&self, line: Line) {
        let Some(queue) = &self.queue else {
            self.shared.keep(vec![(line, None)]);
            return;
        };
        if queue.try_send(Message::Line(line)).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps lines of an instance's own log, each with where the next one begins there. Waits
    /// while the writer is behind; nothing is dropped. If this future is dropped, either all
    /// lines are kept or none.
    pub async fn ingest(&self, lines: Vec<(Line, Origin)>) {
        let lines = lines
            .into_iter()
            .map(|(line, origin)| (line, Some(origin)))
            .collect();
        let Some(queue) = &self.queue else {
            self.shared.keep(lines);
            return;
        };
        let batches = Arc::clone(&self.shared.batches);
        if let Ok(permit) = batches.acquire_owned().await {
            // The thread ends only after the last sender.
            let _ = queue.send(Message::Batch(lines, permit)).await;
        }
    }

    /// Where in the log of `instance` to go on. Blocks on the disk.
    ///
    /// # Errors
    /// Where the app's log cannot be read; going on anywhere would repeat or lose lines.
    pub fn position(&self, app: AppId, instance: InstanceId) -> io::Result<u64> {
        self.shared.shelf().position(app, instance)
    }

    /// Forgets how far the log of an instance was read that is gone.
    pub fn release(&self, app: AppId, instance: InstanceId) {
        self.shared.shelf().release(app, instance);
    }

    /// The lines of `app` that `query` selects, by time. Blocks on the disk where they are not
    /// in memory.
    #[must_use]
    pub fn read(&self, app: AppId, query: &Query) -> Vec<Arc<Line>> {
        self.shared.shelf().read(app, query)
    }

    /// Keeps a measurement, in memory, for a while.
    pub fn measure(&self, measured: Measured) {
        let measured = Arc::new(measured);
        self.shared.measures().add(Arc::clone(&measured));
        self.shared.live.tell(&Entry::Measured(measured));
    }

    /// What was measured of `app` that `query` selects, by time.
    #[must_use]
    pub fn measured(&self, app: AppId, kinds: Kinds, query: &Query) -> Vec<Arc<Measured>> {
        self.shared.measures().read(app, kinds, query)
    }

    /// Hears what comes from now on. Who takes it too slowly misses the oldest of it, and is told
    /// how much.
    #[must_use]
    pub fn listen(&self, interest: Interest) -> Listener {
        self.shared.live.listen(interest)
    }

    /// Removes everything of `app`. Blocks on the disk.
    pub fn forget(&self, app: AppId) {
        self.shared.measures().forget(app);
        self.shared.shelf().forget(app);
    }

    /// The apps of which anything is kept. Blocks on the disk.
    #[must_use]
    pub fn apps(&self) -> Vec<AppId> {
        let mut apps = self.shared.shelf().apps();
        apps.extend(self.shared.measures().apps());
        apps
    }
}

fn write(shared: &Shared, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.blocking_recv() {
        let mut permits = Vec::new();
        let mut lines = Vec::new();
        let mut take = |message| match message {
            Message::Line(line) => lines.push((line, None)),
            Message::Batch(batch, permit) => {
                lines.extend(batch);
                permits.push(permit);
            }
        };
        take(message);
        for _ in 1..ROUND {
            let Ok(message) = messages.try_recv() else {
                break;
            };
            take(message);
        }
        shared.keep(lines);
        let lost = shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "log lines were dropped because they came too fast");
        }
    }
}

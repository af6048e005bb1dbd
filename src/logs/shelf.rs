//! Everything that is kept, behind one lock.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Limits, Line, Query,
    codec::Origin,
    ring::{Rings, before},
    segments::{self, Appender},
};
use crate::model::{AppId, InstanceId};

/// Files that are open at one time.
const OPEN: usize = 128;

/// The logs of all apps.
#[derive(Debug)]
pub(super) struct Shelf {
    /// None for logs that live in memory alone.
    dir: Option<PathBuf>,
    limits: Limits,
    rings: Rings,
    open: HashMap<AppId, (Appender, u64)>,
    uses: u64,
}

impl Shelf {
    pub(super) fn new(dir: Option<PathBuf>, limits: Limits) -> Self {
        let (rings, open) = (Rings::default(), HashMap::new());
        Self {
            dir,
            limits,
            rings,
            open,
            uses: 0,
        }
    }

    fn dir_of(&self, app: AppId) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(app.to_string()))
    }

    /// The end of the app's log, opened where it is not; none for logs in memory.
    fn appender(&mut self, app: AppId) -> io::Result<Option<&mut Appender>> {
        let Some(dir) = self.dir_of(app) else {
            return Ok(None);
        };
        self.uses += 1;
        if !self.open.contains_key(&app) {
            let appender = Appender::open(app, &dir, self.limits.app)?;
            if self.open.len() >= OPEN {
                let stale = self.open.iter().min_by_key(|(_, (_, used))| *used);
                if let Some(stale) = stale.map(|(app, _)| *app) {
                    self.open.remove(&stale);
                }
            }
            self.open.insert(app, (appender, self.uses));
        }
        let uses = self.uses;
        Ok(self.open.get_mut(&app).map(|(appender, used)| {
            *used = uses;
            appender
        }))
    }

    /// Keeps lines in their order.
    pub(super) fn add(&mut self, lines: Vec<(Line, Option<Origin>)>) {
        let mut touched: Vec<AppId> = Vec::new();
        for (line, origin) in lines {
            let app = line.app;
            let kept = self.appender(app).and_then(|appender| {
                appender.map_or(Ok(()), |appender| appender.add(Some(&line), origin))
            });
            tell(app, kept);
            if !touched.contains(&app) {
                touched.push(app);
                // Lines in memory alone have nowhere else to be.
                if self.dir.is_none() && !self.rings.has(app) {
                    self.rings.fill(app, &[], &self.limits);
                }
            }
            self.rings.add(line, &self.limits);
        }
        for app in touched {
            let kept = self
                .appender(app)
                .and_then(|appender| appender.map_or(Ok(()), Appender::flush));
            tell(app, kept);
        }
    }

    /// The lines that `query` selects.
    pub(super) fn read(&mut self, app: AppId, query: &Query) -> Vec<Arc<Line>> {
        if let Some(lines) = self.rings.answer(app, query) {
            return lines;
        }
        let Some(dir) = self.dir_of(app) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let done = segments::read(app, &dir, |line| lines.push(Arc::new(line)));
        tell(app, done);
        // Stable, so lines of one time keep the order in which they came.
        lines.sort_by_key(|line| line.at_ns);
        if !self.rings.has(app) && !lines.is_empty() {
            self.rings.fill(app, &lines, &self.limits);
        }
        lines
            .retain(|line| !before(line.at_ns, query.start_ns) && before(line.at_ns, query.end_ns));
        if query.descending {
            lines.reverse();
        }
        lines.truncate(query.limit);
        lines
    }

    /// How far the log of `instance` is in here.
    pub(super) fn position(&mut self, app: AppId, instance: InstanceId) -> io::Result<u64> {
        Ok(self
            .appender(app)?
            .map_or(0, |appender| appender.position(instance)))
    }

    /// Forgets how far the log of an instance is in here that is gone.
    pub(super) fn release(&mut self, app: AppId, instance: InstanceId) {
        if let Some((appender, _)) = self.open.get_mut(&app) {
            appender.release(instance);
        }
    }

    /// Removes everything of the app.
    pub(super) fn forget(&mut self, app: AppId) {
        self.rings.remove(app);
        self.open.remove(&app);
        if let Some(dir) = self.dir_of(app) {
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => tell(app, done),
            }
        }
    }

    /// The apps of which anything is kept on disk.
    pub(super) fn apps(&self) -> Vec<AppId> {
        let entries = self.dir.as_deref().map(Path::read_dir).and_then(Result::ok);
        entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect()
    }
}

/// A log that cannot be kept must not stop the app that writes it.
fn tell(app: AppId, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%app, %error, "cannot keep or read the app's log");
    }
}

//! Everything that is kept, behind one lock.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Limits, Line, Query, Stream,
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
    /// Lines that could not be written, of apps to whose owners that is not told yet.
    gaps: HashMap<AppId, Gap>,
}

/// Lines that are missing, and why.
#[derive(Debug)]
struct Gap {
    lines: u64,
    why: String,
}

impl Gap {
    /// What stands in the log in their place.
    fn told(&self, app: AppId, at_ns: u64) -> Line {
        let Self { lines, why } = self;
        Line {
            at_ns,
            app,
            source: "LGR".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream: Stream::Err,
            text: format!("The platform could not keep {lines} lines of this log: {why}").into(),
        }
    }
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
            gaps: HashMap::new(),
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
        let mut touched: Vec<(AppId, Option<Line>)> = Vec::new();
        for (line, origin) in lines {
            let app = line.app;
            if !touched.iter().any(|(known, _)| *known == app) {
                let told = self.gaps.get(&app).map(|gap| gap.told(app, line.at_ns));
                if let Some(told) = &told {
                    self.write(app, |appender| appender.add(Some(told), None), 0);
                }
                touched.push((app, told));
                // Lines in memory alone have nowhere else to be.
                if self.dir.is_none() && !self.rings.has(app) {
                    self.rings.fill(app, &[], &self.limits);
                }
            }
            self.write(app, |appender| appender.add(Some(&line), origin), 1);
            self.rings.add(line, &self.limits);
        }
        for (app, told) in touched {
            let whole = self.write(app, Appender::flush, 0);
            if let Some(told) = told {
                self.close_gap(app, told, whole);
            }
        }
    }

    /// Does something with the end of an app's log. Where it cannot even be opened, `lines`
    /// are lost by that.
    fn write(
        &mut self,
        app: AppId,
        work: impl FnOnce(&mut Appender) -> io::Result<()>,
        lines: u64,
    ) -> bool {
        let (lost, done) = match self.appender(app) {
            Ok(None) => return true,
            Ok(Some(appender)) => {
                let done = work(appender);
                (appender.take_lost(), done)
            }
            Err(error) => (lines, Err(error)),
        };
        let Err(error) = done else { return true };
        if lost == 0 {
            tell(app, Err(error));
            return false;
        }
        let gap = self.gaps.entry(app).or_insert_with(|| {
            tracing::error!(%app, %error, "cannot keep the app's log; lines of it are lost until this ends");
            Gap { lines: 0, why: reason(&error) }
        });
        gap.lines += lost;
        false
    }

    /// Forgets what is missing of an app's log once `told` says it there, which `whole` tells.
    fn close_gap(&mut self, app: AppId, told: Line, whole: bool) {
        if whole {
            if let Some(Gap { lines, .. }) = self.gaps.remove(&app) {
                tracing::warn!(%app, lines, "the app's log is kept again; lines of it are lost");
            }
            self.rings.add(told, &self.limits);
        } else if let Some(gap) = self.gaps.get_mut(&app) {
            // It is among what was lost, and was never the app's.
            gap.lines = gap.lines.saturating_sub(1);
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
        self.gaps.remove(&app);
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

/// Why lines are missing, for the app's owner.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the platform's disk was full".to_owned()
        }
        kind => kind.to_string(),
    }
}

/// A log that cannot be kept must not stop the app that writes it.
fn tell(app: AppId, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%app, %error, "cannot keep or read the app's log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ns: u64, text: &str) -> (Line, Option<Origin>) {
        let line = Line {
            at_ns,
            app: AppId::from_uuid(uuid::Uuid::from_u128(7)),
            source: "APP/PROC/WEB".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream: Stream::Out,
            text: text.to_owned().into(),
        };
        (line, None)
    }

    fn texts(shelf: &mut Shelf) -> Vec<String> {
        let query = Query {
            start_ns: 0,
            end_ns: i64::MAX,
            limit: usize::MAX,
            descending: false,
        };
        let lines = shelf.read(line(0, "").0.app, &query);
        let text = |line: &Arc<Line>| String::from_utf8(line.text.to_vec()).unwrap();
        lines.iter().map(text).collect()
    }

    #[test]
    fn what_a_full_disk_took_is_told_once_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::new(Some(dir.path().to_owned()), Limits::default());
        let app = line(0, "").0.app;
        shelf.add(vec![line(1, "one")]);
        let file = shelf.open.get_mut(&app).unwrap().0.fill_disk();
        shelf.add(vec![line(2, "two"), line(3, "three")]);
        shelf.add(vec![line(4, "four")]);
        shelf.open.get_mut(&app).unwrap().0.make_room(file);
        shelf.add(vec![line(5, "five")]);
        shelf.add(vec![line(6, "six")]);
        let told = "The platform could not keep 3 lines of this log: the platform's disk was full";
        assert_eq!(texts(&mut shelf), ["one", told, "five", "six"]);
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_told_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        let mut shelf = Shelf::new(Some(logs.clone()), Limits::default());
        fs::write(&logs, "in the way").unwrap();
        shelf.add(vec![line(1, "one"), line(2, "two")]);
        fs::remove_file(&logs).unwrap();
        shelf.add(vec![line(3, "three")]);
        let told = "The platform could not keep 2 lines of this log: not a directory";
        assert_eq!(texts(&mut shelf), [told, "three"]);
    }
}

//! From a commit to a droplet.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Git, Who, manifest,
    push::{GONE, Ready, told},
    voice::Voice,
};
use crate::{
    actions::{Actions, Caller, GitPlace, Upload},
    build::git::{Oid, Reading},
    logs::{Entry, Heard, Interest, Line, Listener},
    model::{App, AppId, BuildState, DropletId, Job, JobState, PackageId},
    store::State,
    wire::{build, package},
};

/// The annotation of a package that says which commit it was made of.
pub(super) const COMMIT: &str = "git-commit";
/// Lines of git that may wait to be passed on; the rest of a flood is left out.
const LINES: usize = 256;
/// What the builder says at its end, by which nothing more comes.
const LAST: &str = "Staged in ";
/// How long lines are waited for that come later than what they tell of.
const LATE: Duration = Duration::from_millis(200);

impl Git {
    /// Does all that a push asks for.
    ///
    /// # Errors
    /// Why the branch stays where it is.
    pub(super) async fn carry_out(
        &self,
        who: &Who,
        place: &GitPlace,
        branch: &str,
        ready: Ready,
        voice: &mut Voice,
    ) -> Result<(), String> {
        let Ready {
            app,
            update,
            mut reading,
            _busy,
        } = ready;
        let commit = &update.new;
        let name = &place.name;
        voice
            .say(format!(
                "Deploying {} of {branch} as {name}",
                commit.short()
            ))
            .await;
        let limit = self.actions().config.upload;
        let checked = passing_on(voice, |lines| {
            let reading = &mut reading;
            async move {
                let mut say = |line| drop(lines.try_send(line));
                reading.check(commit, limit, &mut say).await
            }
        });
        let checked = checked.await.map_err(|failure| failure.detail)?;
        let plan = manifest::plan(name, checked.manifest.as_deref())?;
        for warning in &plan.warnings {
            voice.say(format!("Warning: {warning}")).await;
        }
        if let Some(path) = &plan.path {
            let picked = passing_on(voice, |lines| {
                let reading = &mut reading;
                async move {
                    let mut say = |line| drop(lines.try_send(line));
                    reading.pick(commit, path, &mut say).await
                }
            });
            picked.await.map_err(|failure| failure.detail)?;
        }
        let caller = self.caller(who)?;
        let applied = self
            .actions()
            .apply_manifest(&caller, place.space, &plan.document);
        let job = applied.await.map_err(|error| told(&error))?;
        self.finished(job).await?;
        let package = self.package(who, app.id, commit, &reading).await?;
        let remembered = reading.end().await;
        let droplet = self.build(who, app.id, package, voice).await?;
        self.release(who, app.id, droplet, voice).await?;
        let kept = remembered.deployed(branch.to_owned(), commit.clone(), checked);
        match kept.await {
            Ok(true) => {}
            Ok(false) => {
                let text = "The history of this repository is larger than what is kept of one \
                            here, so the next push brings all of it again";
                voice.say(text).await;
            }
            // It runs all the same.
            Err(failure) => tracing::error!(app = %app.id, "{}", failure.detail),
        }
        self.tell_routes(&app, voice).await;
        Ok(())
    }

    pub(super) fn actions(&self) -> &Actions {
        &self.shared.deps.actions
    }

    /// Who pushes, with what they may at the moment.
    pub(super) fn caller(&self, who: &Who) -> Result<Caller, String> {
        let caller = who.caller(&self.actions().store.state());
        caller.ok_or_else(|| GONE.to_owned())
    }

    /// Hears the lines of an app's log from now on.
    pub(super) fn listen(&self, app: AppId) -> Listener {
        self.actions().logs.listen(Interest {
            apps: Some([app].into()),
            lines: true,
            ..Interest::default()
        })
    }

    /// Waits until `look` finds something in desired state.
    pub(super) async fn until<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let store = &self.actions().store;
        let mut changes = store.watch();
        loop {
            changes.borrow_and_update();
            if let Some(found) = look(&store.state()) {
                return found;
            }
            // The sender is in the store, which is here.
            let _ = changes.changed().await;
        }
    }

    /// Waits for what a manifest asks of service brokers.
    async fn finished(&self, job: Job) -> Result<(), String> {
        let ended = self.until(|state| match state.jobs.get(&job.id) {
            Some(job) if !job.state.is_final() => None,
            Some(job) if job.state == JobState::Failed => {
                let errors: Vec<_> = job.errors.iter().map(|error| &*error.detail).collect();
                Some(Err(errors.join("; ")))
            }
            _ => Some(Ok(())),
        });
        ended.await
    }

    /// A package of what was read.
    async fn package(
        &self,
        who: &Who,
        app: AppId,
        commit: &Oid,
        reading: &Reading,
    ) -> Result<PackageId, String> {
        let actions = self.actions();
        let archive = reading.archive().map_err(|error| error.to_string())?;
        let bits = actions
            .blobs
            .put(archive)
            .await
            .map_err(|error| error.to_string())?;
        let body = json!({
            "type": "bits",
            "relationships": { "app": { "data": { "guid": app.to_string() } } },
            "metadata": { "annotations": { COMMIT: commit.as_str() } },
        });
        let body: package::Create =
            serde_json::from_value(body).map_err(|error| error.to_string())?;
        let caller = self.caller(who)?;
        let package = actions.create_package(&caller, body).await;
        let package = package.map_err(|error| told(&error))?.id;
        actions
            .check_upload(&caller, package)
            .map_err(|error| told(&error))?;
        let upload = Upload {
            bits: Some(bits),
            matched: Vec::new(),
        };
        let done = actions.finish_upload(&caller, package, upload).await;
        done.map_err(|error| told(&error))?;
        Ok(package)
    }

    /// A droplet of a package, its build's output being passed on.
    async fn build(
        &self,
        who: &Who,
        app: AppId,
        package: PackageId,
        voice: &mut Voice,
    ) -> Result<DropletId, String> {
        let actions = self.actions();
        let listener = self.listen(app);
        let body = json!({ "package": { "guid": package.to_string() } });
        let body: build::Create =
            serde_json::from_value(body).map_err(|error| error.to_string())?;
        let build = actions.create_build(&self.caller(who)?, body).await;
        let build = build.map_err(|error| told(&error))?.id;
        let ended = self.until(|state| match state.builds.get(&build) {
            None => Some(Err("the app was deleted while it was built".to_owned())),
            Some(build) => match &build.state {
                BuildState::Staging => None,
                BuildState::Staged { droplet } => Some(Ok(*droplet)),
                BuildState::Failed { failure } => Some(Err(failure.detail.clone())),
            },
        });
        let mut ended = std::pin::pin!(ended);
        let mut last = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut ended => break outcome,
                heard = listener.next() => last |= show(heard, voice).await,
            }
        };
        // An app that runs already may say more than ever ends.
        let end = Instant::now() + LATE;
        while !last && let Ok(heard) = timeout_at(end, listener.next()).await {
            last = show(heard, voice).await;
        }
        outcome.map_err(|detail| format!("the build failed: {detail}"))
    }

    /// Says where the app is.
    async fn tell_routes(&self, app: &App, voice: &mut Voice) {
        let state = self.actions().store.state();
        let mut text = format!("{} runs", app.name);
        let routes = state.routes_of_app(app.id).filter_map(|route| {
            let domain = state.domains.get(&route.domain)?;
            Some(route.url(&domain.name))
        });
        for (number, url) in routes.enumerate() {
            let before = if number == 0 { " at" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{before} {url}");
        }
        voice.say(text).await;
    }
}

/// The line that was heard, where it was one.
pub(super) fn line(heard: Heard) -> Option<Arc<Line>> {
    match heard {
        Heard::Entry(Entry::Line(line)) => Some(line),
        Heard::Entry(Entry::Measured(_)) | Heard::Missed(_) => None,
    }
}

/// Passes on a line of a build; whether it is the last.
async fn show(heard: Heard, voice: &mut Voice) -> bool {
    let Some(line) = line(heard).filter(|line| line.source.starts_with("STG")) else {
        return false;
    };
    let text = String::from_utf8_lossy(&line.text);
    voice.repeat(&text).await;
    text.starts_with(LAST)
}

/// Does some work, whose lines are said meanwhile.
pub(super) async fn passing_on<T, F: Future<Output = T>>(
    voice: &mut Voice,
    work: impl FnOnce(mpsc::Sender<String>) -> F,
) -> T {
    let (to, mut lines) = mpsc::channel(LINES);
    let told = async {
        while let Some(line) = lines.recv().await {
            voice.say(line).await;
        }
    };
    let (done, ()) = tokio::join!(work(to), told);
    done
}

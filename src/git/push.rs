//! One push, from its first byte to the report.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::timeout,
};

use super::{
    Deps, Malformed, Who,
    commands::{self, Commands, Update},
    manifest,
    report::{one_line, report},
    source::Again,
    voice::Voice,
};
use crate::{
    actions::{ActionError, GitPlace},
    build::git::{Reading, is_installed},
    model::{App, AppId, UserId},
    stdx::tasks::Tasks,
    store::State,
};

/// The branch that is deployed where its app says no other.
const BRANCH: &str = "main";
/// The annotation of an app by which it says another.
const ANNOTATION: &str = "git-branch";
/// Packets that may wait for a client.
const WAITING: usize = 64;
/// Pushes that may be under way, of everybody and of one user: each has a disk of its own from its
/// first byte on, and builds are few at a time anyway.
const PUSHES: usize = 32;
const OF_USER: usize = 8;
/// How long a pack may take to come; one of a gibibyte at 10 Mbit/s takes a quarter of an hour.
const UPLOAD: Duration = Duration::from_secs(30 * 60);

/// The handle on pushes; clones share it.
#[derive(Debug, Clone)]
pub struct Git {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) deps: Deps,
    pub(super) tasks: Tasks,
    /// Apps that are pushed to, and by whom.
    busy: Mutex<HashMap<AppId, UserId>>,
    /// Apps that are deployed from elsewhere at the moment.
    pub(super) sources: Mutex<HashMap<AppId, Again>>,
}

/// What somebody sent.
#[derive(Debug)]
pub enum Asked {
    /// Nothing: clients do that to find out whether they are let in.
    Nothing,
    /// A push, to be carried out.
    Push(Box<Push>),
}

/// A push that has come whole.
#[derive(Debug)]
pub struct Push {
    commands: Commands,
    who: Who,
    place: GitPlace,
    branch: String,
    outcome: Result<Ready, String>,
}

/// What can be carried out.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) app: Arc<App>,
    pub(super) update: Update,
    pub(super) reading: Reading,
    pub(super) _busy: Busy,
}

/// That an app is pushed to, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    shared: Arc<Shared>,
    app: AppId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.shared.busy().remove(&self.app);
    }
}

impl Shared {
    fn busy(&self) -> std::sync::MutexGuard<'_, HashMap<AppId, UserId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The branch of `app` that is deployed.
#[must_use]
pub fn branch(app: Option<&App>) -> String {
    let said = app.and_then(|app| app.metadata.annotations.get(ANNOTATION));
    let said = said.map(|name| name.trim()).filter(|name| !name.is_empty());
    said.unwrap_or(BRANCH).to_owned()
}

impl Git {
    /// Takes pushes.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self {
            shared: Arc::new(Shared {
                deps,
                tasks: Tasks::new(),
                busy: Mutex::default(),
                sources: Mutex::default(),
            }),
        }
    }

    /// Ends every push.
    pub async fn stop(&self) {
        self.shared.tasks.stop().await;
    }

    /// What a client is told first: which commit the branch at `place` is.
    ///
    /// # Errors
    /// Words for who pushes.
    pub async fn advertisement(&self, place: &GitPlace) -> Result<Vec<u8>, String> {
        let head = match &place.app {
            Some(app) => {
                let known = self.shared.deps.builder.pushed(app.id).await;
                known.map_err(|failure| failure.detail)?
            }
            None => None,
        };
        let branch = branch(place.app.as_deref());
        let head = head.filter(|head| head.branch == branch);
        Ok(commands::advertisement(head.as_ref()))
    }

    /// Takes in what `who` sends to `place`.
    ///
    /// # Errors
    /// Where it is no push, or too large.
    pub async fn receive(
        &self,
        who: Who,
        place: GitPlace,
        from: &mut (impl AsyncRead + Unpin + Send),
    ) -> Result<Asked, Malformed> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let commands = timeout(UPLOAD, Commands::read(from))
            .await
            .map_err(late)??;
        if commands.updates.is_empty() {
            return Ok(Asked::Nothing);
        }
        let branch = branch(place.app.as_deref());
        let outcome = self.prepare(&who, &place, &commands, &branch).await;
        if commands.has_pack() {
            let most = self.shared.deps.actions.config.upload;
            let taken = async {
                match &outcome {
                    Ok(ready) => take(from, &mut ready.reading.pack()?, most).await,
                    // Who is not listened to while they speak does not hear why.
                    Err(_) => take(from, &mut tokio::io::sink(), most).await,
                }
            };
            timeout(UPLOAD, taken).await.map_err(late)??;
        }
        Ok(Asked::Push(Box::new(Push {
            commands,
            who,
            place,
            branch,
            outcome,
        })))
    }

    /// Makes ready what can be carried out; in words for who pushes where nothing can.
    async fn prepare(
        &self,
        who: &Who,
        place: &GitPlace,
        commands: &Commands,
        branch: &str,
    ) -> Result<Ready, String> {
        if !is_installed() {
            return Err(
                "git is not installed on the platform's host; the operator can install it"
                    .to_owned(),
            );
        }
        let Deps {
            builder, identity, ..
        } = &self.shared.deps;
        if place.app.is_none() {
            commands.chosen(branch, None)?;
        }
        let app = self.app(who, place).await?;
        let busy = self.busy(app.id, who.user.id)?;
        let ids = identity
            .of(&app)
            .ok_or("the app has no range of user ids yet")?;
        let reading = builder.read_push(app.id, ids).await;
        let reading = reading.map_err(|failure| failure.detail)?;
        let update = commands.chosen(branch, reading.head())?.clone();
        Ok(Ready {
            app,
            update,
            reading,
            _busy: busy,
        })
    }

    /// The app, which is made where there is none.
    async fn app(&self, who: &Who, place: &GitPlace) -> Result<Arc<App>, String> {
        if let Some(app) = &place.app {
            return Ok(Arc::clone(app));
        }
        let actions = &self.shared.deps.actions;
        let caller = who.caller(&actions.store.state()).ok_or(GONE)?;
        let made = actions
            .apply_manifest(&caller, place.space, &manifest::bare(&place.name))
            .await;
        made.map_err(|error| told(&error))?;
        let state: Arc<State> = actions.store.state();
        let app = state.app_by_name(place.space, &place.name).cloned();
        app.map(Arc::new)
            .ok_or_else(|| "the app is gone".to_owned())
    }

    pub(super) fn busy(&self, app: AppId, user: UserId) -> Result<Busy, String> {
        let mut busy = self.shared.busy();
        if busy.contains_key(&app) {
            return Err(
                "another push to this app is under way: push again when it has ended".to_owned(),
            );
        }
        let of_user = busy.values().filter(|other| **other == user).count();
        if busy.len() >= PUSHES || of_user >= OF_USER {
            return Err(
                "too many pushes are under way: push again when some have ended".to_owned(),
            );
        }
        busy.insert(app, user);
        drop(busy);
        Ok(Busy {
            shared: Arc::clone(&self.shared),
            app,
        })
    }

    /// Carries out a push, also where its client leaves, and tells how it goes.
    #[must_use]
    pub fn begin(&self, push: Push) -> mpsc::Receiver<Bytes> {
        let (to, from) = mpsc::channel(WAITING);
        let git = self.clone();
        self.shared.tasks.spawn("git push", async move {
            git.run(push, to).await;
        });
        from
    }

    async fn run(&self, push: Push, to: mpsc::Sender<Bytes>) {
        let Push {
            commands,
            who,
            place,
            branch,
            outcome,
        } = push;
        let mut voice = Voice::to_client(to, commands.sideband);
        let outcome = match outcome {
            Ok(ready) => {
                let beat = voice.clone().beat();
                let (app, update) = (ready.app.id, ready.update.clone());
                let done = tokio::select! {
                    done = self.carry_out(&who, &place, &branch, ready, &mut voice) => done,
                    never = beat => match never {},
                };
                let refused = done.as_ref().err();
                self.note(&who, app, &update, None, refused).await;
                done.map(|()| update.name)
            }
            Err(reason) => Err(reason),
        };
        let reason = outcome.as_ref().err().map_or("", String::as_str);
        if !reason.is_empty() {
            voice.say(format!("Refused: {reason}")).await;
        }
        let deployed = format!("refs/heads/{branch}");
        let told = report(&commands.updates, outcome.as_deref().ok(), |update| {
            if update.name == deployed {
                reason.to_owned()
            } else {
                commands::other(&branch)
            }
        });
        voice.end(if commands.report { &told } else { &[] }).await;
    }

    /// Writes down what was pushed, and whether it runs.
    pub(super) async fn note(
        &self,
        who: &Who,
        app: AppId,
        update: &Update,
        from: Option<&str>,
        refused: Option<&String>,
    ) {
        let actions = &self.shared.deps.actions;
        let data = json!({
            "ref": update.name,
            "commit": update.new.as_str(),
            "from": from,
            "before": (!update.old.is_none()).then(|| update.old.as_str()),
            "result": if refused.is_some() { "refused" } else { "deployed" },
            "reason": refused.map(|reason| one_line(reason)),
        });
        let Some(caller) = who.caller(&actions.store.state()) else {
            return;
        };
        match actions.note_git_push(&caller, app, data).await {
            // It was deleted meanwhile.
            Ok(()) | Err(ActionError::NotFound(_)) => {}
            Err(error) => tracing::error!(%error, "cannot write down what was pushed"),
        }
    }
}

/// What is said to somebody who was deleted.
pub(super) const GONE: &str = "you may not push here any more";

/// An error in words for who pushes; what is behind one of the platform's own is logged.
pub(super) fn told(error: &ActionError) -> String {
    if let ActionError::Store(cause) = error {
        tracing::error!(error = %cause, "cannot carry out a push");
    }
    error.to_string()
}

/// Moves the pack, of `most` bytes.
async fn take(
    from: &mut (impl AsyncRead + Unpin + Send),
    to: &mut (impl AsyncWrite + Unpin),
    most: u64,
) -> Result<(), Malformed> {
    let mut from = from.take(most.saturating_add(1));
    let moved = tokio::io::copy(&mut from, to).await?;
    if moved > most {
        return Err(Malformed::TooLarge(most >> 20));
    }
    to.flush().await?;
    Ok(())
}

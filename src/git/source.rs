//! Deploying an app from where its code is kept.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Git, Who,
    commands::Update,
    deploy::{COMMIT, passing_on},
    push::{GONE, Ready, Shared, branch, told},
    voice::Voice,
};
use crate::{
    actions::GitPlace,
    build::git::{Oid, Remote, is_installed},
    model::{App, AppId, GitSource},
    reconcile::network,
    store::State,
};

/// Apps that are deployed from elsewhere at a time; most of them wait for a build.
const MOST: usize = 64;
/// Between two deployments of one app, and between looks at whether another push has ended: hosts
/// call once for each push, and who pushes ten times in a minute wants the last.
const PAUSE: Duration = Duration::from_secs(5);
/// Looks at whether another push has ended: an hour's worth.
const LOOKS: u32 = 720;

/// Whether an app is to be deployed once more, when it has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Again(bool);

/// What became of a wish to deploy an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is deployed.
    Now,
    /// It is deployed once more, when it has been.
    Next,
    /// Too many are.
    TooMany,
}

/// That an app is deployed, until it is dropped.
struct Deploying {
    shared: Arc<Shared>,
    app: AppId,
    done: bool,
}

impl Deploying {
    /// Whether it was wished for once more. Where not, it is done, and the next wish begins anew.
    fn again(&mut self) -> bool {
        let mut sources = self.shared.sources();
        let wished = sources.get(&self.app) == Some(&Again(true));
        if wished {
            sources.insert(self.app, Again(false));
        } else {
            sources.remove(&self.app);
            self.done = true;
        }
        wished
    }
}

impl Drop for Deploying {
    fn drop(&mut self) {
        // What is there when it was done is somebody else's.
        if !self.done {
            self.shared.sources().remove(&self.app);
        }
    }
}

impl Shared {
    fn sources(&self) -> MutexGuard<'_, HashMap<AppId, Again>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Git {
    /// Deploys an app from where its code is kept: the newest commit that there is, whichever
    /// somebody called about. However often they call, it is deployed once at a time, and once
    /// more after that.
    #[must_use]
    pub fn deploy(&self, app: AppId) -> Begun {
        let mut sources = self.shared.sources();
        if let Some(again) = sources.get_mut(&app) {
            *again = Again(true);
            return Begun::Next;
        }
        if sources.len() >= MOST {
            return Begun::TooMany;
        }
        sources.insert(app, Again(false));
        drop(sources);
        let (git, shared) = (self.clone(), Arc::clone(&self.shared));
        self.shared.tasks.spawn("git source", async move {
            let done = false;
            let mut deploying = Deploying { shared, app, done };
            loop {
                git.deploy_once(app).await;
                sleep(PAUSE).await;
                if !deploying.again() {
                    return;
                }
            }
        });
        Begun::Now
    }

    async fn deploy_once(&self, id: AppId) {
        let state = self.actions().store.state();
        let app = state.apps.get(&id).cloned();
        let Some((app, source)) =
            app.and_then(|app| Some((Arc::clone(&app), app.git_source.clone()?)))
        else {
            return;
        };
        let mut voice = Voice::to_log(self.actions().logs.clone(), id);
        let Some(user) = state.users.get(&source.by).cloned() else {
            let text = "Refused: who named the repository is gone; somebody has to name it anew";
            voice.say(text).await;
            return;
        };
        drop(state);
        let who = Who { user, limit: None };
        let branch = branch(Some(&app));
        voice
            .say(format!("Fetching {branch} of {}", source.url))
            .await;
        let fetched = self.fetched(&who, &app, &source, &branch, &mut voice).await;
        let ready = match fetched {
            Ok(Some(ready)) => ready,
            Ok(None) => {
                voice.say("Its newest commit is what is deployed").await;
                return;
            }
            Err(reason) => {
                voice.say(format!("Refused: {reason}")).await;
                let update = update(&branch, Oid::none());
                self.note(&who, id, &update, Some(&source.url), Some(&reason))
                    .await;
                return;
            }
        };
        let place = GitPlace {
            space: app.space,
            name: app.name.to_string(),
            app: Some(app),
        };
        let update = ready.update.clone();
        let done = self
            .carry_out(&who, &place, &branch, ready, &mut voice)
            .await;
        if let Err(reason) = &done {
            voice.say(format!("Refused: {reason}")).await;
        }
        self.note(&who, id, &update, Some(&source.url), done.as_ref().err())
            .await;
    }

    /// What is fetched; none where it is deployed already.
    async fn fetched(
        &self,
        who: &Who,
        app: &Arc<App>,
        source: &GitSource,
        branch: &str,
        voice: &mut Voice,
    ) -> Result<Option<Ready>, String> {
        if !is_installed() {
            return Err("git is not installed on the platform's host".to_owned());
        }
        let caller = who.caller(&self.actions().store.state()).ok_or(GONE)?;
        let may = self.actions().may_push(&caller, app.space);
        may.map_err(|error| told(&error))?;
        let mut looks = LOOKS;
        let busy = loop {
            match self.busy(app.id, who.user.id) {
                Ok(busy) => break busy,
                Err(reason) if looks == 0 => return Err(reason),
                Err(_) => {
                    looks -= 1;
                    sleep(PAUSE).await;
                }
            }
        };
        let deps = &self.shared.deps;
        let ids = deps
            .identity
            .of(app)
            .ok_or("the app has no range of user ids yet")?;
        let reading = deps.builder.read_push(app.id, ids).await;
        let mut reading = reading.map_err(|failure| failure.detail)?;
        let remote = Remote {
            url: &source.url,
            login: source.login.as_ref(),
            branch,
        };
        let rate = *deps.bandwidth.borrow();
        let policy = network::plan::staging(&self.actions().store.state(), rate, app.id);
        let commit = passing_on(voice, |lines| {
            let (reading, remote) = (&mut reading, &remote);
            async move {
                let mut say = |line| drop(lines.try_send(line));
                reading.fetch(remote, policy, &mut say).await
            }
        });
        let commit = commit.await.map_err(|failure| failure.detail)?;
        if is_deployed(&self.actions().store.state(), app.id, &commit) {
            return Ok(None);
        }
        Ok(Some(Ready {
            app: Arc::clone(app),
            update: update(branch, commit),
            reading,
            _busy: busy,
        }))
    }
}

fn update(branch: &str, commit: Oid) -> Update {
    Update {
        old: Oid::none(),
        new: commit,
        name: format!("refs/heads/{branch}"),
    }
}

/// Whether what the app runs was made of `commit`.
fn is_deployed(state: &State, app: AppId, commit: &Oid) -> bool {
    let droplet = state.apps.get(&app).and_then(|app| app.current_droplet);
    let package = droplet
        .and_then(|droplet| state.droplets.get(&droplet)?.package)
        .and_then(|package| state.packages.get(&package));
    package.is_some_and(|package| {
        let noted = package.metadata.annotations.get(COMMIT);
        noted.is_some_and(|noted| noted == commit.as_str())
    })
}

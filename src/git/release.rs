//! From a droplet to an app that runs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Git, Who, deploy::line, push::told, voice::Voice};
use crate::{
    model::{
        AppId, AppState, DeploymentId, DeploymentState, DropletId, InstanceId, InstanceState,
        InstanceView, Observed, ProcessId, ProcessType,
    },
    store::State,
    wire::deployment,
};

/// As long as the client's own push waits.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How long nothing is said: most apps are there by then.
const SILENCE: Duration = Duration::from_secs(10);
/// An instance that was begun again after at least this long will not come up the next time
/// either; one that fails faster is tried three times within a second or two.
const LONG_START: Duration = Duration::from_secs(10);
/// How many of its last lines an app that failed is quoted with.
const QUOTED: usize = 15;
/// How long lines are waited for that come later than what they tell of.
const LATE: Duration = Duration::from_millis(200);

/// How a release is made.
enum Way {
    /// What runs goes on until the new version does.
    Beside(DeploymentId),
    /// The app was started; these instances are older than that.
    Anew(BTreeSet<InstanceId>),
}

/// What was seen of new instances.
#[derive(Debug, Default)]
struct Starts(BTreeMap<(ProcessId, u32), (InstanceId, Instant)>);

/// Where the instances of a process stand.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Failed(Option<String>),
}

impl Git {
    /// Has `app` run `droplet`, without an interruption where it runs already.
    ///
    /// # Errors
    /// Why it does not run. Where another version ran, that one goes on.
    pub(super) async fn release(
        &self,
        who: &Who,
        app: AppId,
        droplet: DropletId,
        voice: &mut Voice,
    ) -> Result<(), String> {
        let listener = self.listen(app);
        let way = self.start(who, app, droplet).await?;
        voice
            .say(match way {
                Way::Beside(_) => "Replacing instances",
                Way::Anew(_) => "Starting",
            })
            .await;
        let mut lines = VecDeque::new();
        let outcome = {
            let mut ended = std::pin::pin!(timeout(PATIENCE, self.ended(app, &way)));
            let hint = sleep_until(Instant::now() + SILENCE);
            let mut hint = std::pin::pin!(hint);
            let mut hinted = false;
            loop {
                tokio::select! {
                    ended = &mut ended => break ended,
                    heard = listener.next() => quote(&mut lines, line(heard)),
                    () = &mut hint, if !hinted => {
                        hinted = true;
                        voice.say(
                            "It has not passed its health check yet: a web app has to listen on \
                             0.0.0.0 at the port in $PORT",
                        ).await;
                    }
                }
            }
        };
        let reason = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason,
            Err(_) => "no instance became healthy within 5 minutes (health check)".to_owned(),
        };
        let end = Instant::now() + LATE;
        while let Ok(heard) = timeout_at(end, listener.next()).await {
            quote(&mut lines, line(heard));
        }
        if !lines.is_empty() {
            voice.repeat("The last lines of its log:").await;
        }
        for line in lines {
            voice.repeat(&format!("  | {line}")).await;
        }
        if let Way::Beside(deployment) = way {
            self.go_back(who, deployment).await;
            return Err(format!(
                "the new version does not start, and what ran before goes on: {reason}"
            ));
        }
        Err(format!("the app does not start: {reason}"))
    }

    async fn start(&self, who: &Who, app: AppId, droplet: DropletId) -> Result<Way, String> {
        let (actions, caller) = (self.actions(), self.caller(who)?);
        let state = actions.store.state();
        let observed = Arc::clone(&self.shared.deps.observed.borrow());
        // One is under way that this one takes over from, or there is something to keep running.
        let beside = state.active_deployment(app).is_some() || serves(&state, &observed, app);
        if beside {
            let body = json!({
                "relationships": { "app": { "data": { "guid": app.to_string() } } },
                "droplet": { "guid": droplet.to_string() },
                "strategy": "rolling",
            });
            let body: deployment::Create =
                serde_json::from_value(body).map_err(|error| error.to_string())?;
            let made = actions.create_deployment(&caller, body).await;
            return Ok(Way::Beside(made.map_err(|error| told(&error))?.id));
        }
        let old = state.processes_of(app).flat_map(|process| {
            let slots = observed.processes.get(&process.id);
            slots.into_iter().flatten().filter_map(|slot| slot.id)
        });
        let old = old.collect();
        let set = actions
            .set_current_droplet(&caller, app, Some(droplet))
            .await;
        set.map_err(|error| told(&error))?;
        let started = actions.restart_app(&caller, app).await;
        started.map_err(|error| told(&error))?;
        Ok(Way::Anew(old))
    }

    /// Lets what was there before take the place of new instances again.
    async fn go_back(&self, who: &Who, deployment: DeploymentId) {
        let Ok(caller) = self.caller(who) else { return };
        if let Err(error) = self.actions().cancel_deployment(&caller, deployment).await {
            tracing::info!(%deployment, %error, "a deployment that failed was not cancelled");
        }
    }

    /// Waits until the app runs, or does not.
    async fn ended(&self, app: AppId, way: &Way) -> Result<(), String> {
        let store = &self.actions().store;
        let mut changes = store.watch();
        let mut observed = self.shared.deps.observed.clone();
        let mut starts = Starts::default();
        loop {
            changes.borrow_and_update();
            let seen = Arc::clone(&observed.borrow_and_update());
            let state = store.state();
            let progress = match way {
                Way::Beside(deployment) => beside(&state, &seen, *deployment, &mut starts)?,
                Way::Anew(old) => anew(&state, &seen, app, old, &mut starts),
            };
            match progress {
                Progress::Running => return Ok(()),
                Progress::Failed(reason) => {
                    return Err(reason.unwrap_or_else(|| "every instance crashed".to_owned()));
                }
                Progress::Waiting => {}
            }
            drop(state);
            tokio::select! {
                changed = changes.changed() => changed.map_err(|_| ENDS)?,
                changed = observed.changed() => changed.map_err(|_| ENDS)?,
            }
        }
    }
}

/// What is said where the platform is ending.
const ENDS: &str = "the platform is ending";

/// Keeps a line, if it is the app's own or tells of its health.
fn quote(lines: &mut VecDeque<String>, line: Option<Arc<crate::logs::Line>>) {
    let telling = |source: &str| ["APP", "HEALTH"].iter().any(|one| source.starts_with(one));
    let Some(line) = line.filter(|line| telling(&line.source)) else {
        return;
    };
    if lines.len() == QUOTED {
        lines.pop_front();
    }
    lines.push_back(String::from_utf8_lossy(&line.text).into_owned());
}

/// Whether an instance of the app answers.
fn serves(state: &State, observed: &Observed, app: AppId) -> bool {
    let started = state
        .apps
        .get(&app)
        .is_some_and(|app| app.state == AppState::Started);
    let mut webs = state.processes_of_type(app, &ProcessType::web());
    started
        && webs.any(|web| {
            let slots = observed.processes.get(&web.id);
            let mut slots = slots.into_iter().flatten();
            slots.any(|slot| slot.state == InstanceState::Running)
        })
}

fn beside(
    state: &State,
    observed: &Observed,
    deployment: DeploymentId,
    starts: &mut Starts,
) -> Result<Progress, String> {
    let Some(deployment) = state.deployments.get(&deployment) else {
        return Err("the app was deleted".to_owned());
    };
    match deployment.state {
        DeploymentState::Deployed => return Ok(Progress::Running),
        DeploymentState::Superseded => {
            return Err("another deployment took over".to_owned());
        }
        DeploymentState::Canceled | DeploymentState::Canceling => {
            return Err("the deployment was cancelled".to_owned());
        }
        DeploymentState::Deploying | DeploymentState::Prepaused | DeploymentState::Paused => {}
    }
    let new = deployment.process;
    let slots = new.and_then(|process| Some((process, observed.processes.get(&process)?)));
    let Some((process, slots)) = slots else {
        return Ok(Progress::Waiting);
    };
    let slots: Vec<&InstanceView> = slots.iter().collect();
    // Until the deployment itself is done, it goes on.
    Ok(match starts.look(process, &slots, Instant::now()) {
        Progress::Running => Progress::Waiting,
        other => other,
    })
}

fn anew(
    state: &State,
    observed: &Observed,
    app: AppId,
    old: &BTreeSet<InstanceId>,
    starts: &mut Starts,
) -> Progress {
    for process in state
        .processes_of(app)
        .filter(|process| process.instances > 0)
    {
        let slots = observed.processes.get(&process.id);
        let fresh = |slot: &&InstanceView| slot.id.is_some_and(|id| !old.contains(&id));
        let slots: Vec<&InstanceView> = slots.into_iter().flatten().filter(fresh).collect();
        match starts.look(process.id, &slots, Instant::now()) {
            Progress::Running => {}
            other => return other,
        }
    }
    Progress::Running
}

impl Starts {
    /// Where new instances of a process stand: one that runs is enough, and all must have crashed.
    fn look(&mut self, process: ProcessId, slots: &[&InstanceView], now: Instant) -> Progress {
        let mut given_up = false;
        for slot in slots {
            let Some(id) = slot.id else { continue };
            let key = (process, slot.index);
            let before = self.0.get(&key).copied();
            match before {
                Some((known, _)) if known == id => {}
                Some((_, since)) => {
                    given_up |= now.duration_since(since) >= LONG_START;
                    self.0.insert(key, (id, now));
                }
                None => drop(self.0.insert(key, (id, now))),
            }
        }
        let is = |state: InstanceState| move |slot: &&&InstanceView| slot.state == state;
        if slots.iter().any(|slot| is(InstanceState::Running)(&slot)) {
            return Progress::Running;
        }
        let crashed: Vec<_> = slots.iter().filter(is(InstanceState::Crashed)).collect();
        let hopeless = !slots.is_empty() && crashed.len() == slots.len();
        if hopeless || given_up {
            let details = crashed.into_iter().find_map(|slot| slot.details.clone());
            return Progress::Failed(details);
        }
        Progress::Waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Timestamp, Usage};

    fn slot(index: u32, id: InstanceId, state: InstanceState) -> InstanceView {
        InstanceView {
            id: Some(id),
            index,
            state,
            since: Timestamp::from_millis(0),
            routable: None,
            details: Some("oops".to_owned()),
            usage: Usage::default(),
        }
    }

    #[test]
    fn one_that_runs_is_enough_and_a_long_start_that_failed_is_the_end() {
        use InstanceState::{Crashed, Running, Starting};

        let process = ProcessId::random();
        let (a, b) = (InstanceId::random(), InstanceId::random());
        let begin = Instant::now();
        let check = |starts: &mut Starts, slots: &[InstanceView], expected: Progress| {
            let slots: Vec<&InstanceView> = slots.iter().collect();
            assert_eq!(starts.look(process, &slots, begin), expected);
        };
        let mut starts = Starts::default();
        let failed = Progress::Failed(Some("oops".to_owned()));
        check(&mut starts, &[], Progress::Waiting);
        check(&mut starts, &[slot(0, a, Starting)], Progress::Waiting);
        let both = [slot(0, a, Running), slot(1, b, Crashed)];
        check(&mut starts, &both, Progress::Running);
        let both = [slot(0, a, Starting), slot(1, b, Crashed)];
        check(&mut starts, &both, Progress::Waiting);
        check(&mut starts, &[slot(0, a, Crashed)], failed);

        let mut starts = Starts::default();
        check(&mut starts, &[slot(0, a, Starting)], Progress::Waiting);
        check(&mut starts, &[slot(0, b, Starting)], Progress::Waiting);
        let again = slot(0, a, Starting);
        let late = starts.look(process, &[&again], begin + LONG_START);
        assert_eq!(late, Progress::Failed(None));
    }
}

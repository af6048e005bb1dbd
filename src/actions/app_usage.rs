//! Usage events: written by whoever changes what an app uses, in the same commit, without
//! knowing of it. The store shows each change before it is made durable.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use super::{ActionError, Actions, Caller};
use crate::{
    model::{
        App, AppId, AppState, AppUsage, AppUsageId, Build, BuildState, Named, ProcessId, Step,
        Timestamp,
    },
    store::{Key, Record, State, Tx},
};

/// How long usage is kept: as long as Cloud Foundry does.
const KEPT_MS: u64 = 31 * 24 * 3600 * 1000;
/// Events that are kept in all; some 30 MB in memory. Whoever settles accounts reads them daily.
const MOST: usize = 50_000;
/// Between looks for what is too old, in events.
const LOOK: u64 = 256;
/// Memory of a build that does not say, Cloud Foundry's.
const STAGING_MB: u32 = 1024;

impl Actions {
    /// The usage events, for whoever sees everything, oldest first; those after the event `after`.
    ///
    /// # Errors
    /// [`ActionError::Unprocessable`] where there is no event `after` any more.
    pub fn app_usage(
        &self,
        caller: &Caller,
        after: Option<&str>,
    ) -> Result<Vec<Arc<AppUsage>>, ActionError> {
        if !caller.sees_all() {
            return Ok(Vec::new());
        }
        let state = self.store.state();
        let after = match after {
            None => None,
            Some(guid) => {
                let event = guid.parse().ok();
                let event = event.and_then(|id: AppUsageId| state.app_usage.get(&id));
                let missing = || {
                    ActionError::Unprocessable(
                        "After guid filter must be a valid app usage event guid.".to_owned(),
                    )
                };
                Some(event.ok_or_else(missing)?.order)
            }
        };
        let all = state.app_usage.values();
        let found: Vec<_> = all
            .filter(|event| after.is_none_or(|after| event.order > after))
            .cloned()
            .collect();
        // By their identities, which is the order in which they came.
        Ok(found)
    }

    /// The usage event, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn one_app_usage(
        &self,
        caller: &Caller,
        id: AppUsageId,
    ) -> Result<Arc<AppUsage>, ActionError> {
        let state = self.store.state();
        let event = state.app_usage.get(&id);
        event
            .filter(|_| caller.sees_all())
            .cloned()
            .ok_or(ActionError::NotFound("App usage event"))
    }

    /// Forgets all usage events and begins anew with what runs now.
    ///
    /// # Errors
    /// Where the caller is no admin.
    pub async fn reseed_app_usage(&self, caller: &Caller) -> Result<(), ActionError> {
        caller.need_admin()?;
        self.store
            .commit(|tx| {
                let old: Vec<AppUsageId> = tx.app_usage.keys().copied().collect();
                let running: Vec<ProcessId> = tx.processes.keys().copied().collect();
                for id in old {
                    tx.delete(id);
                }
                let mut notes = Notes::new(tx);
                for id in running {
                    notes.of_process(&State::default(), tx, id);
                }
                notes.write(tx);
                Ok(())
            })
            .await
    }
}

/// Adds to a change what it means for usage; `before` is the state without it.
pub(super) fn witness(before: &State, tx: &mut Tx) {
    let keys: BTreeSet<Key> = tx.changed().collect();
    let mut processes: BTreeSet<ProcessId> = BTreeSet::new();
    let mut notes = Notes::new(tx);
    for key in keys {
        match key {
            Key::Process(id) => {
                processes.insert(id);
            }
            Key::App(id) => {
                let of_app = |state: &State| -> Vec<ProcessId> {
                    state.processes_of(id).map(|process| process.id).collect()
                };
                processes.extend(of_app(before));
                processes.extend(of_app(tx));
            }
            Key::Build(_) => notes.of_build(before, tx, key),
            Key::Task(_) => notes.of_task(before, tx, key),
            _ => {}
        }
    }
    for id in processes {
        notes.of_process(before, tx, id);
    }
    notes.write(tx);
}

/// What a process uses: whether it runs, memory of an instance, instances.
type Use = (bool, u32, u32);

fn use_of(state: &State, id: ProcessId) -> Option<(Use, &App)> {
    let process = state.processes.get(&id)?;
    let app = state.apps.get(&process.app)?;
    let started = app.state == AppState::Started;
    Some(((started, process.memory.0, process.instances), app))
}

const fn word(started: bool) -> &'static str {
    if started { "STARTED" } else { "STOPPED" }
}

/// Events in the making.
struct Notes {
    at: Timestamp,
    order: u64,
    events: Vec<AppUsage>,
}

impl Notes {
    fn new(state: &State) -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            at: Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            // Of one commit there are never so many as to reach the next revision's numbers.
            order: (state.revision + 1) << 20,
            events: Vec::new(),
        }
    }

    fn add(&mut self, state: &State, app: &App, event: impl FnOnce(AppUsage) -> AppUsage) {
        let Some(space) = state.spaces.get(&app.space) else {
            return;
        };
        self.order += 1;
        self.events.push(event(AppUsage {
            id: in_order(self.order),
            order: self.order,
            state: Step::first(String::new()),
            app: Named {
                guid: app.id.to_string(),
                name: app.name.to_string(),
            },
            process: None,
            task: None,
            buildpack: None,
            space: (space.id, space.name.to_string()),
            org: space.org,
            memory: Step::first(0),
            instances: Step::first(0),
            created_at: self.at,
        }));
    }

    fn of_process(&mut self, before: &State, after: &State, id: ProcessId) {
        let (old, new) = (use_of(before, id), use_of(after, id));
        let was = old.map(|(used, _)| used);
        let is = new.map_or((false, 0, 0), |(used, _)| used);
        let ran = was.is_some_and(|(started, ..)| started);
        // What does not run changes nothing by being changed.
        if (!ran && !is.0) || was == Some(is) {
            return;
        }
        // Of what is gone, the state before knows.
        let Some((state, app)) = new
            .map(|(_, app)| (after, app))
            .or(old.map(|(_, app)| (before, app)))
        else {
            return;
        };
        let process = state.processes.get(&id);
        let named = process.map(|process| Named {
            guid: process.id.to_string(),
            name: process.process_type.to_string(),
        });
        let last = new.map_or(was.unwrap_or_default(), |(used, _)| used);
        self.add(state, app, |event| AppUsage {
            state: Step {
                current: word(is.0).to_owned(),
                previous: was.map(|(started, ..)| word(started).to_owned()),
            },
            process: named,
            memory: Step {
                current: last.1,
                previous: was.map(|(_, memory, _)| memory),
            },
            instances: Step {
                current: last.2,
                previous: was.map(|(.., instances)| instances),
            },
            ..event
        });
    }

    fn of_build(&mut self, before: &State, after: &State, key: Key) {
        let build = |state: &State| match state.record(key) {
            Some(Record::Build(build)) => Some(build),
            _ => None,
        };
        let (old, new) = (build(before), build(after));
        let stages = |build: &Option<Arc<Build>>| {
            build
                .as_ref()
                .is_some_and(|build| build.state == BuildState::Staging)
        };
        let (was, is) = (stages(&old), stages(&new));
        let Some(known) = new.as_ref().or(old.as_ref()) else {
            return;
        };
        let Some((state, app)) = app_of(before, after, known.app) else {
            return;
        };
        let memory = known.memory.map_or(STAGING_MB, |memory| memory.0);
        let told = |current: &str, previous: Option<&str>, buildpack: Option<String>| {
            let state = Step {
                current: current.to_owned(),
                previous: previous.map(str::to_owned),
            };
            move |event| AppUsage {
                state,
                buildpack,
                memory: Step {
                    current: memory,
                    previous: Some(memory),
                },
                instances: Step {
                    current: 1,
                    previous: Some(1),
                },
                ..event
            }
        };
        if is && !was {
            self.add(state, app, told("STAGING_STARTED", None, None));
        }
        if was && !is {
            let ended = told("STAGING_STOPPED", Some("STAGING_STARTED"), None);
            self.add(state, app, ended);
            let droplet = new.as_ref().and_then(|build| match build.state {
                BuildState::Staged { droplet } => after.droplets.get(&droplet),
                _ => None,
            });
            if let Some(name) = droplet.and_then(|droplet| droplet.buildpacks.first()) {
                let set = told(
                    "BUILDPACK_SET",
                    Some("STAGING_STOPPED"),
                    Some(name.name.clone()),
                );
                self.add(state, app, set);
            }
        }
    }

    fn of_task(&mut self, before: &State, after: &State, key: Key) {
        let task = |state: &State| match state.record(key) {
            Some(Record::Task(task)) => Some(task),
            _ => None,
        };
        let (old, new) = (task(before), task(after));
        let runs = |task: &Option<_>| {
            let task: Option<&Arc<crate::model::Task>> = task.as_ref();
            task.is_some_and(|task| !task.state.is_final())
        };
        let (was, is) = (runs(&old), runs(&new));
        let Some(known) = new.as_ref().or(old.as_ref()).filter(|_| was != is) else {
            return;
        };
        let Some((state, app)) = app_of(before, after, known.app) else {
            return;
        };
        let (current, previous) = if is {
            ("TASK_STARTED", None)
        } else {
            ("TASK_STOPPED", Some("TASK_STARTED"))
        };
        let same = |number: u32| Step {
            current: number,
            previous: (!is).then_some(number),
        };
        self.add(state, app, |event| AppUsage {
            state: Step {
                current: current.to_owned(),
                previous: previous.map(str::to_owned),
            },
            task: Some(Named {
                guid: known.id.to_string(),
                name: known.name.clone(),
            }),
            memory: same(known.memory.0),
            instances: same(1),
            ..event
        });
    }

    /// Puts them into the change; what is too old or too much goes.
    fn write(self, tx: &mut Tx) {
        if self.events.is_empty() {
            return;
        }
        let (at, last) = (self.at, self.order >> 20);
        for event in self.events {
            tx.put(event);
        }
        let surplus = tx.app_usage.len().saturating_sub(MOST);
        if surplus == 0 && last % LOOK != 0 {
            return;
        }
        let old: Vec<AppUsageId> = tx
            .app_usage
            .values()
            .enumerate()
            .take_while(|(n, event)| *n < surplus || at.since(event.created_at) > KEPT_MS)
            .map(|(_, event)| event.id)
            .collect();
        for id in old {
            tx.delete(id);
        }
    }
}

/// A random identity that stands after those of smaller orders.
fn in_order(order: u64) -> AppUsageId {
    // The version's four bits (RFC 9562) come after 48 of the order, 12 random ones after them.
    let [high, low] = [(); 2].map(|()| getrandom::u64().unwrap_or_default());
    let high = order << 16 | 0x4000 | high & 0xfff;
    let low = low & (u64::MAX >> 2) | 1 << 63;
    AppUsageId::from_uuid(uuid::Uuid::from_u64_pair(high, low))
}

/// The app, with the state that knows it.
fn app_of<'a>(before: &'a State, after: &'a State, app: AppId) -> Option<(&'a State, &'a App)> {
    let of = |state: &'a State| Some((state, &**state.apps.get(&app)?));
    of(after).or_else(|| of(before))
}

//! What may go.

use std::collections::BTreeSet;

use crate::{
    model::{
        AppId, BuildState, DropletId, DropletState, LayerId, PackageId, PackageState, Timestamp,
    },
    store::{Key, State},
};

/// Records of builds, and of packages and droplets without bits, that are kept of an app.
const RECORDS: usize = 20;
/// How long the outcome of a task can be asked for (Cloud Foundry's default).
const TASK_MS: u64 = 31 * 24 * 60 * 60 * 1000;
/// Tasks with an outcome that are kept of an app, so that one that is run every second does not
/// fill the memory in that time.
const TASKS: usize = 1_000;
/// Revisions and deployments that are kept of an app (Cloud Foundry's defaults).
const REVISIONS: usize = 100;
const DEPLOYMENTS: usize = 100;
/// How long the outcome of a job can be asked for.
const JOB_MS: u64 = 24 * 60 * 60 * 1000;

/// What may go from desired state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packages whose bits may go.
    pub packages: Vec<PackageId>,
    /// Droplets whose bits may go.
    pub droplets: Vec<DropletId>,
    /// Records that may go.
    pub records: Vec<Key>,
}

impl Plan {
    /// Whether nothing may go.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.droplets.is_empty() && self.records.is_empty()
    }
}

/// What may go from `state` where the bits of the `keep` newest packages and droplets of an
/// app stay, beside those of the current droplet and of builds that run.
#[must_use]
pub fn plan(state: &State, keep: usize, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for app in state.apps.values() {
        app_of(state, app.id, app.current_droplet, keep, &mut plan);
        plan.records.extend(old_tasks(state, app.id, now));
        plan.records.extend(old_revisions(state, app.id));
        plan.records.extend(old_deployments(state, app.id));
    }
    let old = |job: &&crate::model::Job| job.state.is_final() && now.since(job.updated_at) > JOB_MS;
    plan.records
        .extend(state.jobs_by_time().filter(old).map(|job| Key::Job(job.id)));
    let spent = state.tokens.values().filter(|token| token.expires_at < now);
    plan.records
        .extend(spent.map(|token| Key::RefreshToken(token.id)));
    plan
}

fn app_of(state: &State, app: AppId, current: Option<DropletId>, keep: usize, plan: &mut Plan) {
    let in_use: BTreeSet<PackageId> = state
        .builds_of(app)
        .filter(|build| build.state == BuildState::Staging)
        .map(|build| build.package)
        .chain(current.and_then(|id| state.droplets.get(&id)?.package))
        .collect();
    let (mut kept, mut spent) = (0, 0);
    for package in state.packages_of(app).rev() {
        match package.state {
            PackageState::Ready { .. } | PackageState::Remote if kept < keep => kept += 1,
            PackageState::Ready { .. } | PackageState::Remote if in_use.contains(&package.id) => {}
            PackageState::Ready { .. } | PackageState::Remote => plan.packages.push(package.id),
            PackageState::AwaitingUpload => {}
            PackageState::Failed { .. } | PackageState::Expired => {
                spent += 1;
                if spent > RECORDS && !in_use.contains(&package.id) {
                    plan.records.push(Key::Package(package.id));
                }
            }
        }
    }
    let tasks = state.tasks_of(app).filter(|task| !task.state.is_final());
    let pinned = state.processes_of(app).filter_map(|process| {
        let pin = process.pin.as_ref()?;
        Some(pin.droplet)
    });
    let tasks = tasks.map(|task| task.droplet);
    let in_use: BTreeSet<DropletId> = tasks.chain(pinned).chain(current).collect();
    (kept, spent) = (0, 0);
    for droplet in state.droplets_of(app).rev() {
        match droplet.state {
            DropletState::Staged { .. } if kept < keep => kept += 1,
            DropletState::Staged { .. } if in_use.contains(&droplet.id) => {}
            DropletState::Staged { .. } => plan.droplets.push(droplet.id),
            DropletState::AwaitingUpload => {}
            DropletState::Failed { .. } | DropletState::Expired => {
                spent += 1;
                if spent > RECORDS {
                    plan.records.push(Key::Droplet(droplet.id));
                }
            }
        }
    }
    let done = state
        .builds_of(app)
        .rev()
        .filter(|build| build.state != BuildState::Staging);
    plan.records
        .extend(done.skip(RECORDS).map(|build| Key::Build(build.id)));
}

/// The tasks of which nobody will ask any more. The newest stays: the next one's number follows
/// from it.
fn old_tasks(state: &State, app: AppId, now: Timestamp) -> impl Iterator<Item = Key> + '_ {
    let ended = state.tasks_of(app).rev().skip(1);
    let ended = ended.filter(|task| task.state.is_final()).enumerate();
    let old =
        ended.filter(move |(newer, task)| *newer >= TASKS || now.since(task.updated_at) > TASK_MS);
    old.map(|(_, task)| Key::Task(task.id))
}

/// The revisions that are too many, but for those that run.
fn old_revisions(state: &State, app: AppId) -> impl Iterator<Item = Key> + '_ {
    let running: BTreeSet<_> = state
        .processes_of(app)
        .filter_map(|process| process.revision)
        .collect();
    let old = state.revisions_of(app).rev().skip(REVISIONS);
    old.map(|revision| revision.id)
        .filter(move |id| !running.contains(id))
        .map(Key::Revision)
}

/// The deployments that are too many.
fn old_deployments(state: &State, app: AppId) -> impl Iterator<Item = Key> + '_ {
    let old = state.deployments_of(app).rev().skip(DEPLOYMENTS);
    old.filter(|deployment| !deployment.state.is_active())
        .map(|deployment| Key::Deployment(deployment.id))
}

/// The digests of all bits that stay.
#[must_use]
pub fn digests(state: &State) -> BTreeSet<String> {
    let packages = state
        .packages
        .values()
        .filter_map(|package| match &package.state {
            PackageState::Ready { sha256 } => Some(sha256.clone()),
            _ => None,
        });
    let droplets = state
        .droplets
        .values()
        .filter_map(|droplet| match &droplet.state {
            DropletState::Staged { sha256, .. } => Some(sha256.clone()),
            _ => None,
        });
    let buildpacks = state.buildpacks.values();
    let buildpacks = buildpacks.filter_map(|buildpack| buildpack.bits.clone());
    packages.chain(droplets).chain(buildpacks).collect()
}

/// The layers of all images that stay.
#[must_use]
pub fn layers(state: &State) -> BTreeSet<LayerId> {
    let staged = state
        .droplets
        .values()
        .filter(|droplet| matches!(droplet.state, DropletState::Staged { .. }));
    staged
        .flat_map(|droplet| droplet.layers().iter().cloned())
        .collect()
}

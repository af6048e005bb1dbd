//! The ways to find how an app runs and ran: its sidecars, tasks, revisions
//! and deployments.

use super::index::{nil, range};
use crate::model::{AppId, Deployment, Droplet, Job, Revision, Sidecar, SidecarPlan, Task};

impl super::State {
    /// All jobs, oldest first.
    pub fn jobs_by_time(&self) -> impl DoubleEndedIterator<Item = &Job> + '_ {
        self.indexes
            .jobs
            .iter()
            .filter_map(|(_, id)| self.jobs.get(id).map(AsRef::as_ref))
    }

    /// The sidecars of `app`, oldest first.
    pub fn sidecars_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Sidecar> + '_ {
        range(&self.indexes.sidecars, app)
            .filter_map(|id| self.sidecars.get(&id).map(AsRef::as_ref))
    }

    /// What runs beside the processes of `app`, by name.
    #[must_use]
    pub fn sidecar_plans(&self, app: AppId) -> Vec<SidecarPlan> {
        let plans = self.sidecars_of(app).map(|sidecar| sidecar.plan.clone());
        let mut plans: Vec<SidecarPlan> = plans.collect();
        plans.sort();
        plans
    }

    /// The tasks of `app`, oldest first.
    pub fn tasks_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Task> + '_ {
        range(&self.indexes.tasks, app).filter_map(|id| self.tasks.get(&id).map(AsRef::as_ref))
    }

    /// The tasks of all apps that wait, run or are being ended, oldest first.
    pub fn unfinished_tasks(&self) -> impl Iterator<Item = &Task> + '_ {
        let ids = self.indexes.unfinished_tasks.iter();
        ids.filter_map(|(_, id)| self.tasks.get(id).map(AsRef::as_ref))
    }

    /// The revisions of `app`, oldest first.
    pub fn revisions_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Revision> + '_ {
        range(&self.indexes.revisions, app)
            .filter_map(|id| self.revisions.get(&id).map(AsRef::as_ref))
    }

    /// The deployments of `app`, oldest first.
    pub fn deployments_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Deployment> + '_ {
        range(&self.indexes.deployments, app)
            .filter_map(|id| self.deployments.get(&id).map(AsRef::as_ref))
    }

    /// The deployment of `app` that is under way, if one is.
    #[must_use]
    pub fn active_deployment(&self, app: AppId) -> Option<&Deployment> {
        let mut from = self.indexes.active_deployments.range((app, nil())..);
        let (owner, id) = from.next()?;
        let found = self.deployments.get(id).filter(|_| *owner == app)?;
        Some(found.as_ref())
    }

    /// All deployments that are under way.
    pub fn active_deployments(&self) -> impl Iterator<Item = &Deployment> + '_ {
        let ids = self.indexes.active_deployments.iter();
        ids.filter_map(|(_, id)| self.deployments.get(id).map(AsRef::as_ref))
    }

    /// Whether a process goes on running from `droplet` while a deployment replaces it.
    #[must_use]
    pub fn is_pinned(&self, droplet: &Droplet) -> bool {
        let pins = self.processes_of(droplet.app);
        let mut pins = pins.filter_map(|process| process.pin.as_ref());
        pins.any(|pin| pin.droplet == droplet.id)
    }
}

//! How many instances each web process of an app should have while one replaces the others.

use std::fmt;

use crate::model::{Deployment, DeploymentState, ProcessId};

/// A web process as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Web {
    /// The process.
    pub process: ProcessId,
    /// How many instances it should have.
    pub instances: u32,
    /// How many of them are healthy and routed to.
    pub routable: u32,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Give a process this many instances.
    Scale {
        /// Which.
        process: ProcessId,
        /// How many.
        instances: u32,
    },
    /// Wait for a person's word.
    Pause,
    /// Nothing of the others is needed any more.
    Finish {
        /// Which process stays.
        process: ProcessId,
        /// With how many instances.
        instances: u32,
    },
}

/// What leads on from `webs`, which are the app's web processes, oldest first.
///
/// Where every healthy instance stays so, there are never fewer than the deployment found, nor
/// more than it may have on their way beside those; a canary may have one more, since its first
/// instance takes nobody's place.
#[must_use]
pub fn plan(deployment: &Deployment, webs: &[Web]) -> Vec<Action> {
    let is_new = |web: &&Web| Some(web.process) == deployment.process;
    let new = webs.iter().find(is_new);
    let (comes, goal, spare) = match deployment.state {
        DeploymentState::Deploying => (new, deployment.goal(), 0),
        DeploymentState::Prepaused => (new, deployment.step_instances(), 1),
        // The oldest of all: the last one that a deployment came to its end with, or none.
        DeploymentState::Canceling => {
            let old = webs.iter().find(|web| !is_new(web));
            (old, deployment.original, 0)
        }
        DeploymentState::Paused
        | DeploymentState::Deployed
        | DeploymentState::Canceled
        | DeploymentState::Superseded => return Vec::new(),
    };
    let Some(comes) = comes else {
        return Vec::new();
    };
    let there = comes.routable >= goal;
    if there && deployment.state == DeploymentState::Prepaused {
        return vec![Action::Pause];
    }
    if there {
        return vec![Action::Finish {
            process: comes.process,
            instances: goal,
        }];
    }
    let mut actions = Vec::new();
    let up = comes
        .routable
        .saturating_add(deployment.options.max_in_flight);
    let up = up.min(goal).max(comes.instances);
    if up > comes.instances {
        actions.push(Action::Scale {
            process: comes.process,
            instances: up,
        });
    }
    // As many as are still needed stay, those that answer before others and older before younger.
    let mut room = deployment
        .original
        .saturating_add(spare)
        .saturating_sub(comes.routable);
    let others = webs.iter().filter(|web| web.process != comes.process);
    let mut others: Vec<(&Web, u32)> = others.map(|web| (web, 0)).collect();
    let all = |web: &Web| web.instances;
    let healthy = |web: &Web| web.routable.min(web.instances);
    for most in [healthy as fn(&Web) -> u32, all] {
        for (web, stay) in &mut others {
            let more = most(web).saturating_sub(*stay).min(room);
            *stay += more;
            room -= more;
        }
    }
    for (web, instances) in others {
        if instances < web.instances {
            actions.push(Action::Scale {
                process: web.process,
                instances,
            });
        }
    }
    actions
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { process, instances } => write!(f, "scale {process} to {instances}"),
            Self::Pause => f.write_str("pause"),
            Self::Finish { process, instances } => {
                write!(f, "finish with {instances} of {process}")
            }
        }
    }
}

//! Deployments: new instances of an app take the place of old ones while the app goes on.

use serde::{Deserialize, Serialize};

use super::{AppId, DeploymentId, DropletId, Metadata, ProcessId, RevisionId, Timestamp};

/// How new instances come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A few at a time, until all are new.
    Rolling,
    /// Some at first, and the others when a person says so.
    Canary,
}

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// New instances take the place of old ones.
    Deploying,
    /// The instances of a step come up.
    Prepaused,
    /// The step's instances run; a person has to say how it goes on.
    Paused,
    /// Old instances take the place of new ones again.
    Canceling,
    /// All that runs is new.
    Deployed,
    /// All that runs is as it was before.
    Canceled,
    /// Another deployment took over.
    Superseded,
}

impl DeploymentState {
    /// Whether there is still something to do.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Deploying | Self::Prepaused | Self::Paused | Self::Canceling
        )
    }
}

/// What was asked for beside the strategy; as the API shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentOptions {
    /// New instances that may be on their way at one time.
    pub max_in_flight: u32,
    /// How many instances there should be in the end, where that is another number.
    #[serde(default)]
    pub instances: Option<u32>,
    /// Memory of an instance, where that is another.
    #[serde(default)]
    pub memory_mb: Option<u32>,
    /// Disk of an instance, where that is another.
    #[serde(default)]
    pub disk_mb: Option<u32>,
    /// Log bytes per second of an instance, where that is another.
    #[serde(default)]
    pub log_rate_limit: Option<i64>,
    /// Of a canary, the share of new instances at each step, in percent.
    #[serde(default)]
    pub steps: Vec<u32>,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Identity.
    pub id: DeploymentId,
    /// The app.
    pub app: AppId,
    /// How new instances come in.
    pub strategy: Strategy,
    /// Where it stands.
    pub state: DeploymentState,
    /// What was asked for.
    pub options: DeploymentOptions,
    /// The step of a canary, from 1.
    pub step: u32,
    /// How many web instances there were before.
    pub original: u32,
    /// What runs then.
    pub droplet: DropletId,
    /// What ran before.
    pub previous_droplet: Option<DropletId>,
    /// The web process that is new; none where the app was stopped, and just started.
    pub process: Option<ProcessId>,
    /// The revision that it brings, and its number.
    pub revision: Option<(RevisionId, u64)>,
    /// Whether it brings back an earlier revision.
    pub rollback: bool,
    /// When a new instance last became healthy.
    pub healthy_at: Timestamp,
    /// When it last came to stand where it stands.
    pub state_at: Timestamp,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Deployment {
    /// How many new instances there should be in the end.
    #[must_use]
    pub fn goal(&self) -> u32 {
        self.options.instances.unwrap_or(self.original)
    }

    /// How many steps a canary has: without any of its own, one.
    #[must_use]
    pub fn steps(&self) -> u32 {
        u32::try_from(self.options.steps.len()).map_or(u32::MAX, |steps| steps.max(1))
    }

    /// How many new instances its present step has: one, where no share is said.
    #[must_use]
    pub fn step_instances(&self) -> u32 {
        let at = usize::try_from(self.step.saturating_sub(1)).unwrap_or(usize::MAX);
        let weight = self.options.steps.get(at).copied().unwrap_or(0);
        let share = u64::from(self.original) * u64::from(weight);
        // Rounded as people do.
        let instances = u32::try_from((share + 50) / 100).unwrap_or(u32::MAX);
        instances.max(1)
    }

    /// Puts it where it stands from `now` on.
    pub fn becomes(&mut self, state: DeploymentState, now: Timestamp) {
        self.state = state;
        self.state_at = now;
        self.updated_at = now;
    }
}

//! How an instance shows that it is well.

use serde::{Deserialize, Serialize};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HealthKind {
    /// The app's port accepts a TCP connection.
    Port,
    /// `GET endpoint` answers 200.
    Http {
        /// The path, starting with `/`.
        endpoint: String,
    },
    /// The process runs.
    Process,
}

/// Start-up and liveness check of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is looked at.
    pub kind: HealthKind,
    /// Seconds that an instance may take until its first success; none for 60.
    pub timeout: Option<u32>,
    /// Seconds that one check may take; none for 1.
    pub invocation_timeout: Option<u32>,
    /// Seconds between checks of a healthy instance; none for 30.
    pub interval: Option<u32>,
}

impl HealthCheck {
    /// The check of a process type for which nothing was said: `port` for web, else `process`.
    #[must_use]
    pub const fn default_for(web: bool) -> Self {
        let kind = if web {
            HealthKind::Port
        } else {
            HealthKind::Process
        };
        Self {
            kind,
            timeout: None,
            invocation_timeout: None,
            interval: None,
        }
    }
}

/// Whether an instance should get requests, looked at beside liveness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessCheck {
    /// What is looked at; `Process` means always ready.
    pub kind: HealthKind,
    /// Seconds that one check may take; none for 1.
    pub invocation_timeout: Option<u32>,
    /// Seconds between checks; none for 30.
    pub interval: Option<u32>,
}

impl Default for ReadinessCheck {
    fn default() -> Self {
        Self {
            kind: HealthKind::Process,
            invocation_timeout: None,
            interval: None,
        }
    }
}

//! One line of what is known about a host.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that the platform wants of its host, and whether the host has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about, as a few words.
    pub what: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// How it is enforced; or why it is not, and what follows.
    pub reason: String,
    /// What the operator can do, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether a host has what was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The kernel enforces it.
    Enforced,
    /// It holds in part, or at a price.
    Weaker,
    /// It does not hold.
    Missing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Enforced => "yes",
            Self::Weaker => "partly",
            Self::Missing => "no",
        })
    }
}

impl Finding {
    /// It holds, and by what.
    #[must_use]
    pub fn enforced(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::of(what, Verdict::Enforced, how)
    }

    /// It holds in part, and why.
    #[must_use]
    pub fn weaker(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::of(what, Verdict::Weaker, reason)
    }

    /// It does not hold, and why.
    #[must_use]
    pub fn missing(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::of(what, Verdict::Missing, reason)
    }

    /// The same with what can be done about it.
    #[must_use]
    pub fn mended_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn of(what: impl Into<String>, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict,
            reason: reason.into(),
            remedy: None,
        }
    }
}

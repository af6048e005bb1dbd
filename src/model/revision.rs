//! Revisions: what an app was started with, and can be started with again.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{AppId, DropletId, Metadata, ProcessType, RevisionId, SidecarPlan, Timestamp};

/// The highest number of a revision; 1 follows it (Cloud Foundry's own).
const LAST_VERSION: u64 = 9_999;

/// What decides how an app runs. Two of them differ where a new revision is due.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// What runs.
    pub droplet: DropletId,
    /// The user's environment variables.
    pub env: BTreeMap<String, String>,
    /// The user's start command by process type; none for the droplet's.
    pub commands: BTreeMap<ProcessType, Option<String>>,
    /// What runs beside processes, by name.
    #[serde(default)]
    pub sidecars: Vec<SidecarPlan>,
}

// The environment and commands often hold secrets.
impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("droplet", &self.droplet)
            .finish_non_exhaustive()
    }
}

/// What an app was started with at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Identity.
    pub id: RevisionId,
    /// The app.
    pub app: AppId,
    /// Its number among the app's revisions, from 1.
    pub version: u64,
    /// What was new in it, in Cloud Foundry's words.
    pub description: String,
    /// What decides how the app runs.
    #[serde(flatten)]
    pub blueprint: Blueprint,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Revision {
    /// The number of the next one.
    #[must_use]
    pub const fn next_version(&self) -> u64 {
        if self.version >= LAST_VERSION {
            1
        } else {
            self.version + 1
        }
    }
}

impl Blueprint {
    /// What is new in `self` where the app ran from `before`, in Cloud Foundry's words and order;
    /// empty where nothing is.
    #[must_use]
    pub fn news(&self, before: &Self) -> Vec<String> {
        let mut news = Vec::new();
        if self.droplet != before.droplet {
            news.push("New droplet deployed.".to_owned());
        }
        if self.env != before.env {
            news.push("New environment variables deployed.".to_owned());
        }
        for (kind, command) in &self.commands {
            let words = match (before.commands.get(kind), command) {
                (Some(before), now) if before == now => continue,
                (None, _) => format!("New process type '{kind}' added."),
                (Some(None), _) => format!("Custom start command added for '{kind}' process."),
                (Some(_), None) => format!("Custom start command removed for '{kind}' process."),
                (Some(_), Some(_)) => {
                    format!("Custom start command updated for '{kind}' process.")
                }
            };
            news.push(words);
        }
        let gone = before.commands.keys();
        let gone = gone.filter(|kind| !self.commands.contains_key(*kind));
        news.extend(gone.map(|kind| format!("Process type '{kind}' removed.")));
        if self.sidecars != before.sidecars {
            news.push("Sidecars updated.".to_owned());
        }
        news.sort();
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint(droplet: u128, env: &str, commands: &[(&str, Option<&str>)]) -> Blueprint {
        let commands = commands.iter().map(|(kind, command)| {
            let kind = ProcessType::parse(*kind).unwrap();
            (kind, command.map(str::to_owned))
        });
        Blueprint {
            droplet: DropletId::from_uuid(uuid::Uuid::from_u128(droplet)),
            env: BTreeMap::from([("A".to_owned(), env.to_owned())]),
            commands: commands.collect(),
            sidecars: Vec::new(),
        }
    }

    #[test]
    fn what_is_new_is_told_in_cloud_foundrys_words() {
        let before = blueprint(1, "b", &[("web", Some("a")), ("old", None), ("w", None)]);
        let check = |now: &Blueprint, expected: &[&str]| assert_eq!(now.news(&before), expected);
        check(&before, &[]);
        check(
            &blueprint(
                2,
                "c",
                &[("web", Some("b")), ("new", None), ("w", Some("x"))],
            ),
            &[
                "Custom start command added for 'w' process.",
                "Custom start command updated for 'web' process.",
                "New droplet deployed.",
                "New environment variables deployed.",
                "New process type 'new' added.",
                "Process type 'old' removed.",
            ],
        );
        check(
            &blueprint(1, "b", &[("web", None), ("old", None), ("w", None)]),
            &["Custom start command removed for 'web' process."],
        );
    }
}

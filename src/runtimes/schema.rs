//! The shape of `runtimes/*.toml`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error};

use super::{Condition, Mistake, Test};
use crate::model::{DropletKind, Megabytes, ProcessType};

/// One kind of app: how it is recognised, built and started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Its own name; an operator's file replaces the built-in of the same name.
    pub name: String,
    /// What people call it: `Python`.
    pub label: String,
    /// What runs the droplet.
    pub kind: DropletKind,
    /// Cloud Foundry's buildpack names that it answers to, the first of which is shown.
    /// Each is also known with `_offline` behind it.
    pub buildpacks: Vec<String>,
    /// What an app is recognised by, in words for people; none where that is plain.
    pub recognised_by: Option<String>,
    /// How an app is recognised; none where it has to be asked for.
    #[serde(default)]
    pub detect: Vec<Rule>,
    /// What the host must have.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// An image whose root has the tools, in place of the host's own.
    pub image: Option<String>,
    /// Whether the app runs in that root as well.
    #[serde(default = "yes")]
    pub run_in_image: bool,
    /// How to ask for the language's version.
    pub version: Option<Version>,
    /// What a build needs.
    #[serde(default)]
    pub build: Build,
    /// What a build does, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Environment of the app when it runs; the user's wins.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files that are put beside the app, such as scripts for `profile.d`.
    #[serde(default)]
    pub files: Vec<PlacedFile>,
    /// Start commands; of each process type the first that holds, unless a Procfile says other.
    #[serde(default)]
    pub start: Vec<Start>,
    /// Of a static app, the served folder: the first that holds.
    #[serde(default)]
    pub root: Vec<Root>,
    /// What to tell the user where nothing in `start` holds.
    pub missing_start: Option<String>,
    /// Mistakes that the output of a build gives away, the most telling first.
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
}

impl Runtime {
    /// Whether it answers to `name`: its own, or one of its buildpacks' with or without
    /// `_offline`. Case does not matter.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let online = name.strip_suffix("_offline").unwrap_or(&name);
        name == self.name || self.buildpacks.iter().any(|known| known == online)
    }

    /// The buildpack name under which it is shown.
    #[must_use]
    pub fn buildpack(&self) -> &str {
        self.buildpacks.first().unwrap_or(&self.name)
    }
}

/// One way to recognise an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Where several runtimes recognise an app, the highest number wins.
    pub priority: u32,
    /// What must hold.
    pub when: Condition,
}

/// A program that the host must have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// What people call it.
    pub name: String,
    /// Where it may be, the best first; `*` in one part of a path stands for any name there,
    /// the latest version first. The folder of the one that is found comes first in the
    /// build's `PATH`.
    pub paths: Vec<PathBuf>,
    /// What brings it: `apt-get install python3 python3-venv`.
    pub install: String,
    /// For which apps it is needed.
    #[serde(default)]
    pub when: Condition,
}

/// How to ask for the version of a language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Which of the tools is asked.
    pub tool: String,
    /// With these arguments.
    pub args: Vec<String>,
    /// The version is the first group of this pattern.
    #[serde(deserialize_with = "pattern")]
    pub matches: regex::Regex,
    /// Where an app says which versions it wants; the first that says something counts.
    #[serde(default)]
    pub wanted: Vec<Test>,
    /// Where an app says which version it needs at least.
    #[serde(default)]
    pub least: Vec<Test>,
}

/// What a build needs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Memory, where that is more than the platform's default.
    #[serde(default, deserialize_with = "size")]
    pub memory: Option<Megabytes>,
    /// Folders that are kept from one build of an app to the next: the variable that names
    /// the folder to the build, and the folder's name below `/home/vcap/cache` and the
    /// runtime's name.
    #[serde(default)]
    pub caches: BTreeMap<String, String>,
    /// Environment of every step.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A part of a build.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it does, for people: `Installing dependencies`.
    pub name: String,
    /// For which apps it is done.
    #[serde(default)]
    pub when: Condition,
    /// What bash runs in the app's folder; ends at the first command that fails.
    pub run: String,
}

/// A file that is put beside the app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedFile {
    /// Path relative to `/home/vcap`.
    #[serde(deserialize_with = "inner_path")]
    pub path: String,
    /// Its text.
    pub text: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// A start command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Of which process type.
    #[serde(default = "ProcessType::web")]
    pub process: ProcessType,
    /// For which apps.
    #[serde(default)]
    pub when: Condition,
    /// The command, for bash in the app's folder.
    pub run: String,
}

/// The served folder of a static app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// For which apps.
    #[serde(default)]
    pub when: Condition,
    /// The folder relative to the app; empty for the app itself.
    pub path: String,
}

const fn yes() -> bool {
    true
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<regex::Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    regex::Regex::new(&text).map_err(D::Error::custom)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Megabytes>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn inner_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    let inner = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    if inner {
        return Ok(path);
    }
    Err(D::Error::custom(format_args!(
        "{path:?} is not a path inside /home/vcap"
    )))
}

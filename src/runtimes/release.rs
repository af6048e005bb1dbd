//! What is done to an app and how it is started then.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Bindings, Facts, ProcfileError, Runtime, read_procfile, template};
use crate::model::{DropletKind, ProcessType};

/// A step that applies to an app, its command complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// What it does, for people.
    pub name: String,
    /// What bash runs in the app's folder.
    pub run: String,
}

/// The steps of `runtime` that apply.
#[must_use]
pub fn steps(runtime: &Runtime, facts: Facts<'_>) -> Vec<PlannedStep> {
    runtime
        .steps
        .iter()
        .filter_map(|step| {
            let bindings = step.when.holds(facts)?;
            Some(PlannedStep {
                name: step.name.clone(),
                run: command(&step.run, &bindings),
            })
        })
        .collect()
}

/// How a built app is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Start commands.
    pub process_types: BTreeMap<ProcessType, String>,
    /// The served folder of a static app.
    pub root: String,
}

/// Why an app could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing says how.
    #[error("{0}")]
    NoStart(String),
    /// The Procfile is wrong.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// The served folder is not one in the app.
    #[error("the root {0:?} is not a folder of the app with files in it")]
    Root(String),
}

/// How the app is started: by its Procfile, and else as its runtime has it. `facts` are those
/// after the build.
///
/// # Errors
/// Words for the user.
pub fn release(runtime: &Runtime, facts: Facts<'_>) -> Result<Release, ReleaseError> {
    let mut process_types = BTreeMap::new();
    for start in &runtime.start {
        if process_types.contains_key(&start.process) {
            continue;
        }
        if let Some(bindings) = start.when.holds(facts) {
            process_types.insert(start.process.clone(), command(&start.run, &bindings));
        }
    }
    if let Some(text) = facts.files.text("Procfile") {
        process_types.extend(read_procfile(&text)?);
    }
    let root = match runtime.kind {
        DropletKind::Static => root(runtime, facts)?,
        DropletKind::Process | DropletKind::Wasm | DropletKind::Image | DropletKind::Cnb => {
            if process_types.is_empty() && !facts.own_command {
                return Err(ReleaseError::NoStart(no_start(runtime)));
            }
            String::new()
        }
    };
    Ok(Release {
        process_types,
        root,
    })
}

fn command(text: &str, bindings: &Bindings) -> String {
    template::fill(text.trim(), bindings, template::quote)
}

fn as_it_is(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(value)
}

fn no_start(runtime: &Runtime) -> String {
    runtime.missing_start.clone().unwrap_or_else(|| {
        "nothing says how to start this app: add a Procfile with a line `web: COMMAND`, or push \
         with -c COMMAND"
            .to_owned()
    })
}

fn root(runtime: &Runtime, facts: Facts<'_>) -> Result<String, ReleaseError> {
    let found = runtime
        .root
        .iter()
        .find_map(|root| Some((root, root.when.holds(facts)?)));
    let Some((root, bindings)) = found else {
        return Ok(String::new());
    };
    let written = template::fill(&root.path, &bindings, as_it_is);
    let path = written
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect::<Vec<_>>()
        .join("/");
    let holds = path.is_empty()
        || facts.files.paths().iter().any(|file| {
            file.strip_prefix(&path)
                .is_some_and(|rest| rest.starts_with('/'))
        });
    if holds && !path.split('/').any(|part| part == "..") {
        return Ok(path);
    }
    Err(ReleaseError::Root(written))
}

//! What is done to a package. Blocks on the disk.

use std::path::{Path, PathBuf};

use super::{Request, failure, listing::Folder, tools};
use crate::{
    model::Failure,
    runtimes::{Catalog, Facts, PlannedStep, Release, Runtime, detect, release, steps},
};

/// What is done.
#[derive(Debug)]
pub(super) struct Decision {
    /// The runtimes, of which the last says how the app is started.
    pub(super) runtimes: Vec<Runtime>,
    /// The steps of all of them.
    pub(super) steps: Vec<PlannedStep>,
    /// Where the tools that they need are, or in an image may be.
    pub(super) tools: Vec<PathBuf>,
    /// Of each runtime, the tool that tells its version.
    pub(super) tellers: Vec<Option<PathBuf>>,
}

/// Decides about the package in `app`.
pub(super) fn decide(
    catalog: &Catalog,
    request: &Request,
    app: &Path,
) -> Result<Decision, Failure> {
    with_facts(request, app, |facts| {
        let found = detect(catalog, facts, &request.lifecycle.buildpacks)
            .map_err(|error| failure::undetected(&error))?;
        // Where the tools are an image's, nothing has to be on the host.
        let in_image = found.last().is_some_and(|runtime| runtime.image.is_some());
        let mut decision = Decision {
            runtimes: Vec::new(),
            steps: Vec::new(),
            tools: Vec::new(),
            tellers: Vec::new(),
        };
        for runtime in found {
            let mut teller = None;
            for tool in &runtime.tools {
                if tool.when.holds(facts).is_none() {
                    continue;
                }
                if in_image {
                    decision.tools.extend(tool.paths.iter().cloned());
                    continue;
                }
                let path = tools::find(tool).ok_or_else(|| failure::missing_tool(runtime, tool))?;
                if runtime
                    .version
                    .as_ref()
                    .is_some_and(|version| version.tool == tool.name)
                {
                    teller = Some(path.clone());
                }
                decision.tools.push(path);
            }
            decision.steps.extend(steps(runtime, facts));
            decision.tellers.push(teller);
            decision.runtimes.push(runtime.clone());
        }
        Ok(decision)
    })
}

/// How the app in `app` is started now that it is built.
pub(super) fn conclude(
    runtime: &Runtime,
    request: &Request,
    app: &Path,
) -> Result<Release, Failure> {
    with_facts(request, app, |facts| {
        release(runtime, facts).map_err(|error| failure::no_release(&error))
    })
}

fn with_facts<R>(
    request: &Request,
    app: &Path,
    then: impl FnOnce(Facts<'_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let files = Folder::list(app).map_err(|error| failure::host("list the package", &error))?;
    then(Facts {
        files: &files,
        env: &request.app.env,
        own_command: request.own_command,
    })
}

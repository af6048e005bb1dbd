//! What is done to a package. Blocks on the disk.

use std::path::{Path, PathBuf};

use super::{
    Classic, Config, Request,
    classic::{self, Chosen},
    cnb, failure,
    listing::Folder,
    tools,
};
use crate::{
    model::{Failure, LifecycleKind},
    runtimes::{
        Catalog, Facts, PlacedFile, PlannedStep, Release, Runtime, Test, Version, allows, detect,
        is_at_least, release, steps,
    },
};

/// What is done.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// The runtimes, classic buildpacks among them, of which the last says how the app is started.
    pub(super) runtimes: Vec<Runtime>,
    /// The steps of all of them.
    pub(super) steps: Vec<PlannedStep>,
    /// Where the tools that they need are, or in an image may be.
    pub(super) tools: Vec<PathBuf>,
    /// Whether they are an image's.
    pub(super) in_image: bool,
    /// Digests of the operator's buildpacks that have a part.
    pub(super) buildpacks: Vec<String>,
    /// Whether the last of the runtimes is a classic buildpack, which says itself how the app is
    /// started.
    pub(super) classic: bool,
    /// Of each runtime, how its version is found.
    pub(super) tellers: Vec<Option<Teller>>,
}

/// Where an app looks for programs when it runs.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

impl Decision {
    /// What leads the app, when it runs, to tools that lie elsewhere than usual.
    pub(super) fn tools_at_start(&self) -> Option<PlacedFile> {
        if self.in_image {
            return None;
        }
        let folders = self.tools.iter().filter_map(|tool| tool.parent()?.to_str());
        let mut folders: Vec<_> = folders.filter(|folder| !USUAL.contains(folder)).collect();
        folders.dedup();
        (!folders.is_empty()).then(|| PlacedFile {
            path: "profile.d/0-tools.sh".to_owned(),
            text: format!("export PATH=\"{}:$PATH\"\n", folders.join(":")),
            executable: false,
        })
    }
}

/// The programs that tell their versions, of which one is used.
#[derive(Debug)]
pub(super) struct Teller {
    /// Where they are, the best first. That one is among the decision's tools.
    pub(super) programs: Vec<PathBuf>,
    /// Which of them the app wants.
    pub(super) wish: Option<Wish>,
}

/// Which versions an app wants.
#[derive(Debug)]
pub(super) struct Wish {
    /// In the language's own notation.
    pub(super) versions: String,
    /// Whether later ones will do as well.
    pub(super) least: bool,
    /// Where the app says so.
    pub(super) place: String,
}

impl Wish {
    /// What the files and variables of an app say.
    fn of(version: &Version, facts: Facts<'_>) -> Option<Self> {
        let said = |tests: &[Test], least: bool| {
            tests.iter().find_map(|test| {
                let versions = test.find(facts)?;
                // What is no version says nothing about versions.
                let understood = match least {
                    true => is_at_least("0", &versions),
                    false => allows(&versions, "0"),
                };
                understood.map(|_| Self {
                    versions,
                    least,
                    place: test.place(),
                })
            })
        };
        said(&version.wanted, false).or_else(|| said(&version.least, true))
    }

    /// Whether `version` is one of them.
    pub(super) fn holds(&self, version: &str) -> bool {
        let holds = match self.least {
            true => is_at_least(version, &self.versions),
            false => allows(&self.versions, version),
        };
        holds.unwrap_or(true)
    }
}

/// Decides about the package in `app`. `asked` is the buildpack of the operator's that has
/// recognised it.
pub(super) fn decide(
    config: &Config,
    catalog: &Catalog,
    request: &Request,
    app: &Path,
    asked: Option<&Classic>,
) -> Result<Decision, Failure> {
    if request.lifecycle.kind == LifecycleKind::Cnb {
        return native(config, request);
    }
    with_facts(request, app, |facts| {
        let found = chosen(catalog, request, facts, asked)?;
        // Where the tools are an image's, nothing has to be on the host.
        let in_image = matches!(found.last(), Some(Part::Runtime(last)) if last.image.is_some());
        let mut decision = Decision {
            in_image,
            ..Decision::default()
        };
        let count = found.len();
        for (number, part) in found.into_iter().enumerate() {
            let runtime = match part {
                Part::Runtime(runtime) => runtime,
                Part::Classic(chosen) => {
                    let (runtime, step) = classic::runtime(&chosen, number, number + 1 == count);
                    if let Chosen::Own(own) = chosen {
                        decision.buildpacks.push(own.sha256.clone());
                    }
                    decision.steps.push(step);
                    decision.tellers.push(None);
                    decision.runtimes.push(runtime);
                    decision.classic = number + 1 == count;
                    continue;
                }
            };
            let mut teller = None;
            for tool in &runtime.tools {
                if tool.when.holds(facts).is_none() {
                    continue;
                }
                if in_image {
                    decision.tools.extend(tool.paths.iter().cloned());
                    continue;
                }
                let programs = tools::find(tool);
                let best = programs.first();
                let best = best.ok_or_else(|| failure::missing_tool(runtime, tool))?;
                decision.tools.push(best.clone());
                if let Some(version) = &runtime.version
                    && version.tool == tool.name
                {
                    let wish = Wish::of(version, facts);
                    teller = Some(Teller { programs, wish });
                }
            }
            decision.steps.extend(steps(runtime, facts));
            decision.tellers.push(teller);
            decision.runtimes.push(runtime.clone());
        }
        Ok(decision)
    })
}

/// Leaves everything to Cloud Native Buildpacks.
fn native(config: &Config, request: &Request) -> Result<Decision, Failure> {
    let (runtime, steps) = cnb::runtime(config, request)?;
    Ok(Decision {
        runtimes: vec![runtime],
        steps,
        in_image: true,
        tellers: vec![None],
        ..Decision::default()
    })
}

/// What has a part in a build.
enum Part<'a> {
    Runtime(&'a Runtime),
    Classic(Chosen<'a>),
}

/// Those that the app names, in its order, or the one that recognises it.
fn chosen<'a>(
    catalog: &'a Catalog,
    request: &'a Request,
    facts: Facts<'_>,
    asked: Option<&'a Classic>,
) -> Result<Vec<Part<'a>>, Failure> {
    let undetected = |error| failure::undetected(&error);
    if let Some(asked) = asked {
        return Ok(vec![Part::Classic(Chosen::Own(asked))]);
    }
    let names = &request.lifecycle.buildpacks;
    if names.is_empty() {
        let found = detect(catalog, facts, &[]).map_err(undetected)?;
        return Ok(found.into_iter().map(Part::Runtime).collect());
    }
    let mut parts = Vec::new();
    for name in names {
        let own = request
            .classic
            .iter()
            .find(|own| own.name.eq_ignore_ascii_case(name));
        match own {
            Some(own) if !own.enabled => return Err(failure::disabled_buildpack(name)),
            Some(own) => parts.push(Part::Classic(Chosen::Own(own))),
            None if classic::is_address(name) => parts.push(Part::Classic(Chosen::At(name))),
            None => {
                let named = std::slice::from_ref(name);
                let found = detect(catalog, facts, named).map_err(undetected)?;
                parts.extend(found.into_iter().map(Part::Runtime));
            }
        }
    }
    Ok(parts)
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

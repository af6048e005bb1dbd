//! What there is to build with: the runtimes, their tools on this host, and how to get others.

use std::path::PathBuf;

use super::tools::{self, Versions};
use crate::runtimes::{Catalog, Runtime};

/// One runtime, and what of it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// The buildpack names that it answers to.
    pub buildpacks: Vec<String>,
    /// What an app is recognised by.
    pub recognised_by: Option<String>,
    /// The image that has its tools, in place of the host.
    pub image: Option<String>,
    /// The versions of the language, the one that is taken where an app wants none first.
    pub versions: Vec<String>,
    /// Its tools.
    pub tools: Vec<ToolReport>,
}

/// One tool of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReport {
    /// What people call it.
    pub name: String,
    /// Whether every app of the runtime needs it.
    pub always: bool,
    /// Where it is, the best first; nowhere if it is missing.
    pub paths: Vec<PathBuf>,
    /// What brings it.
    pub install: String,
}

impl Report {
    /// Whether some app can be built: every tool that all of them need is there, or is an image's.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let there = |tool: &ToolReport| !tool.always || !tool.paths.is_empty();
        self.image.is_some() || self.tools.iter().all(there)
    }
}

/// Looks at the tools of every runtime, and asks them for their versions.
pub async fn survey(catalog: &Catalog) -> Vec<Report> {
    let mut reports = Vec::new();
    for runtime in catalog.iter() {
        reports.push(report(runtime).await);
    }
    reports
}

async fn report(runtime: &Runtime) -> Report {
    let host = runtime.image.is_none();
    let tools: Vec<ToolReport> = runtime
        .tools
        .iter()
        .map(|tool| ToolReport {
            name: tool.name.clone(),
            always: tool.when.is_empty(),
            paths: if host { tools::find(tool) } else { Vec::new() },
            install: tool.install.clone(),
        })
        .collect();
    let mut versions: Vec<String> = Vec::new();
    if let Some(version) = &runtime.version {
        let asked = Versions::default();
        let teller = tools.iter().find(|tool| tool.name == version.tool);
        for path in teller.map(|tool| tool.paths.as_slice()).unwrap_or_default() {
            let told = asked.ask(path, version).await;
            versions.extend(told.filter(|told| !versions.contains(told)));
        }
    }
    Report {
        name: runtime.name.clone(),
        label: runtime.label.clone(),
        buildpacks: runtime.buildpacks.clone(),
        recognised_by: runtime.recognised_by.clone(),
        image: runtime.image.clone(),
        versions,
        tools,
    }
}

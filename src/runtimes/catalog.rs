//! Every runtime that is known: the built-in ones, and an operator's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Condition, Runtime, template};
use crate::model::DropletKind;

/// The built-in files by name. `tests::every_file_is_built_in` holds the list complete.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dotnet.toml", include_str!("../../runtimes/dotnet.toml")),
    ("go.toml", include_str!("../../runtimes/go.toml")),
    ("java.toml", include_str!("../../runtimes/java.toml")),
    ("nginx.toml", include_str!("../../runtimes/nginx.toml")),
    ("nodejs.toml", include_str!("../../runtimes/nodejs.toml")),
    ("php.toml", include_str!("../../runtimes/php.toml")),
    (
        "procfile.toml",
        include_str!("../../runtimes/procfile.toml"),
    ),
    ("python.toml", include_str!("../../runtimes/python.toml")),
    ("r.toml", include_str!("../../runtimes/r.toml")),
    ("ruby.toml", include_str!("../../runtimes/ruby.toml")),
    ("rust.toml", include_str!("../../runtimes/rust.toml")),
    ("static.toml", include_str!("../../runtimes/static.toml")),
    ("wasm.toml", include_str!("../../runtimes/wasm.toml")),
];

/// What is wrong with a runtime's file.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file is not what a runtime's file should be.
    #[error("{file}, line {line}: {message}")]
    Invalid {
        /// Which file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// Every runtime that is known; clones are cheap.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By name.
    runtimes: BTreeMap<String, Arc<Runtime>>,
}

impl Catalog {
    /// The built-in runtimes, replaced and extended by `files` (name and text): of two
    /// runtimes with one name the later counts.
    ///
    /// # Errors
    /// The first file that is wrong, with its line.
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RuntimeError> {
        let mut runtimes = BTreeMap::new();
        for (file, text) in BUILT_IN.iter().copied().chain(files) {
            let runtime = parse(file, text)?;
            runtimes.insert(runtime.name.clone(), Arc::new(runtime));
        }
        Ok(Self { runtimes })
    }

    /// The runtimes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.runtimes.values().map(Arc::as_ref)
    }

    /// The names by which buildpacks are asked for: those of each runtime in its order, none
    /// twice.
    pub fn buildpacks(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        self.iter()
            .flat_map(|runtime| &runtime.buildpacks)
            .map(String::as_str)
            .filter(move |name| seen.insert(*name))
    }

    /// The runtime that answers to a buildpack's name.
    #[must_use]
    pub fn answering(&self, buildpack: &str) -> Option<&Runtime> {
        self.iter().find(|runtime| runtime.answers_to(buildpack))
    }
}

fn parse(file: &str, text: &str) -> Result<Runtime, RuntimeError> {
    let invalid = |at: usize, message: String| RuntimeError::Invalid {
        file: file.to_owned(),
        line: 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count(),
        message,
    };
    let runtime: Runtime = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        invalid(at, error.message().to_owned())
    })?;
    let steps = runtime.steps.iter().map(|step| (&step.when, &step.run));
    let starts = runtime.start.iter().map(|start| (&start.when, &start.run));
    let roots = runtime.root.iter().map(|root| (&root.when, &root.path));
    for (when, template) in steps.chain(starts).chain(roots) {
        if let Some(name) = unbound(when, template) {
            let at = text.find(&format!("{{{{{name}}}}}")).unwrap_or(0);
            return Err(invalid(
                at,
                format!("nothing in its `when` has `as = \"{name}\"`, so {{{{{name}}}}} is empty"),
            ));
        }
    }
    for mistake in &runtime.mistakes {
        if let Some(name) = mistake.unbound() {
            let at = text.find(&format!("{{{{{name}}}}}")).unwrap_or(0);
            return Err(invalid(
                at,
                format!("its `matches` has no group `(?<{name}>...)`, so {{{{{name}}}}} is empty"),
            ));
        }
    }
    if matches!(runtime.kind, DropletKind::Image | DropletKind::Cnb) {
        let at = text.find("kind").unwrap_or(0);
        let message = "the kind is \"process\", \"static\" or \"wasm\"; an image with its tools is named by \
                       `image`";
        return Err(invalid(at, message.to_owned()));
    }
    if let Some(image) = &runtime.image {
        let at = text.find("image").unwrap_or(0);
        if image.trim().is_empty() || image.contains(char::is_whitespace) {
            return Err(invalid(
                at,
                format!("{image:?} is not the name of an image"),
            ));
        }
        if runtime.kind == DropletKind::Wasm {
            let message = "a component is compiled by the platform itself, so it has no image";
            return Err(invalid(at, message.to_owned()));
        }
    }
    if let Some(version) = &runtime.version
        && !runtime.tools.iter().any(|tool| tool.name == version.tool)
    {
        let at = text.find("[version]").unwrap_or(0);
        return Err(invalid(
            at,
            format!("{:?} is none of its tools", version.tool),
        ));
    }
    Ok(runtime)
}

/// A name that `template` uses and `when` never binds.
fn unbound<'a>(when: &Condition, template: &'a str) -> Option<&'a str> {
    template::names(template).find(|name| !when.binds().any(|bound| bound == *name))
}

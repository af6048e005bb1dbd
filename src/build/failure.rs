//! Failed builds in words: what happened, to what, and what to do.

use std::{error::Error, io, time::Duration};

use super::{decision::Wish, output::Output};
use crate::{
    blobs::BlobError,
    images::Reference,
    model::{Exit, Failure, Megabytes},
    runtimes::{DetectError, PlannedStep, ReleaseError, Runtime, Tool, Version},
    sites::SiteError,
};

fn failure(id: &str, detail: impl Into<String>) -> Failure {
    Failure {
        id: id.to_owned(),
        detail: detail.into(),
    }
}

pub(super) fn undetected(error: &DetectError) -> Failure {
    let id = match error {
        DetectError::Unknown { .. } => "NoBuildpacksFound",
        DetectError::Empty | DetectError::Nothing { .. } => "NoAppDetectedError",
    };
    failure(id, error.to_string())
}

pub(super) fn no_release(error: &ReleaseError) -> Failure {
    failure("BuildpackReleaseFailed", error.to_string())
}

pub(super) fn missing_tool(runtime: &Runtime, tool: &Tool) -> Failure {
    failure(
        "BuildpackCompileFailed",
        format!(
            "{} is not installed on this host, and {} apps need it; the operator can install it: {}",
            tool.name, runtime.label, tool.install
        ),
    )
}

/// A mistake in the files that say how a site is served.
pub(super) fn bad_site(error: &SiteError) -> Failure {
    failure("BuildpackCompileFailed", chain(error))
}

/// A buildpack that is asked for and not to be used.
pub(super) fn disabled_buildpack(name: &str) -> Failure {
    failure(
        "NoBuildpacksFound",
        format!(
            "the buildpack {name} is disabled: ask for another one, or have the operator enable it"
        ),
    )
}

/// What a buildpack says about starting that makes no sense.
pub(super) fn bad_release(name: &str, what: &str, reason: &str) -> Failure {
    failure(
        "BuildpackReleaseFailed",
        format!(
            "the buildpack {name} is broken: {what} is not how it says an app is started: {reason}"
        ),
    )
}

/// None of the versions that are there is one that the app wants.
pub(super) fn unsupported_version(
    runtime: &Runtime,
    asked: &Version,
    wish: &Wish,
    there: &[String],
) -> Failure {
    let tool = runtime.tools.iter().find(|tool| tool.name == asked.tool);
    let install = tool.map_or("", |tool| tool.install.as_str());
    let Wish {
        versions, place, ..
    } = wish;
    let later = if wish.least { " or later" } else { "" };
    failure(
        "BuildpackCompileFailed",
        format!(
            "{place} wants {} {versions}{later}, and this host has {}: change {place}, or have the \
             operator add that version ({install})",
            runtime.label,
            there.join(" and "),
        ),
    )
}

/// Something on the platform's side.
pub(super) fn host(what: &str, error: &(dyn Error + 'static)) -> Failure {
    if full(error) {
        return failure(
            "InsufficientResources",
            format!(
                "cannot {what}: the platform's disk is full; the operator has to make room, then \
                 push again"
            ),
        );
    }
    failure("StagingError", format!("cannot {what}: {}", chain(error)))
}

/// A build that needs more memory than there is.
pub(super) fn never_room(memory: Megabytes, whole: Megabytes) -> Failure {
    failure(
        "InsufficientResources",
        format!(
            "the build needs {memory} of memory, and the platform has {whole} for all apps and \
             builds; the operator can give it more (limits.machine_memory)"
        ),
    )
}

/// A build for whose memory there was no room in time.
pub(super) fn no_room(memory: Megabytes, timeout: Duration) -> Failure {
    failure(
        "InsufficientResources",
        format!(
            "there was no room for the {memory} of memory that the build needs within {} \
             minutes; stop or scale down apps, or have the operator give the platform more \
             (limits.machine_memory)",
            timeout.as_secs().div_ceil(60)
        ),
    )
}

/// A package that does not fit on the disk of its build.
pub(super) fn too_large_to_build(disk: Megabytes) -> Failure {
    failure(
        "InsufficientResources",
        format!(
            "the package is larger when unpacked than the {disk} of disk that a build may use; \
             push less (a .cfignore names what to leave out), or have the operator allow builds \
             more disk"
        ),
    )
}

/// A package or droplet that could not be kept or unpacked.
pub(super) fn blob(what: &str, error: &BlobError) -> Failure {
    match error {
        BlobError::TooLarge { .. } | BlobError::Refused(_) => {
            failure("StagingError", format!("cannot {what}: {error}"))
        }
        BlobError::Missing(_) => failure(
            "StagingError",
            format!("cannot {what}: its bits are not kept any more; push again"),
        ),
        _ => host(what, error),
    }
}

/// An image that could not be had, where the host is not at fault.
pub(super) fn image(what: &str, error: &(dyn Error + 'static)) -> Failure {
    failure("StagingError", format!("cannot {what}: {}", chain(error)))
}

/// A name of a Cloud Native Buildpack behind which is none.
pub(super) fn no_cloud_native_buildpack(name: &str) -> Failure {
    failure(
        "NoBuildpacksFound",
        format!(
            "{name} is no Cloud Native Buildpack: name the image of one (docker://REGISTRY/NAME:TAG), which \
             `pack buildpack package` makes, or the id of one in the builder"
        ),
    )
}

/// Nothing of what was built serves requests.
pub(super) fn no_web_process() -> Failure {
    failure(
        "BuildpackReleaseFailed",
        "the buildpacks say no process `web`, and none that starts by itself: push with -c COMMAND"
            .to_owned(),
    )
}

/// An image that is larger than what its app was given, or than any may be.
pub(super) fn image_too_large(error: &(dyn Error + 'static), disk: Megabytes) -> Failure {
    failure(
        "InsufficientResources",
        format!(
            "{error}. An image counts for the disk of its app, which is {disk}: give it more with -k, up \
             to what the operator allows any image"
        ),
    )
}

/// An error and its causes in one line.
pub(super) fn line(error: &(dyn Error + 'static)) -> String {
    chain(error)
}

/// An image that did not come in time.
pub(super) fn slow_registry(registry: &str, limit: std::time::Duration) -> Failure {
    failure(
        "StagingTimeExpired",
        format!(
            "pulling the image was stopped: a build may take {} here. Layers that have come from \
             {registry} are kept, so pushing again goes on from there.",
            minutes(limit)
        ),
    )
}

/// An image that says nothing to run.
pub(super) fn image_without_command(reference: &Reference) -> Failure {
    failure(
        "StagingError",
        format!(
            "image {reference} has neither an ENTRYPOINT nor a CMD: push it with a start command \
             (-c COMMAND)"
        ),
    )
}

/// Where and under which limits a build ran.
pub(super) struct Ran<'a> {
    pub(super) app: &'a str,
    pub(super) steps: &'a [PlannedStep],
    pub(super) output: &'a Output,
    pub(super) memory: Megabytes,
    pub(super) disk: Megabytes,
    /// What the app's cache may hold, where it holds that.
    pub(super) full_cache: Option<Megabytes>,
}

impl Ran<'_> {
    fn step(&self) -> String {
        match self.output.step().and_then(|number| self.steps.get(number)) {
            Some(step) => format!("the step \"{}\"", step.name),
            None => "the preparation of the build".to_owned(),
        }
    }

    fn told(&self, what: &str, advice: &str) -> String {
        // The cause and its mend, where they are known, before the tool's own words.
        let mut text = match self.output.mistake() {
            Some(mistake) => format!("{mistake}\n  {what}"),
            None => what.to_owned(),
        };
        if let Some(command) = self.output.failed() {
            text.push_str("\n  command: ");
            text.push_str(command);
        }
        for line in self.output.last() {
            text.push_str("\n  | ");
            text.push_str(line);
        }
        text.push('\n');
        text.push_str(advice);
        text
    }

    /// A build that ended by itself and badly.
    pub(super) fn ended(&self, exit: &Exit) -> Failure {
        let step = self.step();
        match exit {
            Exit::OutOfMemory => failure(
                "InsufficientResources",
                self.told(
                    &format!(
                        "{step} needed more than the {} that a build may use",
                        self.memory
                    ),
                    "Make the build smaller, or build it elsewhere and push the result; the \
                     operator can allow builds more memory.",
                ),
            ),
            Exit::NotStarted { reason } => failure(
                "StagingError",
                format!("the sandbox of the build could not be started: {reason}"),
            ),
            Exit::Lost | Exit::Stopped { .. } => failure(
                "StagingError",
                format!("{step} was interrupted by the platform; push again"),
            ),
            Exit::Code { .. } | Exit::Signal { .. } | Exit::OutOfDisk { .. }
                if self.full_cache.is_some() || self.output.no_room() =>
            {
                self.no_room(&step)
            }
            Exit::OutOfDisk { .. } => self.no_room(&step),
            Exit::Code { .. } | Exit::Signal { .. } => failure(
                "BuildpackCompileFailed",
                self.told(
                    &format!("{step} failed: {}", exit.describe()),
                    &format!(
                        "Mend that and push again; all of the output is in the log of {}.",
                        crate::runtimes::quote(self.app)
                    ),
                ),
            ),
        }
    }

    /// A build that found no room on its disk, or on its cache's.
    fn no_room(&self, step: &str) -> Failure {
        let (what, advice) = match self.full_cache {
            Some(size) => (
                format!("{step} filled the app's build cache, which may hold {size}"),
                "The cache is thrown away: push again to build with an empty one.",
            ),
            None => (
                format!(
                    "{step} needed more than the {} of disk that a build may use",
                    self.disk
                ),
                "Make the build smaller, or build it elsewhere and push the result; the operator \
                 can allow builds more disk.",
            ),
        };
        failure("InsufficientResources", self.told(&what, advice))
    }

    /// A build that took too long.
    pub(super) fn timed_out(&self, limit: std::time::Duration) -> Failure {
        let what = format!(
            "{} was stopped: a build may take {} here",
            self.step(),
            minutes(limit)
        );
        failure(
            "StagingTimeExpired",
            self.told(
                &what,
                "Look whether the last lines above wait for something. What was downloaded is \
                 kept, so pushing again goes on from there.",
            ),
        )
    }
}

fn minutes(limit: std::time::Duration) -> String {
    match limit.as_secs() {
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

fn full(error: &(dyn Error + 'static)) -> bool {
    let full = error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    });
    full || error.source().is_some_and(self::full)
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(then: impl FnOnce(Ran<'_>) -> Failure) -> String {
        let steps = [PlannedStep {
            name: "Installing the locked modules".to_owned(),
            run: "npm ci".to_owned(),
        }];
        let mut output = Output::new("n", Vec::new());
        for line in [
            "\u{1e}n begin 0",
            "npm error code E404",
            "npm error 404 Not Found: left-padd@^1.0.0",
            "\u{1e}n fail 1 npm ci --omit=dev",
        ] {
            output.take(line.as_bytes());
        }
        let failure = then(Ran {
            app: "my shop",
            steps: &steps,
            output: &output,
            memory: Megabytes(1024),
            disk: Megabytes(8192),
            full_cache: None,
        });
        format!("{}: {}", failure.id, failure.detail)
    }

    #[test]
    fn tell_the_step_the_command_and_the_last_lines() {
        let full = Exit::OutOfDisk {
            status: 1,
            quota: Megabytes(8191),
        };
        let failures = [
            ran(|ran| ran.ended(&Exit::Code { code: 1 })),
            ran(|ran| ran.ended(&Exit::OutOfMemory)),
            ran(|ran| ran.ended(&full)),
            ran(|mut ran| {
                ran.full_cache = Some(Megabytes(4096));
                ran.ended(&Exit::Code { code: 1 })
            }),
            ran(|ran| ran.timed_out(std::time::Duration::from_secs(900))),
            ran(|ran| ran.ended(&Exit::Lost)),
        ];
        insta::assert_snapshot!(failures.join("\n\n"));
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = BlobError::Io {
            what: "write x".to_owned(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert_eq!(blob("keep the droplet", &error).id, "InsufficientResources");
        let error = BlobError::Io {
            what: "write x".to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        let told = blob("keep the droplet", &error);
        assert_eq!(told.id, "StagingError");
        assert_eq!(
            told.detail,
            "cannot keep the droplet: cannot write x: permission denied"
        );
    }
}

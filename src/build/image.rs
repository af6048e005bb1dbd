//! Images in builds: one that is the app itself, and one that has the tools.

use super::{Builder, Request, Staged, failure, log::StagingLog, request::Source};
use crate::{
    images::{ImageError, Lease, Reference},
    model::{DropletKind, Failure, Image, ImageSource, ProcessType},
    runtimes::{Runtime, quote},
};

/// The root of an image, for a build and perhaps its app.
#[derive(Debug)]
pub(super) struct Toolchain {
    pub(super) image: Image,
    /// Where its layers are, the lowest first.
    pub(super) layers: Vec<std::path::PathBuf>,
    /// Variables that it sets.
    pub(super) env: Vec<(String, String)>,
    /// Keeps its layers while they are needed here.
    pub(super) lease: Lease,
    /// Keeps what lies on them.
    pub(super) more: Vec<Lease>,
}

impl Builder {
    /// Pulls the image that the app is.
    pub(super) async fn pull(
        &self,
        request: &Request,
        source: &ImageSource,
        log: &StagingLog,
    ) -> Result<(Staged, Lease), Failure> {
        let reference = Reference::parse(&source.reference)
            .map_err(|error| failure::image("pull the image", &error))?;
        log.say(format!("-----> Pulling {reference}"));
        // As in Cloud Foundry an image counts for the disk of its app: what a tenant can make the
        // host keep is what the tenant was given.
        let most = request.disk.bytes();
        let pull = self
            .images
            .pull(&reference, source.login.clone(), Some(most), |line| {
                log.say(format!("       {line}"));
            });
        let timeout = self.config.timeout;
        let pulled = tokio::time::timeout(timeout, pull)
            .await
            .map_err(|_| failure::slow_registry(reference.registry(), timeout))?
            .map_err(|error| match error {
                ImageError::TooLarge { .. } => failure::image_too_large(&error, request.disk),
                error => told(&error),
            })?;
        let launch = pulled.launch;
        let command = launch.command();
        if command.is_empty() && !request.own_command {
            return Err(failure::image_without_command(&reference));
        }
        let shown: Vec<_> = command.iter().map(|word| quote(word)).collect();
        let mut process_types = std::collections::BTreeMap::new();
        if !command.is_empty() {
            process_types.insert(ProcessType::web(), shown.join(" "));
            log.say(format!("       web: {}", shown.join(" ")));
        }
        let digest = pulled.image.digest.trim_start_matches("sha256:");
        let staged = Staged {
            sha256: digest.to_owned(),
            size: pulled.size,
            kind: DropletKind::Image,
            process_types,
            env: pulled.env.into_iter().collect(),
            static_root: String::new(),
            image: Some(pulled.image),
            launch: Some(launch),
            buildpacks: Vec::new(),
            stack: String::new(),
        };
        Ok((staged, pulled.lease))
    }

    /// Has the image with a runtime's tools. Where its registry does not answer, the one that
    /// it last gave will do.
    pub(super) async fn toolchain(
        &self,
        runtime: &Runtime,
        log: &StagingLog,
    ) -> Result<Option<Toolchain>, Failure> {
        let Some(name) = &runtime.image else {
            return Ok(None);
        };
        let reference = Reference::parse(name)
            .map_err(|error| failure::image("use the runtime's image", &error))?;
        log.say(format!("-----> Using {reference}"));
        let pull = self.images.pull(&reference, None, None, |_| {});
        let (image, env) = match tokio::time::timeout(self.config.timeout, pull).await {
            Err(_) => {
                let registry = reference.registry();
                return Err(failure::slow_registry(registry, self.config.timeout));
            }
            Ok(Ok(pulled)) => {
                let (image, env) = (pulled.image.clone(), pulled.env.clone());
                let (images, kept) = (self.images.clone(), image.clone());
                super::builder::blocking("remember the runtime's image", move || {
                    images.keep_toolchain(&kept).map_err(|error| told(&error))
                })
                .await?;
                drop(pulled.lease);
                (image, env)
            }
            Ok(Err(error)) => match self.images.toolchain(&reference.to_string()) {
                Some(image) if !error.is_ours() => {
                    log.say(format!(
                        "       {}; going on with {}",
                        failure::line(&error),
                        image.digest
                    ));
                    (image, Vec::new())
                }
                _ => return Err(told(&error)),
            },
        };
        let (layers, lease) = self.images.layers(&image).map_err(|error| told(&error))?;
        Ok(Some(Toolchain {
            image,
            layers,
            env,
            lease,
            more: Vec::new(),
        }))
    }
}

pub(super) fn told(error: &ImageError) -> Failure {
    if error.is_ours() {
        failure::host("keep the image", error)
    } else {
        failure::image("pull the image", error)
    }
}

impl Request {
    /// The digest of the package's archive, where it is one.
    pub(super) fn archive(&self) -> Result<&str, Failure> {
        match &self.source {
            Source::Bits { sha256 } => Ok(sha256),
            Source::Image(_) => Err(Failure {
                id: "StagingError".to_owned(),
                detail: "the package is an image and has no files".to_owned(),
            }),
        }
    }
}

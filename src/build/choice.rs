//! What builds an app: which version of a tool, and which of the operator's buildpacks.

use std::{io, path::PathBuf, sync::Arc};

use super::{
    Builder, Request,
    builder::blocking,
    classic::{self, Classic},
    decision::{Decision, Teller},
    failure,
    folder::Folder,
    leftovers::Guard,
    log::StagingLog,
    run,
};
use crate::{
    model::{DropletBuildpack, Failure, LifecycleKind},
    runtimes::{Runtime, Version},
    sandbox::Bind,
};

impl Builder {
    /// Chooses among several versions of a tool the one that the app wants, and says which
    /// runtimes have a part.
    pub(super) async fn buildpacks(
        &self,
        decision: &mut Decision,
    ) -> Result<Vec<DropletBuildpack>, Failure> {
        let mut buildpacks = Vec::new();
        for (runtime, teller) in decision.runtimes.iter().zip(&decision.tellers) {
            let mut version = None;
            if let (Some(teller), Some(asked)) = (teller, &runtime.version) {
                let chosen = self.choose(runtime, asked, teller).await?;
                version = chosen.1;
                let best = teller.programs.first();
                if let Some(tool) = decision.tools.iter_mut().find(|tool| Some(&**tool) == best) {
                    *tool = chosen.0;
                }
            }
            buildpacks.push(DropletBuildpack {
                name: runtime.buildpack().to_owned(),
                detect_output: match &version {
                    Some(version) => format!("{} {version}", runtime.label),
                    None => runtime.label.clone(),
                },
                version,
            });
        }
        Ok(buildpacks)
    }

    /// The best program whose version the app wants.
    async fn choose(
        &self,
        runtime: &Runtime,
        asked: &Version,
        teller: &Teller,
    ) -> Result<(PathBuf, Option<String>), Failure> {
        let mut there = Vec::new();
        for program in &teller.programs {
            let told = self.versions.ask(program, asked).await;
            match (&teller.wish, told) {
                (Some(wish), Some(version)) if !wish.holds(&version) => there.push(version),
                (_, told) => return Ok((program.clone(), told)),
            }
        }
        let wish = teller.wish.as_ref();
        Err(wish.map_or_else(
            || failure::host("find the tools", &std::io::Error::other("there are none")),
            |wish| failure::unsupported_version(runtime, asked, wish, &there),
        ))
    }

    /// The first of the operator's buildpacks that recognises the app, and its words, where the
    /// app names none.
    pub(super) async fn ask(
        &self,
        request: &Arc<Request>,
        folder: &Folder,
        guard: &mut Guard,
        log: &StagingLog,
    ) -> Result<Option<(Classic, String)>, Failure> {
        let asked = request.classic.iter().filter(|classic| classic.enabled);
        let mut asked: Vec<&Classic> = asked.collect();
        let native = request.lifecycle.kind == LifecycleKind::Cnb;
        if native || asked.is_empty() || !request.lifecycle.buildpacks.is_empty() {
            return Ok(None);
        }
        if asked.iter().any(|classic| classic.behind > 0) {
            // Those behind the runtime that would have it need not be asked.
            let first = self.recognised(request, folder).await;
            asked.retain(|classic| first.is_none_or(|first| classic.behind <= first));
            if asked.is_empty() {
                return Ok(None);
            }
        }
        let known = request.classic.clone();
        let dir = self.config.dir.join(classic::FOLDER);
        blocking("look after the buildpacks", move || {
            classic::tidy(&dir, &known);
            Ok(())
        })
        .await?;
        let digests: Vec<_> = asked.iter().map(|classic| classic.sha256.clone()).collect();
        let decision = Decision {
            steps: vec![classic::detection(&asked)],
            ..Decision::default()
        };
        let place = run::Place {
            folder,
            cache: None,
            buildpacks: self.unpacked(&digests).await?,
            toolchain: None,
        };
        run::run(&self.config, request, &decision, place, guard, log).await?;
        guard.again().await;
        let folder = folder.clone();
        let detected = blocking("look at what the buildpacks say", move || {
            let again = folder.reclaim().and_then(|()| folder.renew_sandbox());
            again.map_err(|error| failure::host("prepare the build", &error))?;
            Ok(classic::detected(&folder.home()))
        })
        .await?;
        Ok(detected.and_then(|(at, said)| Some(((*asked.get(at)?).clone(), said))))
    }

    /// The place, among the platform's own buildpacks, of the one that would build the app.
    async fn recognised(&self, request: &Arc<Request>, folder: &Folder) -> Option<usize> {
        let decision = self.decide(request, folder, None).await.ok()?;
        let name = decision.runtimes.last()?.buildpack().to_owned();
        let catalog = self.runtimes.borrow().clone();
        let is_taken = |name: &str| {
            let mut own = request.classic.iter();
            own.any(|own| own.name.eq_ignore_ascii_case(name))
        };
        let mut free = catalog.buildpacks().filter(|name| !is_taken(name));
        free.position(|free| free == name)
    }

    /// The buildpacks with these digests, unpacked, as a sandbox sees them.
    pub(super) async fn unpacked(&self, digests: &[String]) -> Result<Vec<Bind>, Failure> {
        let dir = self.config.dir.join(classic::FOLDER);
        let mut binds = Vec::new();
        for sha256 in digests {
            let place = dir.join(sha256);
            if !place.is_dir() {
                let failed = |error: io::Error| failure::host("unpack a buildpack", &error);
                let fresh = dir.join(format!("{sha256}.{}", uuid::Uuid::new_v4().simple()));
                std::fs::create_dir_all(&fresh).map_err(failed)?;
                let unpacked = self.blobs.unpack_package(sha256, &fresh, None).await;
                unpacked.map_err(|error| failure::blob("unpack a buildpack", &error))?;
                // Another build may have been faster.
                if let Err(error) = std::fs::rename(&fresh, &place)
                    && !place.is_dir()
                {
                    return Err(failed(error));
                }
            }
            binds.push(classic::bind(&dir, sha256));
        }
        Ok(binds)
    }
}

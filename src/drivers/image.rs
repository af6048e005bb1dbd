//! Instances of images, and instances that run in the root of one.

use crate::{
    images::{Images, Lease},
    model::{Droplet, Launch, Process, ProcessType},
    sandbox::{ImageRoot, User},
};

/// The root that a droplet runs in, where that is an image's, and what keeps its layers for the
/// time being.
pub(super) fn root(
    images: &Images,
    droplet: &Droplet,
) -> Result<Option<(ImageRoot, Lease)>, String> {
    let Some(image) = &droplet.image else {
        return Ok(None);
    };
    let (layers, lease) = images.layers(image).map_err(|error| error.to_string())?;
    let user = droplet.launch.as_ref().map(|launch| User {
        uid: launch.uid,
        gid: launch.gid,
        groups: launch.groups.clone(),
    });
    let stop_signal = droplet
        .launch
        .as_ref()
        .and_then(|launch| launch.stop_signal);
    let root = ImageRoot {
        layers,
        user,
        stop_signal,
    };
    Ok(Some((root, lease)))
}

/// What an image runs, and where: the user's command in its shell, or what it says itself.
pub(super) fn command(process: &Process, launch: &Launch) -> Result<(Vec<String>, String), String> {
    let own = process.command.as_ref();
    let argv = match own.filter(|command| !command.trim().is_empty()) {
        Some(command) => ["/bin/sh", "-c", command].map(str::to_owned).into(),
        None if process.process_type == ProcessType::web() => launch.command(),
        None => Vec::new(),
    };
    if argv.is_empty() {
        return Err(format!(
            "process {:?} has no start command: the image says none; give one in the manifest or with \
             -c",
            process.process_type
        ));
    }
    Ok((argv, launch.workdir.clone()))
}

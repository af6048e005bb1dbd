//! Whether sandboxes can have a way out.

use std::{fs::OpenOptions, io};

use super::Finding;
use crate::sandbox::tunnel::MAKER;

/// Tries to open what devices are made with.
pub(super) fn look() -> Finding {
    let what = "a way out of sandboxes";
    match OpenOptions::new().read(true).write(true).open(MAKER) {
        Ok(_) => Finding::enforced(
            what,
            "each connection is held to the security groups, services and network policies of its app",
        ),
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::PermissionDenied => "chmod 0666 /dev/net/tun, as udev sets it",
                _ => {
                    "modprobe tun; in a container give it the device (with Docker: --device /dev/net/tun)"
                }
            };
            Finding::missing(
                what,
                format!(
                    "{MAKER} cannot be opened ({error}), so apps and builds reach nothing outside"
                ),
            )
            .mended_by(remedy)
        }
    }
}

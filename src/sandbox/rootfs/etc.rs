//! `/etc`: a few files of our own, and what toolchains look for on the host.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Piece, READ_ONLY, SandboxError};
use crate::sandbox::{Network, Spec, VCAP, status::Doing, tunnel::RESOLVER};

/// Seen as they are on the host, where they are there.
const SHARED: [&str; 25] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "gitconfig",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "maven",
    "mime.types",
    "npmrc",
    "os-release",
    "pip.conf",
    "pki",
    "protocols",
    "python3",
    "services",
    "ssl",
    "timezone",
];

const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\n\
                        protocols: files\nservices: files\n";

pub(super) fn gather(spec: &Spec) -> Result<Vec<(PathBuf, Piece)>, SandboxError> {
    let mut names: Vec<String> = Vec::new();
    // An image brings its own tools and what belongs to them.
    if spec.root.is_none() {
        names.extend(SHARED.map(str::to_owned));
        let listed = fs::read_dir("/etc").doing(|| "list /etc".to_owned())?;
        let java = listed
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        names.extend(java.filter(|name| name.starts_with("java-") || name.starts_with("python3.")));
    }
    let mut found = Vec::new();
    for name in names {
        let path = Path::new("/etc").join(name);
        // What this user may not see is not there, either.
        if let Ok(Some(piece)) = Piece::take(&path, false) {
            found.push((path, piece));
        }
    }
    Ok(found)
}

/// The platform's own files in an image's `/etc`. Its users are the image's where it is the
/// app itself, else those that tools of the host would see.
pub(super) fn of_image(spec: &Spec) -> Vec<(&'static str, String)> {
    let network = ["hosts", "hostname", "resolv.conf"];
    let mut files = own(spec);
    if spec.is_image() {
        files.retain(|(name, _)| network.contains(name));
    }
    if !files.iter().any(|(name, _)| *name == "resolv.conf") {
        // Not the one that was there when the image was made.
        files.push(("resolv.conf", String::new()));
    }
    files
}

fn own(spec: &Spec) -> Vec<(&'static str, String)> {
    let name = &spec.hostname;
    let names = (spec.network == Network::Tunnel)
        .then(|| ("resolv.conf", format!("nameserver {RESOLVER}\n")));
    let mut files = vec![
        (
            "passwd",
            format!(
                "root:x:0:0:root:/root:/usr/sbin/nologin\n\
             vcap:x:{VCAP}:{VCAP}:vcap:/home/vcap:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        (
            "group",
            format!("root:x:0:\nvcap:x:{VCAP}:\nnogroup:x:65534:\n"),
        ),
        (
            "hosts",
            format!("127.0.0.1 localhost {name}\n::1 localhost ip6-localhost ip6-loopback\n"),
        ),
        ("hostname", format!("{name}\n")),
        ("nsswitch.conf", NSSWITCH.to_owned()),
    ];
    files.extend(names);
    files
}

pub(super) fn compose(spec: &Spec, shared: &[(PathBuf, Piece)]) -> Result<(), SandboxError> {
    for (name, text) in own(spec) {
        let path = Path::new("/etc").join(name);
        fs::write(&path, text).doing(|| format!("write {} in the sandbox", path.display()))?;
    }
    shared
        .iter()
        .try_for_each(|(target, piece)| piece.attach(target, READ_ONLY))
}

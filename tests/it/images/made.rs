//! Images that the tests make themselves: layers as tars, and the JSON around them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// The digest of `bytes` as images write it.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let sum = Sha256::digest(bytes);
    sum.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A layer in the making.
pub(super) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(super) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// One with the static busybox in it, and the names of its tools.
    pub(super) fn busybox() -> Self {
        let path = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| is_static(&std::fs::read(path).unwrap_or_default()))
            .expect(
                "no static busybox is here: run `make prerequisites` (Debian's busybox-static)",
            );
        let program = std::fs::read(path).unwrap();
        let mut layer = Self::new()
            .folder("bin", 0o755)
            .file("bin/busybox", 0o755, &program)
            .folder("tmp", 0o1777)
            .folder("etc", 0o755);
        for tool in [
            "sh", "httpd", "id", "cat", "ls", "sleep", "stat", "env", "pwd", "hostname", "echo",
            "kill", "test", "touch", "chown", "rm", "mkdir", "su", "trap", "wc", "grep", "head",
            "mount", "ln",
        ] {
            layer = layer.hard_link(&format!("bin/{tool}"), "bin/busybox");
        }
        layer
            .file(
                "etc/passwd",
                0o644,
                b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/srv:/bin/sh\n",
            )
            .file(
                "etc/group",
                0o644,
                b"root:x:0:\napp:x:1001:\nmedia:x:44:app\n",
            )
    }

    pub(super) fn folder(self, name: &str, mode: u32) -> Self {
        self.entry(name, EntryType::Directory, mode, (0, 0), b"")
    }

    pub(super) fn file(self, name: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, mode, (0, 0), content)
    }

    pub(super) fn owned(self, name: &str, mode: u32, owner: (u64, u64), content: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, mode, owner, content)
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.linked(name, EntryType::Symlink, target)
    }

    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.linked(name, EntryType::Link, target)
    }

    /// An entry with whatever name, as no honest tool writes it.
    pub(super) fn entry(
        mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        (uid, gid): (u64, u64),
        content: &[u8],
    ) -> Self {
        let mut header = header(name, kind, mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn linked(mut self, name: &str, kind: EntryType, target: &str) -> Self {
        let mut header = header(name, kind, 0o777);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_size(0);
        header.set_cksum();
        self.0.append(&header, &b""[..]).unwrap();
        self
    }

    /// With extended attributes for the entry that follows.
    pub(super) fn xattrs(mut self, attributes: &[(&str, &str)]) -> Self {
        let all = attributes
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_bytes()));
        let all: Vec<_> = all.collect();
        let all = all.iter().map(|(name, value)| (name.as_str(), *value));
        self.0.append_pax_extensions(all).unwrap();
        self
    }

    /// The archive.
    pub(super) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Whether a program of 64 bits needs no loader (elf(5)): it has no `PT_INTERP`.
fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        let read = program.get(at..at + bytes).unwrap_or_default();
        read.iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    program.starts_with(b"\x7fELF") && (0..count).all(|index| number(table + index * size, 4) != 3)
}

fn header(name: &str, kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    // Past what the crate would let through.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Gzip,
    Zstd,
    Plain,
}

impl Packed {
    pub(super) fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Zstd => zstd::encode_all(tar, 1).unwrap(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(tar).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::Gzip => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// An image: what a registry holds of it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) blobs: Vec<Vec<u8>>,
    pub(super) manifest: Value,
}

/// The processor as images name it.
pub(super) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

impl Image {
    /// An image of these layers, run as `run` says.
    pub(super) fn new(layers: &[(Vec<u8>, Packed)], run: &Value) -> Self {
        let ids: Vec<String> = layers.iter().map(|(tar, _)| digest(tar)).collect();
        let config = json!({
            "architecture": ARCHITECTURE, "os": "linux", "config": run,
            "rootfs": { "type": "layers", "diff_ids": ids },
        });
        let packed: Vec<_> = layers
            .iter()
            .map(|(tar, how)| (how.pack(tar), how.media_type()))
            .collect();
        let config = config.to_string().into_bytes();
        // Docker's schema where a layer is Docker's, else the other one.
        let docker = packed.iter().any(|(_, kind)| kind.contains("docker"));
        let (kind, config_kind) = if docker {
            (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            )
        } else {
            (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
            )
        };
        let descriptors: Vec<Value> = packed
            .iter()
            .map(|(bytes, kind)| descriptor(kind, bytes))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind,
            "config": descriptor(config_kind, &config), "layers": descriptors,
        });
        let mut blobs: Vec<_> = packed.into_iter().map(|(bytes, _)| bytes).collect();
        blobs.push(config);
        Self { blobs, manifest }
    }

    /// The digest of its manifest.
    pub(super) fn digest(&self) -> String {
        digest(self.manifest.to_string().as_bytes())
    }
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
}

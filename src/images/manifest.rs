//! Manifests of images, in Docker's second schema and the Open Container Initiative's, which
//! differ in the names of their types alone.

use serde::Deserialize;

use super::{ImageError, reference::is_digest};
use crate::model::LayerId;

/// Most layers of an image: what the kernel's overlay can stack in the one page of its options.
pub(super) const MAX_LAYERS: usize = 128;

/// What is asked for, as the `Accept` header has it.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A thing in the registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Platform {
    architecture: String,
    os: String,
    variant: String,
}

/// Either kind of manifest; which one is told by what it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    schema_version: u32,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

/// What a manifest turned out to be.
#[derive(Debug)]
pub(super) enum Manifest {
    /// Images for several platforms; this is ours.
    Index(Descriptor),
    /// One image.
    Image {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
}

/// The processor as images name it.
pub(super) const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

fn refused(why: impl Into<String>) -> ImageError {
    ImageError::refused("the image's manifest", why)
}

/// The manifest in `text`.
pub(super) fn parse(text: &[u8]) -> Result<Manifest, ImageError> {
    let any: Any = serde_json::from_slice(text)
        .map_err(|error| refused(format!("is not one that is known here ({error})")))?;
    if any.schema_version != 2 {
        return Err(refused(
            "is of the first schema, which has been out of use for years: push the image again with a \
             tool of today",
        ));
    }
    match (any.manifests, any.config, any.layers) {
        (Some(manifests), None, None) => ours(manifests).map(Manifest::Index),
        (None, Some(config), Some(layers)) => {
            check(&config)?;
            if !is_config(&config.media_type) {
                let kind = super::error::quoted(&config.media_type);
                return Err(refused(format!(
                    "is not that of an image that can be run (it holds {kind:?})"
                )));
            }
            if layers.is_empty() || layers.len() > MAX_LAYERS {
                return Err(refused(format!(
                    "has {} layers, and an image has from 1 to {MAX_LAYERS}",
                    layers.len()
                )));
            }
            layers.iter().try_for_each(layer)?;
            Ok(Manifest::Image { config, layers })
        }
        _ => Err(refused("is neither that of an image nor a list of images")),
    }
}

/// The one for this machine.
fn ours(manifests: Vec<Descriptor>) -> Result<Descriptor, ImageError> {
    let fits = |found: &Descriptor| {
        let Some(platform) = &found.platform else {
            return false;
        };
        // `v8` is what every 64-bit ARM is; no other variant may be assumed.
        platform.os == "linux"
            && platform.architecture == architecture()
            && matches!(platform.variant.as_str(), "" | "v8" | "v1")
    };
    let others: Vec<String> = manifests
        .iter()
        .filter_map(|found| found.platform.as_ref())
        .filter(|platform| platform.os != "unknown")
        .take(8)
        .map(|platform| super::error::quoted(&format!("{}/{}", platform.os, platform.architecture)))
        .collect();
    let found = manifests.into_iter().find(fits).ok_or_else(|| {
        refused(format!(
            "has no image for linux/{}; it has: {}",
            architecture(),
            others.join(", ")
        ))
    })?;
    check(&found)?;
    Ok(found)
}

fn check(found: &Descriptor) -> Result<(), ImageError> {
    if is_digest(&found.digest) {
        return Ok(());
    }
    let shown = super::error::quoted(&found.digest);
    Err(refused(format!(
        "has the digest {shown:?}, which is not a SHA-256"
    )))
}

fn is_config(kind: &str) -> bool {
    matches!(
        kind,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
            | "application/octet-stream"
    )
}

fn layer(found: &Descriptor) -> Result<(), ImageError> {
    check(found)?;
    match found.media_type.as_str() {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.v1.tar+zstd"
        | "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(()),
        kind if kind.contains("foreign") || kind.contains("nondistributable") => Err(refused(
            "has a layer that its registry does not hold (a foreign one)",
        )),
        kind => {
            let kind = super::error::quoted(kind);
            Err(refused(format!("has a layer of the unknown type {kind:?}")))
        }
    }
}

/// What the configuration of an image says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImageConfig {
    architecture: String,
    os: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) config: RunConfig,
    rootfs: Rootfs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rootfs {
    diff_ids: Vec<String>,
}

/// How an image is to be run, as it says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RunConfig {
    #[serde(deserialize_with = "or_default")]
    pub(super) user: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) cmd: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) working_dir: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) exposed_ports: std::collections::BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) stop_signal: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: std::collections::BTreeMap<String, String>,
}

/// Tools write `null` for what is empty.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The configuration in `text`, and the identities of its `layers` layers.
pub(super) fn config(text: &[u8], layers: usize) -> Result<(RunConfig, Vec<LayerId>), ImageError> {
    let refuse = |why: String| ImageError::refused("the image's configuration", why);
    let config: ImageConfig = serde_json::from_slice(text)
        .map_err(|error| refuse(format!("cannot be read ({error})")))?;
    if config.os != "linux" || config.architecture != architecture() {
        let found = super::error::quoted(&format!("{}/{}", config.os, config.architecture));
        return Err(refuse(format!(
            "is for {found}, and this machine is linux/{}",
            architecture()
        )));
    }
    let ids = &config.rootfs.diff_ids;
    if ids.len() != layers {
        return Err(refuse(format!(
            "tells of {} layers, and the manifest of {layers}",
            ids.len()
        )));
    }
    let ids = ids
        .iter()
        .map(|id| id.strip_prefix("sha256:").unwrap_or(id).parse())
        .collect::<Result<Vec<LayerId>, _>>()
        .map_err(|error| refuse(format!("is wrong: {error}")))?;
    Ok((config.config, ids))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest('a'), "size": 10,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest('b'), "size": 20,
            }],
        })
    }

    fn told(manifest: &Value) -> String {
        match parse(manifest.to_string().as_bytes()) {
            Ok(Manifest::Image { layers, .. }) => format!("{} layers", layers.len()),
            Ok(Manifest::Index(found)) => found.digest,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_manifest_is_an_image_or_leads_to_ours() {
        assert_eq!(told(&image()), "1 layers");
        let of = |architecture: &str, os: &str, letter: char| {
            json!({
                "digest": digest(letter), "size": 3,
                "platform": { "architecture": architecture, "os": os },
            })
        };
        let index = json!({
            "schemaVersion": 2,
            "manifests": [
                of("unknown", "unknown", 'c'), of("s390x", "linux", 'd'),
                of(architecture(), "windows", 'e'), of(architecture(), "linux", 'f'),
            ],
        });
        assert_eq!(told(&index), digest('f'));
        let index = json!({ "schemaVersion": 2, "manifests": [of("s390x", "linux", 'd')] });
        assert!(
            told(&index).contains("it has: linux/s390x"),
            "{}",
            told(&index)
        );
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let check = |change: &dyn Fn(&mut Value), words: &str| {
            let mut manifest = image();
            change(&mut manifest);
            let told = told(&manifest);
            assert!(told.contains(words), "{told}");
        };
        check(&|it| it["schemaVersion"] = json!(1), "first schema");
        check(&|it| it["layers"] = json!([]), "0 layers");
        check(
            &|it| it["layers"][0]["digest"] = json!("../../etc"),
            "not a SHA-256",
        );
        check(
            &|it| it["layers"][0]["mediaType"] = json!("text/html"),
            "unknown type",
        );
        check(
            &|it| it["config"]["mediaType"] = json!("application/vnd.cncf.helm"),
            "can be run",
        );
        check(
            &|it| {
                let layer = it["layers"][0].clone();
                it["layers"] = Value::Array(vec![layer; MAX_LAYERS + 1]);
            },
            "129 layers",
        );
        check(&|it| *it = json!("x"), "not one that is known");
        check(&|it| *it = json!({ "schemaVersion": 2 }), "neither");
    }

    #[test]
    fn a_configuration_is_for_this_machine_and_knows_its_layers() {
        let good = json!({
            "architecture": architecture(), "os": "linux",
            "config": { "Env": null, "Cmd": ["run"] },
            "rootfs": { "diff_ids": [digest('c')] },
        });
        let (run, ids) = config(good.to_string().as_bytes(), 1).unwrap();
        assert_eq!(run.cmd, ["run"]);
        assert_eq!(ids[0].as_str(), "c".repeat(64));
        assert!(config(good.to_string().as_bytes(), 2).is_err());
        let mut other = good;
        other["architecture"] = json!("s390x");
        assert!(config(other.to_string().as_bytes(), 1).is_err());
    }
}

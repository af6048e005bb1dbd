//! Cloud Native Buildpacks: the phases of their lifecycle, by its interface for platforms, in the
//! root of a builder image (buildpacks.io, Platform Interface Specification 0.12).
//!
//! The builder becomes a runtime whose image has the tools, with two steps: detection and the
//! build itself. Buildpacks that an app names are images, too: their layers hold nothing but
//! `/cnb/buildpacks/ID/VERSION`, and lie on those of the builder. What the build says about
//! starting is read when it has ended; the lifecycle's own launcher starts the app.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Builder, Config, Request, failure, folder::Folder, image::Toolchain, listing, log::StagingLog,
};
use crate::{
    images::Reference,
    model::{DropletBuildpack, DropletKind, Failure, Lifecycle, ProcessType, RegistryLogin},
    runtimes::{Build, Listing as _, Mistake, PlacedFile, PlannedStep, Release, Runtime, quote},
};

/// The version of the interface that is spoken. Lifecycles of three years and more know it.
const PLATFORM_API: &str = "0.12";

/// Where layers and the app are, as in Cloud Foundry.
const LAYERS: &str = "/home/vcap/layers";
const WORKSPACE: &str = "/home/vcap/workspace";

/// The folder of a build's home for what the phases are told; it is no part of the droplet.
const NOTES: &str = "cnb";

/// What the address of a buildpack's image begins with.
const SCHEME: &str = "docker://";

/// The label by which an image tells which buildpack it is.
pub(super) const LABEL: &str = "io.buildpacks.buildpackage.metadata";

/// What the build leaves behind about starting.
const METADATA: &str = "config/metadata.toml";

/// What both phases are told.
fn told(order: &str) -> String {
    let of_build = |name: &str| format!("/home/vcap/{NOTES}/{name}");
    let each = [
        ("CNB_PLATFORM_API", PLATFORM_API.to_owned()),
        ("CNB_APP_DIR", WORKSPACE.to_owned()),
        ("CNB_LAYERS_DIR", LAYERS.to_owned()),
        ("CNB_PLATFORM_DIR", of_build("platform")),
        ("CNB_ORDER_PATH", order.to_owned()),
        ("CNB_BUILDPACKS_DIR", "/cnb/buildpacks".to_owned()),
        ("CNB_ANALYZED_PATH", of_build("analyzed.toml")),
        ("CNB_GROUP_PATH", of_build("group.toml")),
        ("CNB_PLAN_PATH", of_build("plan.toml")),
        ("CNB_NO_COLOR", "true".to_owned()),
    ];
    each.iter()
        .map(|(name, value)| format!("export {name}={}\n", quote(value)))
        .collect()
}

/// The variables of the build are files for buildpacks, which see no others.
fn detection(names: &[String]) -> String {
    format!(
        r#"if [ ! -x /cnb/lifecycle/detector ]; then echo 'cnb: it has no /cnb/lifecycle/detector'; exit 1; fi
ln -sfn app {WORKSPACE}
mkdir -p "$CNB_LAYERS_DIR" "$CNB_PLATFORM_DIR/env"
for name in {}; do printf %s "${{!name}}" > "$CNB_PLATFORM_DIR/env/$name"; done
/cnb/lifecycle/detector"#,
        names.join(" ")
    )
}

/// Layers that are kept for the next build come back without what said what they are for, which
/// the buildpack has to say again. Of the others those that are for the app alone stay.
const BUILD: &str = r#"shopt -s nullglob
of_layers() { # folder, then what is called with the name of each layer's folder
  local file
  for file in "$1"/*/*.toml; do
    case $file in "$1"/config/* | "$1"/sbom/* | */launch.toml | */build.toml | */store.toml) ;; *) "$2" "${file%.toml}" ;; esac
  done
}
restore() {
  local to=$CNB_LAYERS_DIR/${1#"$CNB_CACHE"/} line
  mkdir -p "${to%/*}"
  cp -a "$1" "$to"
  while IFS= read -r line; do
    [[ $line =~ ^[[:space:]]*((launch|build|cache)[[:space:]]*=|\[types\]) ]] || printf '%s\n' "$line"
  done < "$1.toml" > "$to.toml"
}
is_for() { # use, layer
  local text; text=$'\n'$(<"$2.toml")
  [[ $text =~ $'\n'[[:space:]]*$1[[:space:]]*=[[:space:]]*true ]]
}
keep() {
  local to=$CNB_CACHE/${1#"$CNB_LAYERS_DIR"/}
  if [ -d "$1" ] && is_for cache "$1"; then
    mkdir -p "${to%/*}"
    cp -a "$1" "$to"
    cp "$1.toml" "$to.toml"
  fi
}
trim() { if ! is_for launch "$1"; then rm -rf "$1" "$1.toml"; fi; }
of_layers "$CNB_CACHE" restore
for file in "$CNB_CACHE"/*/store.toml; do
  mkdir -p "$CNB_LAYERS_DIR/${file:${#CNB_CACHE}+1:-11}"
  cp "$file" "$CNB_LAYERS_DIR/${file#"$CNB_CACHE"/}"
done
/cnb/lifecycle/builder
rm -rf "$CNB_CACHE"
mkdir -p "$CNB_CACHE"
of_layers "$CNB_LAYERS_DIR" keep
for file in "$CNB_LAYERS_DIR"/*/store.toml; do
  mkdir -p "$CNB_CACHE/${file:${#CNB_LAYERS_DIR}+1:-11}"
  cp "$file" "$CNB_CACHE/${file#"$CNB_LAYERS_DIR"/}"
done
of_layers "$CNB_LAYERS_DIR" trim"#;

/// The runtime that a builder is, and its steps.
pub(super) fn runtime(
    config: &Config,
    request: &Request,
) -> Result<(Runtime, Vec<PlannedStep>), Failure> {
    let builder = config.builder.clone().ok_or_else(|| Failure {
        id: "StagingError".to_owned(),
        detail: "this platform has no builder for Cloud Native Buildpacks (builds.cnb_builder)"
            .to_owned(),
    })?;
    let order = match request.lifecycle.buildpacks.is_empty() {
        true => "/cnb/order.toml".to_owned(),
        false => format!("/home/vcap/{NOTES}/order.toml"),
    };
    let plain = |name: &&String| {
        let mut letters = name.chars();
        letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let variables = config.env.keys().chain(request.app.env.keys());
    let variables = variables.chain(request.env.keys()).filter(plain);
    let mut variables: Vec<String> = variables.cloned().collect();
    variables.sort();
    variables.dedup();
    let step = |name: &str, run: &str| PlannedStep {
        name: name.to_owned(),
        run: format!("{}{run}", told(&order)),
    };
    let steps = vec![
        step("Detecting", &detection(&variables)),
        step("Building", BUILD),
    ];
    let started = [
        ("CNB_PLATFORM_API", PLATFORM_API),
        ("CNB_APP_DIR", WORKSPACE),
        ("CNB_LAYERS_DIR", LAYERS),
    ];
    let runtime = Runtime {
        name: "cnb".to_owned(),
        label: "Cloud Native Buildpacks".to_owned(),
        kind: DropletKind::Cnb,
        buildpacks: vec!["cnb".to_owned()],
        recognised_by: None,
        detect: Vec::new(),
        tools: Vec::new(),
        image: Some(builder),
        run_in_image: true,
        version: None,
        build: Build {
            caches: BTreeMap::from([("CNB_CACHE".to_owned(), "layers".to_owned())]),
            ..Build::default()
        },
        steps: Vec::new(),
        env: started
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        files: vec![PlacedFile {
            path: format!("{NOTES}/analyzed.toml"),
            text: format!(
                "[run-image]\n[run-image.target]\nos = \"linux\"\narch = \"{}\"\n",
                architecture()
            ),
            executable: false,
        }],
        start: Vec::new(),
        root: Vec::new(),
        missing_start: None,
        mistakes: mistakes(),
    };
    Ok((runtime, steps))
}

/// This machine's, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn mistakes() -> Vec<Mistake> {
    [
        (
            "^cnb: (?<what>.+)",
            "the builder cannot be used: {{what}}; the operator names another one (builds.cnb_builder)",
        ),
        (
            "No buildpack groups passed detection",
            "no buildpack recognises this app: name those that should build it with -b, and see what each \
             of them looks for",
        ),
        (
            "(?:buildpack|platform) API version '?(?<version>[0-9.]+)'? is (?:incompatible|not supported)",
            "the builder's lifecycle does not know version {{version}} of the interface: use a newer builder",
        ),
    ]
    .into_iter()
    .filter_map(|(matches, says)| {
        toml::from_str(&format!("matches = '''{matches}'''\nsays = \"{says}\"")).ok()
    })
    .collect()
}

/// A buildpack in an order.
#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    version: String,
}

impl Named {
    /// The one that an image says it is.
    fn of_image(label: Option<&String>) -> Option<Self> {
        let named: Self = serde_json::from_str(label?).ok()?;
        named.is_plain().then_some(named)
    }

    /// One of the builder's, as `ID` or `ID@VERSION`.
    fn of_builder(name: &str) -> Option<Self> {
        let (id, version) = name.split_once('@').unwrap_or((name, ""));
        let named = Self {
            id: id.to_owned(),
            version: version.to_owned(),
        };
        named.is_plain().then_some(named)
    }

    /// Whether it can stand in an order as it is.
    fn is_plain(&self) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
        !self.id.is_empty() && self.id.chars().all(fits) && self.version.chars().all(fits)
    }

    fn line(&self) -> String {
        let Self { id, version } = self;
        match version.as_str() {
            "" => format!("[[order.group]]\nid = \"{id}\"\n"),
            version => format!("[[order.group]]\nid = \"{id}\"\nversion = \"{version}\"\n"),
        }
    }
}

/// Who asks for the buildpack, where the app says so for its registry.
fn login(lifecycle: &Lifecycle, reference: &Reference) -> Option<RegistryLogin> {
    let said = lifecycle.credentials.iter();
    let mut said = said.filter(|(registry, _)| {
        Reference::parse(&format!("{registry}/any"))
            .is_ok_and(|named| named.registry() == reference.registry())
    });
    said.next().map(|(_, login)| login.clone())
}

impl Builder {
    /// Puts the buildpacks that the app names on top of the builder, and writes down their order.
    pub(super) async fn add_buildpacks(
        &self,
        request: &Request,
        folder: &Folder,
        toolchain: &mut Toolchain,
        log: &StagingLog,
    ) -> Result<(), Failure> {
        let names = &request.lifecycle.buildpacks;
        if names.is_empty() {
            return Ok(());
        }
        let mut order = "[[order]]\n".to_owned();
        for name in names {
            let unknown = || failure::no_cloud_native_buildpack(name);
            let Some(address) = name.strip_prefix(SCHEME) else {
                order += &Named::of_builder(name).ok_or_else(unknown)?.line();
                continue;
            };
            let reference = Reference::parse(address)
                .map_err(|error| failure::image("use the buildpack", &error))?;
            log.say(format!("-----> Pulling {reference}"));
            let login = login(&request.lifecycle, &reference);
            let most = Some(self.config.disk.bytes());
            let pull = self.images.pull(&reference, login, most, |_| {});
            let pulled = tokio::time::timeout(self.config.timeout, pull)
                .await
                .map_err(|_| failure::slow_registry(reference.registry(), self.config.timeout))?
                .map_err(|error| super::image::told(&error))?;
            let named = Named::of_image(pulled.labels.get(LABEL)).ok_or_else(unknown)?;
            log.say(format!("       {} {}", named.id, named.version));
            order += &named.line();
            let (layers, lease) = self
                .images
                .layers(&pulled.image)
                .map_err(|error| super::image::told(&error))?;
            // The kernel takes no layer twice.
            toolchain.layers.retain(|layer| !layers.contains(layer));
            toolchain.layers.extend(layers);
            toolchain.more.push(lease);
        }
        let (folder, file) = (folder.clone(), placed("order.toml", order));
        super::builder::blocking("write down the order of buildpacks", move || {
            let placed = folder.place(&file);
            placed.map_err(|error| failure::host("write down the order of buildpacks", &error))
        })
        .await
    }
}

fn placed(name: &str, text: String) -> PlacedFile {
    PlacedFile {
        path: format!("{NOTES}/{name}"),
        text,
        executable: false,
    }
}

/// What a build says about itself.
#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    processes: Vec<Process>,
    #[serde(default)]
    buildpacks: Vec<Named>,
    #[serde(default, rename = "buildpack-default-process-type")]
    default: String,
}

#[derive(Debug, Deserialize)]
struct Process {
    #[serde(rename = "type")]
    kind: String,
    command: Command,
    #[serde(default)]
    args: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Command {
    Line(String),
    Words(Vec<String>),
}

impl Process {
    /// What it runs, for people to read.
    fn shown(&self) -> String {
        let words = match &self.command {
            Command::Line(line) => std::slice::from_ref(line),
            Command::Words(words) => words,
        };
        let all: Vec<&str> = words.iter().chain(&self.args).map(String::as_str).collect();
        all.join(" ")
    }
}

/// How the built app is started, and which buildpacks had a part. Cloud Foundry wants a process
/// `web`: where there is none, the one that starts by itself becomes one. Blocks on the disk.
pub(super) fn release(
    folder: &Folder,
    own_command: bool,
) -> Result<(Release, Vec<DropletBuildpack>), Failure> {
    let bad = |error: &dyn std::fmt::Display| Failure {
        id: "StagingError".to_owned(),
        detail: format!("what the build says about starting the app cannot be read: {error}"),
    };
    let layers = folder.home().join("layers");
    let files = listing::Folder::list(&layers).map_err(|error| bad(&error))?;
    let text = files
        .text(METADATA)
        .ok_or_else(|| bad(&format!("{METADATA} is missing")))?;
    let said: Metadata = toml::from_str(&text).map_err(|error| bad(&error))?;
    let web = ProcessType::web();
    let mut process_types: BTreeMap<ProcessType, String> = said
        .processes
        .iter()
        .filter_map(|process| {
            // The launcher is told by a file's name.
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if !process.kind.chars().all(plain) || process.kind.starts_with('.') {
                return None;
            }
            let kind = ProcessType::parse(process.kind.as_str()).ok()?;
            Some((kind, process.shown()))
        })
        .collect();
    if !process_types.contains_key(&web) {
        let only = said.processes.len() == 1;
        let mut named = said.processes.iter();
        if let Some(default) = named.find(|process| only || process.kind == said.default) {
            process_types.insert(web.clone(), default.shown());
            let text = with_web(&text, &default.kind).map_err(|error| bad(&error))?;
            let file = PlacedFile {
                path: format!("layers/{METADATA}"),
                text,
                executable: false,
            };
            folder
                .place(&file)
                .map_err(|error| failure::host("write down how the app is started", &error))?;
        } else if !own_command {
            return Err(failure::no_web_process());
        }
    }
    let buildpacks = said
        .buildpacks
        .into_iter()
        .map(|Named { id, version }| DropletBuildpack {
            detect_output: format!("{id}@{version}"),
            name: id,
            version: Some(version).filter(|version| !version.is_empty()),
        });
    let release = Release {
        process_types,
        root: String::new(),
    };
    Ok((release, buildpacks.collect()))
}

/// The metadata `text` with the process `kind` also as `web`, for the launcher.
fn with_web(text: &str, kind: &str) -> Result<String, String> {
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let processes = table.get_mut("processes").and_then(Value::as_array_mut);
    if let Some(processes) = processes {
        let is_kind = |process: &&Value| process.get("type").and_then(Value::as_str) == Some(kind);
        let found = processes.iter().find(is_kind).cloned();
        if let Some(Value::Table(mut web)) = found {
            web.insert("type".to_owned(), "web".into());
            processes.push(Value::Table(web));
        }
    }
    toml::to_string(&table).map_err(|error| error.to_string())
}

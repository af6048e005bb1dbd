//! Classic buildpacks: programs that build apps by Cloud Foundry's interface of `bin/detect`,
//! `bin/supply`, `bin/finalize`, `bin/compile` and `bin/release`.
//!
//! Each becomes a runtime with one step, so that it stands beside the others, and several work
//! together in their order. What it says about starting is read when it has ended.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use super::{failure, listing::Folder};
use crate::{
    model::{DropletKind, Failure, ProcessType},
    runtimes::{Build, Listing, Mistake, PlannedStep, Release, Runtime, quote, read_procfile},
    sandbox::Bind,
    stdx::removal::remove_tree,
};

/// The folder of buildpacks that are unpacked, beside those of builds.
pub(super) const FOLDER: &str = "buildpacks";

/// Where they are seen.
const PLACE: &str = "/.pastina/buildpacks";

/// The folder of a build's home where they write down what is read when they have ended; it is no
/// part of the droplet.
const NOTES: &str = "classic";

/// How long an unpacked one stays that is no buildpack's any more: longer than builds take.
const STAYS: Duration = Duration::from_secs(60 * 60);

/// A buildpack of the operator's, as builds know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classic {
    /// Its name.
    pub name: String,
    /// The digest of its bits.
    pub sha256: String,
    /// Whether it is asked where an app names no buildpack.
    pub enabled: bool,
    /// How many of the platform's own come before it.
    pub behind: usize,
}

/// Which one a step is about.
#[derive(Debug, Clone)]
pub(super) enum Chosen<'a> {
    /// One of the operator's.
    Own(&'a Classic),
    /// One at an address, perhaps with a branch or tag behind `#`.
    At(&'a str),
}

/// Whether a name is an address.
pub(super) fn is_address(name: &str) -> bool {
    name.contains("://") || name.starts_with("git@")
}

impl Chosen<'_> {
    /// The name under which it is shown, without what an address may hold of secrets.
    fn name(&self) -> String {
        match self {
            Self::Own(own) => own.name.clone(),
            Self::At(address) => match address.split_once("://") {
                Some((scheme, rest)) => {
                    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                    format!("{scheme}://{host}/{path}")
                }
                None => (*address).to_owned(),
            },
        }
    }

    /// What a shell does to have its folder in `pack`.
    fn fetched(&self, number: usize) -> String {
        match self {
            Self::Own(own) => format!("pack={PLACE}/{}", own.sha256),
            Self::At(address) => {
                let (address, version) = match address.split_once('#') {
                    Some((address, version)) => (address, version),
                    None => (*address, ""),
                };
                format!(
                    "address={} version={}\npack=$TMPDIR/buildpack-{number}\n{FETCH}",
                    quote(address),
                    quote(version)
                )
            }
        }
    }
}

/// Fetches what is at `$address` into `$pack`.
const FETCH: &str = r#"mkdir -p "$pack"
echo "Fetching the buildpack"
case $address in
  http*.zip)
    curl -fsSL --retry 2 -o "$pack.zip" "$address"
    if command -v unzip > /dev/null; then unzip -q "$pack.zip" -d "$pack"; else python3 -m zipfile -e "$pack.zip" "$pack"; fi ;;
  http*.tgz | http*.tar.gz)
    curl -fsSL --retry 2 -o "$pack.tgz" "$address"
    tar -xzf "$pack.tgz" -C "$pack" ;;
  *)
    if ! command -v git > /dev/null; then echo 'classic: git is not installed on this host'; exit 1; fi
    export GIT_TERMINAL_PROMPT=0
    if [ -n "$version" ]; then
      git clone --quiet --recurse-submodules "$address" "$pack"
      git -C "$pack" -c advice.detachedHead=false checkout --quiet "$version"
    else
      git clone --quiet --depth 1 --recurse-submodules --shallow-submodules "$address" "$pack"
    fi ;;
esac"#;

/// An archive may have everything in one folder, and may have forgotten what is a program.
const FOUND: &str = r#"if [ ! -d "$pack/bin" ]; then
  for folder in "$pack"/*/; do if [ -d "$folder/bin" ]; then pack=${folder%/}; fi; done
fi
if [ ! -d "$pack/bin" ]; then echo 'classic: it has no folder bin/'; exit 1; fi
run() { # program arguments: one that is no program by its rights is read by bash
  local program=$pack/bin/$1
  shift
  if [ -x "$program" ]; then "$program" "$@"; else bash "$program" "$@"; fi
}"#;

/// The runtime that a buildpack is, as the `number`th of an app's, and its step.
pub(super) fn runtime(chosen: &Chosen<'_>, number: usize, last: bool) -> (Runtime, PlannedStep) {
    let name = chosen.name();
    let does = match last {
        true => {
            r#"if [ -e "$pack/bin/finalize" ]; then
  if [ -e "$pack/bin/supply" ]; then run supply "$app" "$cache" "$deps" "$number"; fi
  run finalize "$app" "$cache" "$deps" "$number" /home/vcap/profile.d
elif [ -e "$pack/bin/compile" ]; then
  run compile "$app" "$cache" "$env"
elif [ -e "$pack/bin/supply" ]; then
  run supply "$app" "$cache" "$deps" "$number"
else
  echo 'classic: it has neither bin/finalize nor bin/compile'
  exit 1
fi
if [ -e "$pack/bin/release" ]; then run release "$app" > /home/vcap/classic/release.yml; fi"#
        }
        false => {
            r#"if [ ! -e "$pack/bin/supply" ]; then
  echo 'classic: it has no bin/supply, so it can only be the last of several'
  exit 1
fi
run supply "$app" "$cache" "$deps" "$number""#
        }
    };
    let run = format!(
        "number={number}\n{}\n{FOUND}\napp=/home/vcap/app deps=/home/vcap/deps \
         cache=$CLASSIC_CACHE/{}\nmkdir -p \"$deps/$number\" \"$cache\" \"$TMPDIR/env\" /home/vcap/classic\n\
         env=$TMPDIR/env\n{does}",
        chosen.fetched(number),
        folder(&name),
    );
    let runtime = Runtime {
        name: "classic".to_owned(),
        label: name.clone(),
        kind: DropletKind::Process,
        buildpacks: vec![name.clone()],
        recognised_by: None,
        detect: Vec::new(),
        tools: Vec::new(),
        image: None,
        run_in_image: false,
        version: None,
        build: Build {
            caches: BTreeMap::from([("CLASSIC_CACHE".to_owned(), "of".to_owned())]),
            ..Build::default()
        },
        steps: Vec::new(),
        env: BTreeMap::new(),
        files: Vec::new(),
        start: Vec::new(),
        root: Vec::new(),
        missing_start: Some(format!(
            "the buildpack {name} does not say how to start this app: add a Procfile with a line \
             `web: COMMAND`, or push with -c COMMAND"
        )),
        mistakes: mistakes(&name),
    };
    let name = format!("Building with {name}");
    (runtime, PlannedStep { name, run })
}

/// A name that is a folder's.
fn folder(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

fn mistakes(name: &str) -> Vec<Mistake> {
    let name = name.replace(['{', '}', '"', '\\'], "");
    [
        ("^classic: (?<what>.+)", format!("the buildpack {name} cannot be used: {{{{what}}}}")),
        (
            "^(?:fatal: (?:unable to access|repository|Could not read)|curl: \\\\(\\\\d+\\\\)|fatal: could not read)",
            format!(
                "the buildpack at {name} could not be fetched: mend the address, or see that builds may reach it"
            ),
        ),
        (
            "error: pathspec '(?<version>[^']+)' did not match",
            format!("the buildpack at {name} has no branch or tag {{{{version}}}}: mend what is behind the #"),
        ),
    ]
    .into_iter()
    .filter_map(|(matches, says)| {
        toml::from_str(&format!("matches = \"{matches}\"\nsays = \"{says}\"")).ok()
    })
    .collect()
}

/// The step that asks those that may recognise an app, in their order, and writes down the first
/// that does.
pub(super) fn detection(asked: &[&Classic]) -> PlannedStep {
    let mut run = String::from("shopt -s nullglob\nmkdir -p /home/vcap/classic\n");
    for (at, classic) in asked.iter().enumerate() {
        run.push_str(&format!(
            "pack={PLACE}/{}\nif [ ! -d \"$pack/bin\" ]; then for folder in \"$pack\"/*/; do if [ -d \
             \"$folder/bin\" ]; then pack=${{folder%/}}; fi; done; fi\nprogram=$pack/bin/detect\nif [ -e \
             \"$program\" ]; then\n  if [ -x \"$program\" ]; then run=(\"$program\"); else run=(bash \
             \"$program\"); fi\n  if \"${{run[@]}}\" /home/vcap/app > \"$TMPDIR/said\" 2> /dev/null; then\n    \
             {{ echo {at}; head -n 1 \"$TMPDIR/said\"; }} > /home/vcap/classic/detected\n    exit 0\n  fi\nfi\n",
            classic.sha256
        ));
    }
    PlannedStep {
        name: "Asking the buildpacks".to_owned(),
        run,
    }
}

/// Which of those that were asked has recognised the app, and its words.
pub(super) fn detected(home: &Path) -> Option<(usize, String)> {
    let files = Folder::list(&home.join(NOTES)).ok()?;
    let text = files.text("detected")?;
    let mut lines = text.lines();
    let at = lines.next()?.trim().parse().ok()?;
    Some((at, lines.next().unwrap_or_default().trim().to_owned()))
}

/// What `bin/release` and `launch.yml` say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    default_process_types: BTreeMap<String, String>,
    processes: Vec<Process>,
}

#[derive(Debug, Deserialize)]
struct Process {
    #[serde(rename = "type")]
    kind: String,
    command: String,
}

/// How the app is started: what `bin/release` says, then each `launch.yml`, then the Procfile.
pub(super) fn release(
    home: &Path,
    own_command: bool,
    runtime: &Runtime,
) -> Result<Release, Failure> {
    let listed = |folder: &str| Folder::list(&home.join(folder));
    let failed = |error: io::Error| failure::host("look at what was built", &error);
    let (notes, deps, app) = (
        listed(NOTES).map_err(failed)?,
        listed("deps").map_err(failed)?,
        listed("app").map_err(failed)?,
    );
    let launches = deps
        .paths()
        .iter()
        .filter(|path| path.ends_with("/launch.yml") && path.matches('/').count() == 1);
    let texts = notes
        .text("release.yml")
        .map(|text| ("what its bin/release prints", text))
        .into_iter()
        .chain(launches.filter_map(|path| Some(("its launch.yml", deps.text(path)?))));
    let mut process_types = BTreeMap::new();
    for (what, text) in texts {
        if text.trim().trim_matches('-').trim().is_empty() {
            continue;
        }
        let said: Said = serde_saphyr::from_str(&text).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default().to_owned();
            failure::bad_release(&runtime.label, what, &reason)
        })?;
        let processes = said
            .processes
            .into_iter()
            .map(|one| (one.kind, one.command));
        for (kind, command) in said.default_process_types.into_iter().chain(processes) {
            let kind = ProcessType::parse(kind)
                .map_err(|error| failure::bad_release(&runtime.label, what, &error.to_string()))?;
            process_types.insert(kind, command);
        }
    }
    if let Some(text) = app.text("Procfile") {
        process_types
            .extend(read_procfile(&text).map_err(|error| failure::no_release(&error.into()))?);
    }
    if process_types.is_empty() && !own_command {
        let words = runtime.missing_start.clone().unwrap_or_default();
        return Err(failure::no_release(
            &crate::runtimes::ReleaseError::NoStart(words),
        ));
    }
    Ok(Release {
        process_types,
        root: String::new(),
    })
}

/// Where the buildpacks of `dir` are unpacked, and how builds see them.
pub(super) fn bind(dir: &Path, sha256: &str) -> Bind {
    Bind {
        source: dir.join(sha256),
        target: PathBuf::from(PLACE).join(sha256),
        writable: false,
    }
}

/// Removes what is unpacked of buildpacks that are no more. Blocks on the disk.
pub(super) fn tidy(dir: &Path, known: &[Classic]) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let used = known.iter().any(|classic| *classic.sha256 == *name);
        let changed = entry.metadata().and_then(|found| found.modified());
        let age = changed
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if !used
            && age.is_none_or(|age| age > STAYS)
            && let Err(error) = remove_tree(&entry.path())
        {
            tracing::warn!(%error, "cannot remove an old buildpack");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        let check = |address: &str, expected: &str| {
            assert_eq!(Chosen::At(address).name(), expected);
        };
        check(
            "https://me:secret@git.kr/x.git#v1",
            "https://git.kr/x.git#v1",
        );
        check("https://git.kr/a/b", "https://git.kr/a/b");
        check("git@git.kr:x.git", "git@git.kr:x.git");
    }

    #[test]
    fn what_goes_wrong_is_told_by_name() {
        let runtime = runtime(&Chosen::At("https://git.kr/x.git"), 0, true).0;
        let told = |line: &str| runtime.mistakes.iter().find_map(|one| one.told(line));
        assert_eq!(runtime.mistakes.len(), 3);
        assert_eq!(
            told("classic: it has no folder bin/").as_deref(),
            Some("the buildpack https://git.kr/x.git cannot be used: it has no folder bin/")
        );
        assert!(told("fatal: unable to access 'https://git.kr/x.git/': x").is_some());
        assert!(told("curl: (22) The requested URL returned error: 404").is_some());
    }

    #[test]
    fn what_buildpacks_say_about_starting_is_put_together() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            (
                "classic/release.yml",
                "---\ndefault_process_types:\n  web: a\n  worker: b\n",
            ),
            (
                "deps/0/launch.yml",
                "processes:\n- type: cron\n  command: c\n",
            ),
            ("app/Procfile", "web: mine\n"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let runtime = runtime(&Chosen::At("x"), 0, true).0;
        let release = release(dir.path(), false, &runtime).unwrap();
        let all: Vec<_> = release
            .process_types
            .iter()
            .map(|(k, v)| format!("{k} {v}"))
            .collect();
        assert_eq!(all, ["cron c", "web mine", "worker b"]);
        fs::write(
            dir.path().join("classic/release.yml"),
            "default_process_types: [",
        )
        .unwrap();
        let told = super::release(dir.path(), false, &runtime).unwrap_err();
        assert!(told.detail.contains("bin/release"), "{}", told.detail);
    }
}

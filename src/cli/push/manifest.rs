//! What is to be pushed: the manifest, with the flags put into it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cli::{args::Push, failure::Outcome};

use super::{usage, vars};

/// One app to push.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) name: String,
    /// Folder or file that holds its code.
    pub(super) source: PathBuf,
    /// The image that it is in place of code.
    pub(super) image: Option<Image>,
    /// Its part of the manifest.
    pub(super) entry: Map<String, Value>,
}

/// An image, and who asks its registry for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) username: Option<String>,
}

/// The names that a manifest may have when none is named.
const FILES: [&str; 2] = ["manifest.yml", "manifest.yaml"];

/// The apps to push from `folder`.
pub(super) fn plan(args: &Push, folder: &Path) -> Outcome<Vec<Planned>> {
    let Some(file) = find(args, folder)? else {
        let app = Map::new();
        let source = source(args, None, folder, folder);
        let name = match &args.name {
            Some(name) => name.clone(),
            None if args.image.is_some() => {
                return usage("an image needs a name as an app: `pastina push NAME --image IMAGE`");
            }
            None => name_of(&source)?,
        };
        return Ok(vec![planned(args, app, name, source)?]);
    };
    let mut manifest = vars::yaml(&file)?;
    vars::fill(&mut manifest, &vars::given(args)?)?;
    let base = file.parent().unwrap_or(folder);
    let entries = chosen(args, entries(&manifest, &file)?, &file)?;
    if entries.len() > 1 && is_about_one_app(args) {
        let shown = file.display();
        return usage(format!(
            "{shown} has several apps; name the one that the flags are for"
        ));
    }
    let plan = |(name, app): (String, Map<String, Value>)| {
        let source = source(args, app.get("path").and_then(Value::as_str), base, folder);
        planned(args, app, name, source)
    };
    entries.into_iter().map(plan).collect()
}

fn find(args: &Push, folder: &Path) -> Outcome<Option<PathBuf>> {
    if let Some(named) = &args.manifest {
        let path = folder.join(named);
        if path.is_dir() {
            let inside = FILES
                .map(|name| path.join(name))
                .into_iter()
                .find(|file| file.is_file());
            return match inside {
                Some(file) => Ok(Some(file)),
                None => usage(format!("there is no manifest in {}", path.display())),
            };
        }
        return Ok(Some(path));
    }
    Ok(FILES
        .map(|name| folder.join(name))
        .into_iter()
        .find(|file| file.is_file()))
}

/// A manifest's apps, with the names of those that have one.
type Entries = Vec<(Option<String>, Map<String, Value>)>;

fn entries(manifest: &Value, file: &Path) -> Outcome<Entries> {
    let shown = file.display();
    let Some(list) = manifest["applications"]
        .as_array()
        .filter(|list| !list.is_empty())
    else {
        return usage(format!("{shown} has no list of `applications`"));
    };
    let mut entries = Vec::new();
    for (number, entry) in (1..).zip(list) {
        let Some(entry) = entry.as_object() else {
            return usage(format!("application {number} in {shown} is not a table"));
        };
        let name = match entry.get("name") {
            None => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => {
                return usage(format!(
                    "name of application {number} in {shown} is not a text"
                ));
            }
        };
        if entry.get("path").is_some_and(|path| !path.is_string()) {
            return usage(format!(
                "path of application {number} in {shown} is not a text"
            ));
        }
        entries.push((name, entry.clone()));
    }
    Ok(entries)
}

/// Those that are to be pushed: all, the named one, or the only one under another name.
fn chosen(
    args: &Push,
    entries: Entries,
    file: &Path,
) -> Outcome<Vec<(String, Map<String, Value>)>> {
    let shown = file.display();
    let Some(wanted) = &args.name else {
        let named = entries.into_iter().map(|(name, app)| Some((name?, app)));
        return match named.collect::<Option<Vec<_>>>() {
            Some(named) => Ok(named),
            None => usage(format!("an application in {shown} has no name")),
        };
    };
    let alone = entries.len() == 1;
    let names: Vec<String> = entries
        .iter()
        .filter_map(|(name, _)| name.clone())
        .collect();
    let matching = |(name, _): &(Option<String>, _)| name.as_ref() == Some(wanted) || alone;
    match entries.into_iter().find(matching) {
        Some((_, app)) => Ok(vec![(wanted.clone(), app)]),
        None => {
            let names = names.join(", ");
            usage(format!(
                "there is no application {wanted} in {shown}, which has {names}"
            ))
        }
    }
}

const fn is_about_one_app(args: &Push) -> bool {
    args.path.is_some()
        || args.command.is_some()
        || args.image.is_some()
        || !args.buildpack.is_empty()
        || args.lifecycle.is_some()
        || args.memory.is_some()
        || args.disk.is_some()
        || args.instances.is_some()
        || args.no_route
        || args.random_route
}

/// Where the code is: the flag counts from the current folder, the manifest's path from the
/// manifest's, and without either it is the current folder, all as with the stock client.
fn source(args: &Push, path: Option<&str>, base: &Path, folder: &Path) -> PathBuf {
    match (&args.path, path) {
        (Some(flag), _) => flag.clone(),
        (None, Some(path)) => base.join(path),
        (None, None) => folder.to_owned(),
    }
}

/// The name of an app for which none was given: its folder's.
fn name_of(source: &Path) -> Outcome<String> {
    let whole = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let name = if whole.is_dir() {
        whole.file_name()
    } else {
        whole.file_stem()
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(plain)
        .collect();
    match name.trim_matches('-') {
        "" => usage("the app needs a name: `pastina push NAME`"),
        name => Ok(name.to_owned()),
    }
}

/// Puts the flags over what the manifest says.
fn planned(
    args: &Push,
    mut app: Map<String, Value>,
    name: String,
    source: PathBuf,
) -> Outcome<Planned> {
    app.shift_remove("path");
    let image = image(args, &mut app)?;
    let mut set = |key: &str, value: Value| app.insert(key.to_owned(), value);
    set("name", json!(name));
    if let Some(command) = &args.command {
        // `null` is how Cloud Foundry's users say "the one that was found".
        let found = matches!(command.as_str(), "null" | "default");
        set("command", if found { Value::Null } else { json!(command) });
    }
    if let Some(memory) = &args.memory {
        set("memory", json!(memory));
    }
    if let Some(disk) = &args.disk {
        set("disk_quota", json!(disk));
    }
    if let Some(instances) = args.instances {
        set("instances", json!(instances));
    }
    if let Some(lifecycle) = &args.lifecycle {
        set("lifecycle", json!(lifecycle));
    }
    if !args.buildpack.is_empty() {
        set("buildpacks", json!(args.buildpack));
        app.shift_remove("buildpack");
    }
    if app.get("lifecycle").and_then(Value::as_str) == Some("cnb")
        && let Some(credentials) = registry_credentials()?
    {
        app.insert("cnb-credentials".to_owned(), credentials);
    }
    if args.disk.is_some() {
        app.shift_remove("disk-quota");
    }
    if args.no_route {
        for key in ["routes", "random-route", "default-route"] {
            app.shift_remove(key);
        }
        app.insert("no-route".to_owned(), json!(true));
    } else if args.random_route {
        app.insert("random-route".to_owned(), json!(true));
    }
    let decided = |key: &str| app.get(key).and_then(Value::as_bool).unwrap_or(false);
    if !decided("no-route") && !decided("random-route") {
        app.insert("default-route".to_owned(), json!(true));
    }
    Ok(Planned {
        name,
        source,
        image,
        entry: app,
    })
}

/// Where people say who asks registries for Cloud Native Buildpacks, as for the stock client.
const CREDENTIALS: &str = "CF_CNB_REGISTRY_CREDS";

fn registry_credentials() -> Outcome<Option<Value>> {
    let Ok(text) = std::env::var(CREDENTIALS) else {
        return Ok(None);
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(credentials)) => Ok(Some(Value::Object(credentials))),
        // Without what is in it.
        _ => usage(format!(
            "{CREDENTIALS} must be JSON such as {{\"registry.example\": {{\"username\": \"...\", \"password\": \"...\"}}}}"
        )),
    }
}

/// The image of the flags or else of the manifest, which then has it.
fn image(args: &Push, app: &mut Map<String, Value>) -> Outcome<Option<Image>> {
    let said = app.get("docker").filter(|docker| !docker.is_null());
    let text = |key: &str| {
        let value = said.and_then(|docker| docker.get(key)?.as_str());
        value.map(str::to_owned)
    };
    let Some(name) = args.image.clone().or_else(|| text("image")) else {
        return match &args.docker_username {
            Some(_) => usage("--docker-username is for an image: name one with --image"),
            None => Ok(None),
        };
    };
    let username = args.docker_username.clone().or_else(|| text("username"));
    let mut docker = json!({ "image": name });
    if let Some(username) = &username {
        docker["username"] = json!(username);
    }
    app.insert("docker".to_owned(), docker);
    Ok(Some(Image { name, username }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn plan_of(manifest: &str, args: &Push) -> Result<Value, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("manifest.yml"), manifest).unwrap();
        let planned = plan(args, dir.path()).map_err(|error| error.to_string())?;
        let shown = planned.into_iter().map(|app| {
            let source = app.source.strip_prefix(dir.path()).unwrap_or(&app.source);
            json!([app.name, source, app.entry])
        });
        Ok(shown.collect())
    }

    fn named(name: &str) -> Push {
        Push {
            name: Some(name.to_owned()),
            ..Push::default()
        }
    }

    const TWO: &str = "applications:\n- name: a\n  path: code\n  memory: 64M\n  env: {N: 1}\n- name: b\n  no-route: true\n";

    #[test]
    fn a_manifest_is_pushed_as_it_stands() {
        let expected = json!([
            ["a", "code", {"name": "a", "memory": "64M", "env": {"N": 1}, "default-route": true}],
            ["b", "", {"name": "b", "no-route": true}],
        ]);
        assert_eq!(plan_of(TWO, &Push::default()), Ok(expected));
    }

    #[test]
    fn flags_win_over_the_manifest() {
        let args = Push {
            memory: Some("1G".to_owned()),
            command: Some("null".to_owned()),
            instances: Some(2),
            no_route: true,
            buildpack: vec!["python".to_owned()],
            ..named("a")
        };
        let expected = json!([["a", "code", {
            "name": "a", "memory": "1G", "env": {"N": 1}, "command": null, "instances": 2,
            "buildpacks": ["python"], "no-route": true,
        }]]);
        assert_eq!(plan_of(TWO, &args), Ok(expected));
    }

    #[test]
    fn the_only_app_can_be_pushed_under_another_name() {
        let one = "applications:\n- name: a\n  random-route: true\n";
        let expected = json!([["z", "", {"name": "z", "random-route": true}]]);
        assert_eq!(plan_of(one, &named("z")), Ok(expected));
    }

    #[test]
    fn a_manifest_that_is_wrong_is_refused_with_words() {
        let check = |manifest: &str, args: Push, part: &str| {
            let error = plan_of(manifest, &args).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        };
        check(TWO, named("z"), "there is no application z");
        check(
            "applications: []",
            Push::default(),
            "no list of `applications`",
        );
        check("applications: [3]", Push::default(), "application 1 in");
        check(
            "applications: [{name: [x]}]",
            Push::default(),
            "name of application 1",
        );
        check(
            "applications: [{memory: 1G}]",
            Push::default(),
            "has no name",
        );
        check("applications: [", Push::default(), "is not right");
        check("applications: [{name: ((n))}]", Push::default(), "--var");
        let args = Push {
            memory: Some("1G".to_owned()),
            ..Push::default()
        };
        check(TWO, args, "several apps");
    }

    #[test]
    fn paths_count_from_the_manifest_and_without_one_from_here() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deploy")).unwrap();
        let manifest = "applications:\n- name: a\n  path: ../code\n- name: b\n";
        fs::write(dir.path().join("deploy/manifest.yml"), manifest).unwrap();
        let args = Push {
            manifest: Some("deploy".into()),
            ..Push::default()
        };
        let planned = plan(&args, dir.path()).unwrap();
        assert_eq!(planned[0].source, dir.path().join("deploy/../code"));
        assert_eq!(planned[1].source, dir.path());
    }

    #[test]
    fn without_a_manifest_the_folder_gives_the_name() {
        let dir = tempfile::Builder::new().prefix("My_App").tempdir().unwrap();
        let planned = plan(&Push::default(), dir.path()).unwrap();
        assert!(planned[0].name.starts_with("my-app"), "{}", planned[0].name);
        assert_eq!(planned[0].entry["default-route"], json!(true));
    }
}

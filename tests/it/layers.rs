//! The rules of the house that can be read off the sources: who may import whom, which crate
//! is behind which door, what is pure, how long a file may be, and that nothing is
//! undocumented.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Every folder of `src/` and its level. A module imports only from levels below its own.
const LEVELS: [(&str, u32); 35] = [
    ("stdx", 0),
    ("model", 1),
    ("authz", 2),
    ("net", 2),
    ("promql", 2),
    ("routing", 2),
    ("runtimes", 2),
    ("wire", 2),
    ("blobs", 3),
    ("brokers", 3),
    ("certs", 3),
    ("cluster", 3),
    ("images", 3),
    ("logs", 3),
    ("sandbox", 3),
    ("sites", 3),
    ("store", 3),
    ("wasm", 3),
    ("build", 4),
    ("drains", 4),
    ("drivers", 4),
    ("identity", 4),
    ("metering", 4),
    ("actions", 5),
    ("reconcile", 5),
    ("git", 6),
    ("api", 7),
    ("cli", 7),
    ("gateway", 7),
    ("portal", 7),
    ("ssh", 7),
    ("serve", 8),
    ("main", 9),
    ("lib", 9),
    ("bin", 9),
];

/// Crates that only certain modules may name, so that each can be exchanged at one place.
const DOORS: [(&str, &[&str]); 18] = [
    ("sled", &["store"]),
    ("wasmtime", &["wasm"]),
    ("wasmtime_wasi", &["wasm"]),
    ("wasmtime_wasi_http", &["wasm"]),
    ("nix", &["sandbox"]),
    ("seccompiler", &["sandbox"]),
    ("landlock", &["sandbox"]),
    ("russh", &["ssh"]),
    ("bcrypt", &["sites"]),
    ("md5", &["sites"]),
    ("rustix", &["images"]),
    ("axum", &["api", "portal"]),
    ("schemars", &["api", "wire"]),
    ("clap", &["cli", "serve", "main"]),
    ("hickory_resolver", &["net"]),
    ("hickory_proto", &["sandbox"]),
    ("smoltcp", &["sandbox"]),
    ("x509_cert", &["certs"]),
];

/// Modules that take no clock, file, socket or runtime, besides every `plan.rs`.
const PURE: [&str; 6] = ["model", "wire", "authz", "promql", "routing", "runtimes"];

/// What pure code does not name.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "std::process",
];

/// Past this a file is not one idea any more.
const LONGEST: usize = 500;

struct Source {
    path: PathBuf,
    /// The folder under `src/`, or the file's name where there is none.
    module: String,
    /// The text without comments.
    code: String,
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 20, "the sources were not found");
    found.iter().map(|path| source(path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_owned();
    let inside = path.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str();
    let module = Path::new(first)
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    Source {
        module,
        code: code.join("\n"),
        lines: text.lines().count(),
        path,
    }
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Where `word` stands alone in `code`, followed by `after`.
fn places<'a>(code: &'a str, word: &'a str, after: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            !is_word(before) && code[at + word.len()..].starts_with(after)
        })
}

/// The modules of this crate that `code` names: `crate::x` and `crate::{x, y::z}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for at in places(code, "crate", "::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.push(word(rest).to_owned()),
        }
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_word(Some(&byte)));
    &text[..end.unwrap_or(text.len())]
}

/// The first names of the members of a group whose `{` has been read.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut expecting, mut found) = (0, true, Vec::new());
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => expecting = true,
            byte if expecting && is_word(Some(&byte)) => {
                found.push(word(&group[at..]).to_owned());
                expecting = false;
            }
            _ => {}
        }
    }
    found
}

/// A source's code without its tests, which may use whatever they like. Tests stand last.
fn outside_tests(source: &Source) -> &str {
    let of_tests = source.path.components().any(|part| {
        let name = Path::new(part.as_os_str()).file_stem();
        name.is_some_and(|name| name == "tests")
    });
    if of_tests {
        return "";
    }
    source
        .code
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default()
}

fn hold(what: &str, complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{what}:\n  {}",
        complaints.join("\n  ")
    );
}

#[test]
fn a_module_imports_only_from_levels_below_its_own() {
    let levels: BTreeMap<&str, u32> = LEVELS.into();
    let mut complaints = Vec::new();
    for source in sources() {
        let shown = source.path.display();
        let Some(own) = levels.get(source.module.as_str()) else {
            complaints.push(format!("{shown}: {} has no level", source.module));
            continue;
        };
        for import in imports(&source.code) {
            // Names that are no modules are what lib.rs itself may define.
            let Some(level) = levels.get(import.as_str()) else {
                continue;
            };
            if import != source.module && level >= own {
                complaints.push(format!(
                    "{shown} (level {own}) imports {import} (level {level})"
                ));
            }
        }
    }
    hold("imports that do not point down", &complaints);
}

#[test]
fn each_dependency_has_one_door() {
    let mut complaints = Vec::new();
    for source in sources() {
        let code = outside_tests(&source);
        for (name, doors) in DOORS {
            let named = ["::", ";", " as "].into_iter().any(|after| {
                places(code, name, after).any(|at| {
                    // `foo::sled::bar` is a module of somebody's own.
                    !code[..at].ends_with("::")
                })
            });
            if named && !doors.contains(&source.module.as_str()) {
                complaints.push(format!("{} names {name}", source.path.display()));
            }
        }
    }
    hold("crates that are named outside their doors", &complaints);
}

#[test]
fn what_is_pure_stays_pure() {
    let mut complaints = Vec::new();
    for source in sources() {
        let plan = source
            .path
            .file_name()
            .is_some_and(|name| name == "plan.rs");
        if !plan && !PURE.contains(&source.module.as_str()) {
            continue;
        }
        let code = outside_tests(&source);
        for name in IMPURE {
            if code.contains(name) {
                complaints.push(format!("{} names {name}", source.path.display()));
            }
        }
    }
    hold("effects in pure code", &complaints);
}

#[test]
fn a_file_is_one_idea() {
    let long = sources()
        .into_iter()
        .filter(|source| source.lines > LONGEST);
    let complaints: Vec<String> = long
        .map(|source| format!("{} has {} lines", source.path.display(), source.lines))
        .collect();
    hold(&format!("files of more than {LONGEST} lines"), &complaints);
}

#[test]
fn every_configuration_key_is_documented() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let keys = pastina::serve::config::KEYS;
    let lacking: Vec<String> = keys
        .iter()
        .filter(|key| !page.contains(&format!("| `{key}` |")))
        .map(|key| (*key).to_owned())
        .collect();
    hold("keys that docs/configuration.md lacks", &lacking);
    let known = |key: &str| keys.contains(&key);
    let stale: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(key, _)| key.to_owned())
        .filter(|key| !known(key))
        .collect();
    hold("keys in docs/configuration.md that are none", &stale);
}

/// The app in `examples/` that shows a runtime.
const EXAMPLES: [(&str, &str); 13] = [
    ("dotnet", "dotnet-web"),
    ("go", "go-service"),
    ("java", "java-jar"),
    ("nginx", "nginx-site"),
    ("nodejs", "express"),
    ("php", "php-site"),
    ("procfile", "procfile"),
    ("python", "flask"),
    ("r", "plumber"),
    ("ruby", "rack"),
    ("rust", "rust-service"),
    ("static", "static-site"),
    ("wasm", "wasm-c"),
];

#[test]
fn every_runtime_has_an_example() {
    let examples = BTreeMap::from(EXAMPLES);
    let files = fs::read_dir(root().join("runtimes")).into_iter().flatten();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    let lacking: Vec<String> = files
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| {
            let example = examples.get(name.as_str());
            !example.is_some_and(|folder| root().join("examples").join(folder).is_dir())
        })
        .collect();
    hold("runtimes without an example", &lacking);
}

#[test]
fn imports_are_read_in_every_shape() {
    let check = |code: &str, expected: &[&str]| assert_eq!(imports(code), expected, "{code}");
    check("use crate::model::App;", &["model"]);
    check(
        "use crate::{\n    model::{App, x::Y},\n    store,\n    net::Client as C,\n};",
        &["model", "store", "net"],
    );
    check(
        "let x = crate::wire::page(1); pub(crate) fn f() {}",
        &["wire"],
    );
    check("use mycrate::model;", &[]);
}

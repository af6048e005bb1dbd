//! docs/cloud-foundry.md: every command of the stock client and every endpoint that Cloud Foundry
//! documents, and whether they work. `BLESS=1` writes the table of endpoints anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::harness::Platform;
use crate::support::stock_cf;

/// What Cloud Foundry documents.
const ENDPOINTS: &str = include_str!("v3-endpoints.txt");
/// The least share of it that works, in percent.
const SHARE: usize = 95;
/// What the tables say of what works; of the rest they say why not.
const WORKS: &str = "works";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> PathBuf {
    root().join("docs/cloud-foundry.md")
}

/// A path with nothing in its braces.
fn shape(path: &str) -> String {
    let mut parts = path.split('{');
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape.push_str("{}");
        shape.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    shape
}

/// The rows of the table under `heading`: what is in code marks, and what is said of it.
fn rows(text: &str, heading: &str) -> BTreeMap<String, String> {
    let section = text.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .strip_suffix(" |")?
                .split_once("` | ")
        })
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}

/// Whether what is documented is among what is served, which may name what stands in braces.
fn is_served(endpoint: &str, served: &BTreeSet<String>) -> bool {
    let parts: Vec<&str> = endpoint.split('/').collect();
    served.iter().any(|one| {
        let one: Vec<&str> = one.split('/').collect();
        one.len() == parts.len()
            && parts
                .iter()
                .zip(one)
                .all(|(part, one)| *part == one || *part == "{}")
    })
}

/// What the document of the API has, as `GET /v3/apps/{}`.
fn served(document: &Value) -> BTreeSet<String> {
    let mut served = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            served.insert(format!("{} {}", method.to_uppercase(), shape(path)));
        }
    }
    served
}

#[tokio::test]
async fn the_table_says_which_endpoints_work() {
    let platform = Platform::start().await;
    let served = served(&platform.get("/openapi.json").await);
    let text = fs::read_to_string(page()).unwrap();
    let said = rows(&text, "Endpoints");
    let documented = ENDPOINTS.lines().filter(|line| !line.starts_with('#'));
    let (mut table, mut wrong) = (String::new(), Vec::new());
    let (mut all, mut working) = (0, 0);
    for endpoint in documented {
        all += 1;
        let there = is_served(&shape(endpoint), &served);
        let before = said.get(endpoint).map_or("", String::as_str);
        let now = match (there, before) {
            (true, _) => WORKS,
            (false, WORKS | "") => "no: say why",
            (false, why) => why,
        };
        working += usize::from(there);
        if before != now {
            wrong.push(format!("{endpoint}: {before:?} but it is {now:?}"));
        }
        table.push_str(&format!("| `{endpoint}` | {now} |\n"));
    }
    if std::env::var_os("BLESS").is_some() {
        let mark = "| Endpoint | State |\n| --- | --- |\n";
        let (head, tail) = text.split_once(mark).unwrap();
        let rest = tail.find("\n\n").map_or("", |at| &tail[at..]);
        fs::write(page(), format!("{head}{mark}{}{rest}", table.trim_end())).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "BLESS=1 mends the table: {wrong:#?}");
    assert_eq!(
        said.len(),
        all,
        "rows of what Cloud Foundry does not document"
    );
    assert!(
        working * 100 >= SHARE * all,
        "{working} of {all} work, which is less than {SHARE} %"
    );
}

/// The commands that `cf help -a` lists.
fn commands() -> BTreeSet<String> {
    let home = tempfile::tempdir().unwrap();
    let help = Command::new(stock_cf())
        .args(["help", "-a"])
        .env("CF_HOME", home.path())
        .env("LANG", "en_US.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    let (_, text) = text.split_once("GETTING STARTED:").unwrap();
    let (text, _) = text.split_once("ENVIRONMENT VARIABLES:").unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("   ")?.split(' ').next())
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// Every source of the tests in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_table_says_which_commands_work_and_a_test_runs_each() {
    let commands = commands();
    assert!(
        commands.len() > 150,
        "the client lists them differently: {commands:?}"
    );
    let said = rows(&fs::read_to_string(page()).unwrap(), "Commands");
    let rows: BTreeSet<_> = said.keys().cloned().collect();
    let difference: Vec<_> = rows.symmetric_difference(&commands).collect();
    assert!(difference.is_empty(), "only in one of them: {difference:?}");
    let mut tests = String::new();
    sources(&root().join("tests/it"), &mut tests);
    let wrong: Vec<_> = said
        .iter()
        .filter(|(command, said)| {
            let tried = [format!("\"{command}\""), format!("\"{command} ")];
            (*said == WORKS) != tried.iter().any(|tried| tests.contains(tried))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "what works and what a test runs differ: {wrong:?}"
    );
}

//! What we build on: its licences, where it comes from, and what we will not have, as deny.toml
//! says. `cargo deny` reads the same file; this needs no more than cargo itself.

use std::{collections::BTreeSet, path::Path, process::Command};

/// A package that something of ours is made with.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    /// Its version, and where it comes from unless that is the registry.
    rest: String,
    licence: String,
}

/// What cargo says of every package that is compiled for Linux: the executable's, and those of
/// build scripts and tests.
fn packages() -> BTreeSet<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--prefix", "none"])
        .args([
            "--target",
            "x86_64-unknown-linux-gnu",
            "--format",
            "{p}|{l}|",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<Package> = text
        .lines()
        .filter_map(|line| {
            let (package, rest) = line.split_once('|')?;
            let (name, version) = package.split_once(' ')?;
            Some(Package {
                name: name.to_owned(),
                rest: version.to_owned(),
                licence: rest.split('|').next()?.to_owned(),
            })
        })
        .collect();
    assert!(packages.len() > 100, "{text}");
    packages
}

fn rules() -> toml::Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    std::fs::read_to_string(file).unwrap().parse().unwrap()
}

fn texts(list: &toml::Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap()).collect()
}

/// An SPDX expression, word by word: `OR` is weaker than `AND`, and the slash of old is `OR`.
struct Expression<'a> {
    words: Vec<&'a str>,
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Expression<'a> {
    fn holds(text: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
        let spaced = text
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ");
        let mut words: Vec<&str> = spaced.split_whitespace().collect();
        words.reverse();
        let mut expression = Expression { words, allowed };
        let holds = expression.any();
        assert!(expression.words.is_empty(), "{text} is no expression");
        holds
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.last() == Some(&word);
        if there {
            self.words.pop();
        }
        there
    }

    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.take("OR") {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.take("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let holds = self.any();
            assert!(self.take(")"), "a bracket is not closed");
            return holds;
        }
        let name: &'a str = self.words.pop().expect("a licence");
        // "Or any later version" includes this one.
        let name = name.trim_end_matches('+');
        if self.take("WITH") {
            let exception = self.words.pop().expect("an exception");
            return (self.allowed)(&format!("{name} WITH {exception}"));
        }
        (self.allowed)(name)
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
    let check = |text: &str, expected: bool| {
        assert_eq!(Expression::holds(text, &allowed), expected, "{text}");
    };
    check("MIT", true);
    check("GPL-3.0", false);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0/MIT", true);
    check("MIT AND GPL-3.0", false);
    check("GPL-3.0 AND MIT OR ISC", true);
    check("GPL-3.0 AND (MIT OR ISC)", false);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("Apache-2.0", false);
    check("MIT+", true);
}

#[test]
fn every_dependency_is_one_that_deny_toml_lets_in() {
    let rules = rules();
    let licences = &rules["licenses"];
    let everywhere = texts(&licences["allow"]);
    let exceptions = licences["exceptions"].as_array().unwrap();
    let banned = rules["bans"]["deny"].as_array().unwrap().iter();
    let banned: BTreeSet<&str> = banned.map(|one| one["crate"].as_str().unwrap()).collect();
    let mut complaints = Vec::new();
    for Package {
        name,
        rest,
        licence,
    } in packages()
    {
        let granted: Vec<&str> = exceptions
            .iter()
            .filter(|exception| exception["crate"].as_str() == Some(&name))
            .flat_map(|exception| texts(&exception["allow"]))
            .collect();
        let allowed = |licence: &str| everywhere.contains(&licence) || granted.contains(&licence);
        if licence.is_empty() {
            complaints.push(format!("{name} {rest} names no licence"));
        } else if !Expression::holds(&licence, &allowed) {
            complaints.push(format!("{name} {rest} has the licence {licence}"));
        }
        if banned.contains(name.as_str()) {
            complaints.push(format!("{name} {rest} is not to be had (see deny.toml)"));
        }
        // Ours lies in a folder; others come from the registry, and not from somebody's branch.
        let ours = name == env!("CARGO_PKG_NAME");
        if !ours && rest.contains('(') && !rest.ends_with("(proc-macro)") {
            complaints.push(format!("{name} {rest} does not come from the registry"));
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

//! Conditions on an app: which files there are, and what they say.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::RegexBuilder;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Bindings, Facts, lookup::Lookup};

/// Holds where all of `all`, at least one of `any` (if there are some) and none of `none` do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Every one of these.
    #[serde(default)]
    pub all: Vec<Test>,
    /// At least one of these.
    #[serde(default)]
    pub any: Vec<Test>,
    /// Not one of these.
    #[serde(default)]
    pub none: Vec<Test>,
}

impl Condition {
    /// Whether it holds for every app.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.none.is_empty()
    }

    /// What its tests found, where it holds.
    #[must_use]
    pub fn holds(&self, facts: Facts<'_>) -> Option<Bindings> {
        let mut found = Bindings::new();
        let mut test = |test: &Test| match test.find(facts) {
            Some(value) => {
                if let Some(name) = &test.bind {
                    found.entry(name.clone()).or_insert(value);
                }
                true
            }
            None => false,
        };
        let all = self.all.iter().all(&mut test);
        // Every test of `any` is asked, since each may bind a name.
        let any = self.any.iter().filter(|one| test(one)).count() > 0 || self.any.is_empty();
        (all && any && !self.none.iter().any(|one| one.find(facts).is_some())).then_some(found)
    }

    /// The names that its tests can bind.
    pub(super) fn binds(&self) -> impl Iterator<Item = &str> {
        self.all
            .iter()
            .chain(&self.any)
            .filter_map(|test| test.bind.as_deref())
    }
}

/// One test. In TOML a text is a glob that some file must match; a table says more.
#[derive(Debug, Clone)]
pub struct Test {
    subject: Subject,
    /// The name under which commands use what was found.
    bind: Option<String>,
}

#[derive(Debug, Clone)]
enum Subject {
    File {
        glob: GlobMatcher,
        except: Vec<GlobMatcher>,
        /// Whether just one file may match.
        only: bool,
        lookup: Option<Lookup>,
    },
    Env {
        name: String,
        lookup: Option<Lookup>,
    },
    OwnCommand,
}

impl Test {
    /// Where it looks, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.subject {
            Subject::Env { name, .. } => format!("the variable {name}"),
            Subject::OwnCommand => "the start command".to_owned(),
            Subject::File { glob, .. } => glob.glob().glob().to_owned(),
        }
    }

    /// What is found: the value that was looked up, or else the file's path.
    #[must_use]
    pub fn find(&self, facts: Facts<'_>) -> Option<String> {
        match &self.subject {
            Subject::Env { name, lookup } => {
                let value = facts.env.get(name).filter(|value| !value.is_empty())?;
                match lookup {
                    Some(lookup) => lookup.find(value),
                    None => Some(value.clone()),
                }
            }
            Subject::OwnCommand => facts.own_command.then(String::new),
            Subject::File {
                glob,
                except,
                only,
                lookup,
            } => {
                let mut matching = facts
                    .files
                    .paths()
                    .iter()
                    .filter(|path| glob.is_match(path.as_str()))
                    .filter(|path| !except.iter().any(|glob| glob.is_match(path.as_str())));
                let (first, second) = (matching.next()?, matching.next());
                if *only && second.is_some() {
                    return None;
                }
                let Some(lookup) = lookup else {
                    return Some(first.clone());
                };
                std::iter::once(first)
                    .chain(second)
                    .chain(matching)
                    .find_map(|path| lookup.find(&facts.files.text(path)?))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Option<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    only: bool,
    json: Option<String>,
    toml: Option<String>,
    yaml: Option<String>,
    matches: Option<String>,
    env: Option<String>,
    #[serde(default)]
    own_command: bool,
    #[serde(rename = "as")]
    bind: Option<String>,
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Test;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a glob such as \"*.py\", or a table with file, env or own_command")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Test, E> {
                Ok(Test {
                    subject: Subject::File {
                        glob: glob(text)?,
                        except: Vec::new(),
                        only: false,
                        lookup: None,
                    },
                    bind: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Test, A::Error> {
                test(Table::deserialize(MapAccessDeserializer::new(map))?)
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

fn test<E: Error>(table: Table) -> Result<Test, E> {
    let pointer = |text: String| {
        if text.starts_with('/') {
            return Ok(text);
        }
        Err(E::custom(format_args!(
            "{text:?} is not a JSON pointer: write /key or /key/inner"
        )))
    };
    let mut lookups = Vec::new();
    if let Some(text) = table.json {
        lookups.push(Lookup::Json(pointer(text)?));
    }
    if let Some(text) = table.toml {
        lookups.push(Lookup::Toml(pointer(text)?));
    }
    if let Some(text) = table.yaml {
        lookups.push(Lookup::Yaml(pointer(text)?));
    }
    if let Some(text) = table.matches {
        let pattern = RegexBuilder::new(&text).size_limit(1 << 20).build();
        lookups.push(Lookup::Matches(pattern.map_err(E::custom)?));
    }
    if lookups.len() > 1 {
        return Err(E::custom(
            "a test has at most one of json, toml, yaml and matches",
        ));
    }
    let lookup = lookups.pop();
    let subject = match (table.file, table.env, table.own_command) {
        (Some(file), None, false) => Subject::File {
            glob: glob(&file)?,
            except: table
                .except
                .iter()
                .map(|text| glob(text))
                .collect::<Result<_, E>>()?,
            only: table.only,
            lookup,
        },
        (None, Some(name), false) => Subject::Env { name, lookup },
        (None, None, true) if lookup.is_none() => Subject::OwnCommand,
        _ => {
            return Err(E::custom(
                "a test has one of file, env and own_command; what is looked for inside needs file \
                 or env",
            ));
        }
    };
    Ok(Test {
        subject,
        bind: table.bind,
    })
}

/// A glob over paths in which `*` stays within one folder and `**` does not.
fn glob<E: Error>(text: &str) -> Result<GlobMatcher, E> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::runtimes::Tree;

    fn holds(condition: &str, files: &[(&str, &str)]) -> Option<Bindings> {
        let tree: Tree = files.iter().copied().collect();
        let condition: Condition = toml::from_str(condition).unwrap();
        condition.holds(Facts {
            files: &tree,
            env: &BTreeMap::from([("COMPONENT".to_owned(), "b.wasm".to_owned())]),
            own_command: false,
        })
    }

    #[test]
    fn weighs_files() {
        let check = |condition: &str, files: &[(&str, &str)], expected: bool| {
            assert_eq!(holds(condition, files).is_some(), expected, "{condition}");
        };
        check(r#"all = ["a.py"]"#, &[("a.py", "")], true);
        check(r#"all = ["*.py"]"#, &[("src/a.py", "")], false);
        check(r#"all = ["**/*.py"]"#, &[("src/a.py", "")], true);
        check(r#"any = ["a", "b"]"#, &[("b", "")], true);
        check(r#"any = ["a", "b"]"#, &[("c", "")], false);
        check(
            r#"all = ["a"]
none = ["b"]"#,
            &[("a", ""), ("b", "")],
            false,
        );
        check(
            r#"all = [{ file = "*.jar", only = true }]"#,
            &[("a.jar", ""), ("b.jar", "")],
            false,
        );
        check(
            r#"all = [{ file = "*.jar", only = true, except = ["*-sources.jar"] }]"#,
            &[("a.jar", ""), ("a-sources.jar", "")],
            true,
        );
        check("all = [{ own_command = true }]", &[], false);
        check("", &[], true);
    }

    #[test]
    fn what_was_found_has_a_name() {
        let found = holds(
            r#"all = [{ file = "*.wasm", as = "file" }, { env = "COMPONENT", as = "env" },
                      { file = "p.json", json = "/a/b", as = "json" }]"#,
            &[("a.wasm", ""), ("p.json", r#"{"a":{"b":7}}"#)],
        )
        .unwrap();
        let shown: Vec<_> = found.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["env=b.wasm", "file=a.wasm", "json=7"]);
    }

    #[test]
    fn nonsense_is_refused() {
        let check = |condition: &str, expected: &str| {
            let error = toml::from_str::<Condition>(condition).unwrap_err();
            assert!(error.message().contains(expected), "{}", error.message());
        };
        check("all = [1]", "a glob such as");
        check("all = [{ fil = \"a\" }]", "unknown field");
        check("all = [{ file = \"a\", env = \"B\" }]", "one of file, env");
        check(
            "all = [{ own_command = true, json = \"/a\" }]",
            "needs file",
        );
        check(
            "all = [{ file = \"a\", json = \"a\" }]",
            "not a JSON pointer",
        );
        check(
            "all = [{ file = \"a\", matches = \"(\" }]",
            "unclosed group",
        );
        check("all = [\"[\"]", "unclosed character class");
        check("some = [\"a\"]", "unknown field");
    }
}

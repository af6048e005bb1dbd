//! Parsers of what strangers send, fed with what is almost right: seeds from `corpus/`, changed
//! by chance. None panics, and none takes long.
//!
//! `PASTINA_TEST_FUZZ_SECONDS` is how long each runs, `PASTINA_TEST_FUZZ_SEED` repeats a run; `make fuzz`
//! runs them longer. What broke one goes into the corpus.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use pastina::{
    brokers::read_catalog,
    images::Reference,
    model::{AppName, DomainName, SpaceId, Timestamp, Username},
    runtimes::read_procfile,
    wire::{
        Query, Selector,
        manifest::{Document, RouteUrl, read},
        network_policy::{Version, parse},
        scim::Filter,
    },
};
use serde_json::Value;

use super::harness::Platform;
use crate::support::{Dice, say, seed, setting};

/// Seconds for each parser where nobody says.
const SECONDS: u64 = 2;
/// Longest input, in bytes.
const LONGEST: usize = 64 * 1024;
/// How long one input may take, in a build for tests on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// What stands between seeds.
const BETWEEN: &str = "\n%%%\n";
/// What makes things happen.
const PIECES: [&str; 24] = [
    "&a",
    "*a",
    "<<: *a",
    "---",
    "...",
    "!!binary ",
    "!!python/object",
    "[",
    "{",
    "]",
    "}",
    ": ",
    "\n  - ",
    "\"",
    "\\",
    "\0",
    "\u{feff}",
    "é",
    "😀",
    "%2C",
    " and ",
    "(",
    "))",
    "18446744073709551616",
];

/// An input made of `seeds`.
fn input(dice: &mut Dice, seeds: &[&[u8]]) -> Vec<u8> {
    let mut bytes = dice.pick(seeds).to_vec();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(20)).min(bytes.len());
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.insert(at, u8::try_from(dice.below(256)).unwrap()),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].repeat(1 + dice.below(30));
                bytes.splice(at..at, copy);
            }
            4 | 5 => drop(bytes.splice(at..at, dice.pick(&PIECES).bytes())),
            6 => {
                let other = dice.pick(seeds);
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ if dice.once_in(10) => {
                let deep = dice.pick(&["[", "{\"a\":", "(", "!", "a: {", "- "]);
                bytes.splice(at..at, deep.repeat(2_000).into_bytes());
            }
            _ => {}
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// Feeds `parser` with inputs made of the seeds in `corpus`.
fn feed(name: &str, corpus: &str, parser: impl Fn(&[u8])) {
    let seeds: Vec<&[u8]> = corpus.split(BETWEEN).map(str::as_bytes).collect();
    let mut dice = Dice(seed());
    let seconds = setting("PASTINA_TEST_FUZZ_SECONDS").unwrap_or(SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut fed = 0;
    let mut one = |bytes: &[u8]| {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| parser(bytes)));
        let shown = || {
            String::from_utf8_lossy(bytes)
                .chars()
                .take(2_000)
                .collect::<String>()
        };
        assert!(outcome.is_ok(), "{name} panicked at {:?}", shown());
        let took = start.elapsed();
        assert!(took < PATIENCE, "{name} took {took:?} for {:?}", shown());
        fed += 1;
    };
    for seed in &seeds {
        one(seed);
    }
    while Instant::now() < end {
        one(&input(&mut dice, &seeds));
    }
    say(&format!("{name}: {fed} inputs"));
}

/// The same for parsers of text.
fn feed_text(name: &str, corpus: &str, parser: impl Fn(&str)) {
    feed(name, corpus, |bytes| {
        parser(&String::from_utf8_lossy(bytes))
    });
}

#[test]
fn manifests() {
    feed("manifest", include_str!("corpus/manifest.txt"), |bytes| {
        let Ok(document) = Document::parse(bytes) else {
            return;
        };
        for (at, entry) in document.applications.0.iter().enumerate() {
            drop(read(at, entry));
        }
    });
}

#[test]
fn questions() {
    feed_text("selector", include_str!("corpus/selector.txt"), |text| {
        if let Ok(selector) = Selector::parse(text) {
            let _ = selector.selects(&[("a".to_owned(), "b".to_owned())].into());
        }
    });
    feed_text("filter", include_str!("corpus/filter.txt"), |text| {
        if let Some(filter) = Filter::parse(text) {
            filter.passes(&|_| vec!["a".to_owned()]);
        }
    });
    feed_text("query", include_str!("corpus/query.txt"), |text| {
        if let Ok(query) = Query::parse(text, &["names", "guids"]) {
            drop(query.values("names"));
            drop(query.number("page", 1, 5_000));
            drop(query.with_page(1, 50));
        }
    });
}

#[test]
fn names_of_things() {
    feed_text("image", include_str!("corpus/image.txt"), |text| {
        if let Ok(reference) = Reference::parse(text) {
            drop(format!("{reference:?}"));
        }
    });
    feed_text("name", include_str!("corpus/image.txt"), |text| {
        drop(AppName::parse(text));
        drop(DomainName::parse(text));
        drop(Username::parse(text));
        drop(text.parse::<SpaceId>());
        let _ = Timestamp::parse(text);
        drop(RouteUrl::parse(text));
    });
}

#[test]
fn files_of_apps_and_words_of_brokers() {
    feed_text("Procfile", include_str!("corpus/procfile.txt"), |text| {
        drop(read_procfile(text));
    });
    let json = include_str!("corpus/json.txt");
    feed("policies", json, |bytes| {
        drop(parse(bytes, Version::V0));
        drop(parse(bytes, Version::V1));
    });
    feed("catalog", json, |bytes| {
        if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
            drop(read_catalog(&document));
        }
    });
}

/// A token that was changed is nobody's, however it was changed.
#[tokio::test]
async fn tokens() {
    let platform = Platform::start().await;
    let good = platform.admin.clone();
    let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let unsigned = [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
    ];
    let mut seeds: Vec<&[u8]> = vec![good.as_bytes(), b"a.b.c", b"", b"..."];
    seeds.extend(unsigned.iter().map(String::as_bytes));
    let mut dice = Dice(seed());
    let seconds = setting("PASTINA_TEST_FUZZ_SECONDS").unwrap_or(SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried: Vec<String> = unsigned.to_vec();
    while Instant::now() < end {
        tried.push(String::from_utf8_lossy(&input(&mut dice, &seeds)).into_owned());
        for token in tried.drain(..) {
            let visible = token.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
            if !visible {
                continue;
            }
            let status = platform
                .call(&token, "GET", "/v3/jobs", Value::Null)
                .await
                .status;
            assert!(status < 500, "{status} for {token}");
            let status = platform
                .call(&token, "GET", "/v3/stacks", Value::Null)
                .await
                .status;
            let ours = signed(&token) == signed(&good);
            assert!(
                status == 401 || (status == 200 && ours),
                "{status} for {token}"
            );
        }
    }
}

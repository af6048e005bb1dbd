//! Requests by chance, out of the document of the API: nothing fails inside, nothing is answered
//! that the document does not tell, and nobody sees or changes what is another tenant's.
//!
//! `PASTINA_TEST_FUZZ_SECONDS` is how long, `PASTINA_TEST_FUZZ_SEED` repeats a run.

mod plant;
mod requests;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::{
    plant::{MARK, Tenant, plant},
    requests::{Operation, operations},
    values::Known,
};
use super::{
    harness::{Answer, Platform, guid},
    permissions::restore,
};
use crate::support::{Dice, say, seed, setting};

/// Seconds of a run that nobody asked for.
const SECONDS: u64 = 45;
/// Requests until everything is again what it was.
const ROUND: usize = 150;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What takes its time on purpose: hashes of passwords, calls of brokers.
const SLOW: [&str; 4] = [
    "/Users",
    "/oauth/clients",
    "/v3/service_brokers",
    "/oauth/token",
];

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    Admin,
    Developer,
    Manager,
    Nobody,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_anything_or_tells_of_another_tenant() {
    let seed = seed();
    let seconds = setting("PASTINA_TEST_FUZZ_SECONDS").unwrap_or(SECONDS);
    let platform = Arc::new(Platform::start().await);
    let drained = platform.clone();
    // Wishes for restarts would wait for ever otherwise.
    let drain =
        tokio::spawn(async move { while drained.wishes.lock().await.recv().await.is_some() {} });
    let mut known = Known::default();
    let own = plant(&platform, "lion", &mut known).await;
    let other = plant(&platform, MARK, &mut known).await;
    shared(&platform, &mut known).await;
    let document = platform.get("/openapi.json").await;
    let mut fuzz = Fuzz {
        operations: operations(&document),
        document: &document,
        platform: &platform,
        known,
        dice: Dice(seed),
        seen: BTreeMap::new(),
        wrong: BTreeSet::new(),
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let before = platform.store.state();
    while Instant::now() < end && fuzz.wrong.len() < 20 {
        for who in [Who::Admin, Who::Developer, Who::Manager, Who::Nobody] {
            fuzz.round(who, &own, &other).await;
            restore(&platform.store, &before).await;
        }
    }
    drain.abort();
    let Fuzz {
        operations,
        seen,
        wrong,
        ..
    } = fuzz;
    let asked: usize = seen.values().map(|(asked, _)| asked).sum();
    let worked = seen.values().filter(|(_, worked)| *worked > 0).count();
    say(&format!(
        "{asked} requests in {seconds} s; of {} operations {worked} have worked at least once",
        operations.len()
    ));
    if setting("PASTINA_TEST_FUZZ_TELL").is_some() {
        for (at, operation) in operations.iter().enumerate() {
            if seen.get(&at).is_none_or(|(_, worked)| *worked == 0) {
                say(&format!("never: {} {}", operation.method, operation.path));
            }
        }
    }
    let wrong: Vec<_> = wrong.into_iter().collect();
    assert!(
        wrong.is_empty(),
        "with PASTINA_TEST_FUZZ_SEED={seed}:\n{}",
        wrong.join("\n")
    );
}

/// What is nobody's or everybody's.
async fn shared(platform: &Platform, known: &mut Known) {
    let segment = platform.make("/v3/isolation_segments", json!({ "name": "segment" }));
    known.add("segment", &guid(&segment.await));
    let buildpack = platform.make("/v3/buildpacks", json!({ "name": "classic" }));
    known.add("buildpack", &guid(&buildpack.await));
    let group = platform.make("/Groups", json!({ "displayName": "pupils" }));
    let group = group.await["id"].as_str().unwrap().to_owned();
    known.add("group", &group);
    for (kind, path) in [("stack", "/v3/stacks"), ("domain", "/v3/domains")] {
        let list = platform.get(path).await;
        known.add(kind, &guid(&list["resources"][0]));
    }
}

struct Fuzz<'a> {
    operations: Vec<Operation<'a>>,
    document: &'a Value,
    platform: &'a Platform,
    known: Known,
    dice: Dice,
    /// How often each operation was asked, and how often it worked.
    seen: BTreeMap<usize, (usize, usize)>,
    wrong: BTreeSet<String>,
}

impl Fuzz<'_> {
    /// Some requests by `who`.
    async fn round(&mut self, who: Who, own: &Tenant, other: &Tenant) {
        let theirs = other.all(self.platform).await;
        // What was revoked in an earlier round is good again, but a token is not.
        let token = match who {
            Who::Admin => self.platform.admin.clone(),
            Who::Developer => own.token.clone(),
            Who::Manager => own.managing.clone(),
            Who::Nobody => String::new(),
        };
        for _ in 0..ROUND {
            let at = self.dice.below(self.operations.len());
            let operation = &self.operations[at];
            let slow = SLOW.iter().any(|path| operation.path.starts_with(path));
            if slow && operation.method != "GET" && !self.dice.once_in(8) {
                continue;
            }
            let (request, shown) =
                operation.request(&mut self.dice, self.document, &self.known, &token);
            let answer = tokio::time::timeout(PATIENCE, self.platform.send(request)).await;
            let Ok(answer) = answer else {
                self.wrong.insert(format!("{who:?}: no answer to {shown}"));
                continue;
            };
            let seen = self.seen.entry(at).or_default();
            seen.0 += 1;
            seen.1 += usize::from(answer.status < 300);
            let told = &operation.told["responses"];
            if let Some(wrong) = judge(who, &answer, told) {
                self.wrong.insert(format!("{who:?}: {wrong}: {shown}"));
            }
        }
        if who != Who::Admin {
            for ((path, before), (_, now)) in theirs.iter().zip(other.all(self.platform).await) {
                if *before != now {
                    let name = other.name;
                    self.wrong.insert(format!(
                        "{who:?} changed {path} of {name}: {before} to {now}"
                    ));
                }
            }
        }
    }
}

/// What is wrong with an answer.
fn judge(who: Who, answer: &Answer, told: &Value) -> Option<String> {
    let Answer {
        status,
        headers,
        json,
    } = answer;
    let deliberate = matches!(status, 502..=504) && json["errors"][0]["code"] != 10_001;
    if *status >= 500 && !deliberate && !broker(json) {
        return Some(format!("{status} {json}"));
    }
    if *status < 400 && told[status.to_string()].is_null() {
        return Some(format!("{status} is not in the document"));
    }
    let open = format!("{json} {headers:?}").to_lowercase();
    if who != Who::Admin && open.contains(MARK) {
        return Some(format!("another tenant's mark in {status} {json}"));
    }
    None
}

/// Whether it is a service broker that has failed.
fn broker(json: &Value) -> bool {
    let title = json["errors"][0]["title"].as_str().unwrap_or_default();
    title.contains("Broker")
}

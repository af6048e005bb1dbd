//! SIGKILL at any moment: a child commits and says what was acknowledged, and is killed.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::fixture::{event, open, org, put, run};
use crate::model::OrgName;

/// Where the child finds the store; without it this is no child.
const DIR: &str = "PASTINA_KILL_TEST_DIR";
/// What a line of the child starts with; the test harness writes lines of its own.
const ACKNOWLEDGED: &str = "acknowledged ";
const ROUNDS: u64 = 25;

/// The child: four writers, each in its own organization, each counting up.
#[test]
fn child_that_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    run(async {
        let (store, _) = open(Path::new(&dir));
        let writer = |number: u64| {
            let store = &store;
            async move {
                let name = |org: &crate::model::Org| org.name[1..].parse::<u64>().unwrap();
                let mut count = store
                    .state()
                    .orgs
                    .get(&org(number).id)
                    .map_or(0, |org| name(org));
                loop {
                    count += 1;
                    let mut org = org(number);
                    org.name = OrgName::parse(format!("n{count}")).unwrap();
                    let event = event(number * 1_000_000 + count, 200);
                    put(store, [org.into(), event.into()]).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "{ACKNOWLEDGED}{number} {count}").unwrap();
                    out.flush().unwrap();
                }
            }
        };
        join_all((0..4).map(writer)).await;
    });
}

/// How the child is started.
pub(super) fn child(dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "store::tests::kill::child_that_is_killed",
            "--nocapture",
        ])
        .env(DIR, dir);
    command
}

/// Reads one line of the child.
pub(super) fn note(acknowledged: &mut [u64; 4], line: &str) {
    if let Some((_, told)) = line.split_once(ACKNOWLEDGED) {
        let (number, count) = told.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        acknowledged[number] = acknowledged[number].max(count.parse().unwrap());
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SmallRng::seed_from_u64(1);
    let mut acknowledged = [0_u64; 4];
    for round in 0..ROUNDS {
        let mut child = child(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some are killed while they open, most in the midst of commits and checkpoints.
        let patience = rng.random_range(0..150);
        for line in lines.by_ref().take(patience) {
            note(&mut acknowledged, &line.unwrap());
        }
        child.kill().unwrap();
        // What it said before it died counts as well; its last line may be half there.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest.iter().rev().skip(1) {
            note(&mut acknowledged, line);
        }
        child.wait().unwrap();

        let (store, opened) = open(dir.path());
        let state = store.state();
        for (number, count) in (0_u64..).zip(acknowledged) {
            let found = state
                .orgs
                .get(&org(number).id)
                .map_or(0, |org| org.name[1..].parse().unwrap());
            assert!(
                found >= count,
                "round {round}: {found} of {count}, {opened:?}"
            );
            for one in 1..=count {
                let id = event(number * 1_000_000 + one, 0).id;
                assert!(
                    state.events.contains_key(&id),
                    "round {round}: event {one} is missing"
                );
            }
        }
        assert_eq!(state.revision, state.events.len() as u64, "round {round}");
    }
    assert!(acknowledged.iter().sum::<u64>() > ROUNDS);
}

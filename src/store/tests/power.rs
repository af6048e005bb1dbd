//! Power cuts at every point, on a disk that keeps no promise beyond those of `fsync`.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{
    fixture::{event, org, put, run},
    sim::SimDisk,
};
use crate::store::{Repair, State, Store, StoreError, disk::Disk};

/// Histories that are tried. Each is several lives, each with a cut and what comes after it.
const SEEDS: u64 = 700;
/// Lives in a history.
const LIVES: u32 = 3;

fn open(disk: &SimDisk) -> Result<Store, StoreError> {
    Store::open_on(Arc::new(disk.clone()), None, 2_500, None).map(|(store, _)| store)
}

/// What may be found after a cut: what was acknowledged last, or what was tried on top.
#[derive(Debug, Default)]
struct History {
    acknowledged: State,
    tried: Vec<State>,
}

impl History {
    /// Commits at random, some together, with failures among them, until the power goes.
    async fn go_on(&mut self, store: &Store, disk: &SimDisk, rng: &mut SmallRng) {
        for _ in 0..25 {
            disk.set_space(rng.random_bool(0.1).then(|| rng.random_range(0..1_500)));
            if rng.random_bool(0.1) {
                let first = rng.random_range(0..4);
                disk.fail_syncs(first..first + rng.random_range(1..4));
            }
            let (first, bytes) = (rng.random_range(0..8_u64), rng.random_range(0..300));
            let seen = &Mutex::new(Vec::new());
            let commits = (0..rng.random_range(1..=4)).map(|number| {
                store.commit(move |tx| {
                    if number % 3 == 2 {
                        tx.delete(org(first).id);
                    } else {
                        tx.put(org(first + number));
                        tx.put(event(first + number, bytes));
                    }
                    let mut state = State::clone(tx);
                    state.revision += 1;
                    seen.lock().unwrap().push(state.clone());
                    Ok::<_, StoreError>(state)
                })
            });
            let commits = join_all(commits).await;
            self.tried.append(&mut seen.lock().unwrap());
            for commit in commits {
                match commit {
                    Ok(state) => {
                        assert!(store.state().revision >= state.revision);
                        self.tried.retain(|tried| tried.revision > state.revision);
                        self.acknowledged = state;
                    }
                    Err(error) => assert!(matches!(error, StoreError::NotSaved { .. }), "{error}"),
                }
            }
            assert_eq!(store.state().revision, self.acknowledged.revision);
            if disk.is_cut() {
                break;
            }
        }
    }
}

async fn history(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut disk = SimDisk::new(seed);
    let mut past = History::default();
    for life in 0..LIVES {
        disk.cut_after(rng.random_range(0..150));
        // The cut may come while it opens.
        if let Ok(store) = open(&disk) {
            past.go_on(&store, &disk, &mut rng).await;
            drop(store);
        }
        disk.set_space(None);
        disk.fail_syncs(0..0);
        disk = disk.after_the_cut();
        let found = match open(&disk) {
            Ok(store) => store.state(),
            Err(error) => panic!("seed {seed}, life {life}: {error}"),
        };
        assert!(
            *found == past.acknowledged || past.tried.contains(&found),
            "seed {seed}, life {life}: revision {} was acknowledged, {} was found",
            past.acknowledged.revision,
            found.revision
        );
        past = History {
            acknowledged: State::clone(&found),
            tried: Vec::new(),
        };
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    run(async {
        for seed in seeds {
            history(seed).await;
        }
    });
}

/// A journal of ten commits in one segment, without any snapshot.
async fn ten_commits() -> (SimDisk, String) {
    let disk = SimDisk::new(0);
    let (store, _) = Store::open_on(Arc::new(disk.clone()), None, u64::MAX, None).unwrap();
    for number in 0..10 {
        put(&store, [org(number).into()]).await.unwrap();
    }
    disk.cut_after(0);
    drop(store);
    let disk = disk.after_the_cut();
    let name = disk.list().unwrap().pop().unwrap();
    (disk, name)
}

#[test]
fn damage_in_the_middle_is_told_with_file_and_place() {
    run(async {
        let (disk, name) = ten_commits().await;
        disk.flip(&name, 700);
        match open(&disk) {
            Err(StoreError::Lost {
                revision: 0,
                source,
                ..
            }) => {
                let StoreError::Damaged { path, offset, .. } = &*source else {
                    panic!("{source:?}")
                };
                assert!(path.ends_with(&name));
                assert!((300..700).contains(offset), "{offset}");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_torn_end_is_left_out_and_told_once() {
    run(async {
        let (disk, name) = ten_commits().await;
        let len = disk.read(&name).unwrap().len();
        disk.flip(&name, len - 1);
        let open = || Store::open_on(Arc::new(disk.clone()), None, u64::MAX, None).unwrap();
        let (store, opened) = open();
        assert_eq!((opened.revision, opened.records), (9, 9));
        assert!(
            matches!(opened.repairs[..], [Repair::TornTail { .. }]),
            "{:?}",
            opened.repairs
        );
        put(&store, [org(20).into()]).await.unwrap();
        drop(store);
        let (_, opened) = open();
        assert_eq!((opened.revision, opened.repairs), (10, vec![]));
    });
}

//! A sled that is broken in every way costs nothing but time.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::fixture::{event, every_kind, open, org, put, run, small};
use crate::store::{Kind, Repair, Source, Store, StoreError};

pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

pub(super) fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Hurts sled's files in one of many ways.
fn hurt(sled: &Path, rng: &mut SmallRng) {
    for file in files(sled) {
        let mut bytes = fs::read(&file).unwrap();
        let len = bytes.len();
        match rng.random_range(0..7) {
            0 => fs::remove_file(&file).unwrap(),
            1 => fs::write(&file, &bytes[..rng.random_range(0..=len)]).unwrap(),
            2 => fs::write(&file, vec![0; len]).unwrap(),
            3 if len > 0 => {
                for _ in 0..rng.random_range(1..50) {
                    bytes[rng.random_range(0..len)] ^= 1 << rng.random_range(0..8);
                }
                fs::write(&file, bytes).unwrap();
            }
            4 if len > 0 => {
                let at = rng.random_range(0..len);
                bytes[at..].fill(0xff);
                fs::write(&file, bytes).unwrap();
            }
            5 if len > 4096 => {
                let at = rng.random_range(0..len - 4096);
                bytes[at..at + 4096].fill(0);
                fs::write(&file, bytes).unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn whatever_happens_to_sled_the_store_opens_and_is_whole() {
    let good = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(good.path());
        for number in 0..30 {
            put(&store, every_kind(number)).await.unwrap();
            put(&store, [event(number, 30_000).into()]).await.unwrap();
        }
        let expected = store.state();
        drop(store);
        let mut rebuilt = 0;
        for seed in 0..60 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let dir = tempfile::tempdir().unwrap();
            copy(good.path(), dir.path());
            hurt(&dir.path().join("sled"), &mut rng);
            let (store, opened) = open(dir.path());
            assert_eq!(*store.state(), *expected, "seed {seed}: {opened:?}");
            rebuilt += u32::from(!opened.repairs.is_empty());
            put(&store, [org(500).into()]).await.unwrap();
            drop(store);
            let (store, opened) = open(dir.path());
            assert_eq!(
                (opened.source, &opened.repairs[..]),
                (Source::Keyed, &[][..]),
                "{seed}"
            );
            assert_eq!(store.state().len(), expected.len() + 1);
        }
        assert!(rebuilt > 20, "{rebuilt} of the broken ones were noticed");
    });
}

#[test]
fn a_broken_sled_is_kept_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        put(&store, every_kind(1)).await.unwrap();
        drop(store);
        for _ in 0..2 {
            fs::write(dir.path().join("sled/db"), b"nonsense").unwrap();
            let (_, opened) = open(dir.path());
            let [Repair::KeyedRebuilt { moved_to, .. }] = &opened.repairs[..] else {
                panic!("{:?}", opened.repairs)
            };
            assert!(moved_to.join("db").exists());
        }
    });
}

#[test]
fn values_of_any_length_survive_in_sled_and_shrink_again() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        for bytes in [100, 8_000, 100_000, 8_192, 1_000_000, 10] {
            let (store, opened) = open(dir.path());
            assert_eq!(opened.repairs, []);
            put(&store, [event(1, bytes).into()]).await.unwrap();
            let expected = store.state();
            drop(store);
            let (store, opened) = open(dir.path());
            assert_eq!(
                (opened.source, &opened.repairs[..]),
                (Source::Keyed, &[][..])
            );
            assert_eq!(*store.state(), *expected);
        }
    });
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        for number in 0..3 {
            let (store, _) = open(dir.path());
            put(&store, every_kind(number)).await.unwrap();
            store.close().await;
        }
        fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let newest = dir.path().join(format!("journal/{:020}.snapshot", 3));
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&newest, bytes).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!(
            (opened.source, opened.records),
            (Source::Snapshot(2), 3 * Kind::ALL.len())
        );
        assert!(
            opened
                .repairs
                .iter()
                .any(|it| matches!(it, Repair::SnapshotSkipped { revision: 3, .. })),
            "{:?}",
            opened.repairs
        );
        drop(store);
    });
}

#[test]
fn a_lost_journal_loses_nothing_that_sled_has() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        put(&store, every_kind(1)).await.unwrap();
        store.close().await;
        fs::remove_dir_all(dir.path().join("journal")).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!(
            opened.repairs,
            [Repair::JournalBehind {
                journal: 0,
                state: 1
            }]
        );
        assert_eq!(store.state().len(), Kind::ALL.len());
        drop(store);
        fs::remove_dir_all(dir.path().join("sled")).unwrap();
        assert_eq!(open(dir.path()).1.source, Source::Snapshot(1));
    });
}

#[test]
fn a_state_of_a_later_version_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        put(&store, every_kind(1)).await.unwrap();
        drop(store);
        let header = crate::store::frame::Header {
            schema: 99,
            written_by: "7.3.0".to_owned(),
            revision: 1,
            at_ms: 0,
        };
        let (bytes, _) = crate::store::frame::begin(crate::store::frame::JOURNAL, &header);
        fs::write(dir.path().join(format!("journal/{:020}.journal", 1)), bytes).unwrap();
        let error = Store::open(&small(dir.path())).unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { schema: 99, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("start pastina 7.3.0 or later"),
            "{error}"
        );
    });
}

//! Commits that come together.

use futures_util::future::join_all;

use super::fixture::{every_kind, open, org, put, run};
use crate::{
    model::OrgName,
    store::{Source, Store, StoreError},
};

#[test]
fn a_commit_is_there_after_reopening_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, opened) = open(dir.path());
        assert_eq!(opened.source, Source::Nothing);
        for number in 0..50 {
            put(&store, every_kind(number)).await.unwrap();
        }
        store
            .commit(|tx| {
                tx.delete(org(7).id);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let before = store.state();
        assert_eq!(before.revision, 51);
        drop(store);

        let (store, opened) = open(dir.path());
        assert_eq!((opened.source, opened.replayed), (Source::Keyed, 0));
        assert_eq!(opened.repairs, []);
        assert_eq!(*store.state(), *before);
        store.close().await;

        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!(opened.source, Source::Snapshot(51));
        assert_eq!(*store.state(), *before);
    });
}

#[test]
fn commits_at_the_same_time_are_all_made_and_build_on_each_other() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        put(&store, [org(0).into()]).await.unwrap();
        let count = |_| {
            store.commit(|tx| {
                let mut org = tx.orgs.get(&org(0).id).map(|org| (**org).clone()).unwrap();
                let seen: u64 = org
                    .metadata
                    .labels
                    .get("n")
                    .map_or(0, |n| n.parse().unwrap());
                org.metadata
                    .labels
                    .insert("n".to_owned(), (seen + 1).to_string());
                tx.put(org);
                Ok::<_, StoreError>(seen)
            })
        };
        let seen = join_all((0..200).map(count)).await;
        let seen: Vec<u64> = seen.into_iter().map(Result::unwrap).collect();
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
        assert_eq!(store.state().revision, 201);
        assert_eq!(*store.watch().borrow(), 201);
    });
}

#[test]
fn a_commit_that_changes_its_mind_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        let refused = store
            .commit(|tx| {
                tx.put(org(1));
                Err::<(), _>(StoreError::Closed)
            })
            .await;
        assert!(refused.is_err());
        store.commit(|_| Ok::<_, StoreError>(())).await.unwrap();
        assert_eq!(store.state().revision, 0);
        assert!(store.state().is_empty());
    });
}

#[test]
fn two_that_swap_names_in_one_commit_are_both_found() {
    run(async {
        let store = Store::in_memory();
        put(&store, [org(1).into(), org(2).into()]).await.unwrap();
        let renamed = |number, name: &str| {
            let mut org = org(number);
            org.name = OrgName::parse(name).unwrap();
            org.into()
        };
        put(&store, [renamed(1, "org 2"), renamed(2, "org 1")])
            .await
            .unwrap();
        assert_eq!(store.state().org_by_name("ORG 2").unwrap().id, org(1).id);
        assert_eq!(store.state().org_by_name("org 1").unwrap().id, org(2).id);
    });
}

#[test]
fn a_closed_store_reads_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let (store, _) = open(dir.path());
        put(&store, [org(1).into()]).await.unwrap();
        store.close().await;
        assert_eq!(store.state().len(), 1);
        assert!(matches!(
            put(&store, [org(2).into()]).await,
            Err(StoreError::Closed)
        ));
        // The folder is free again, though the handle is still there.
        drop(open(dir.path()));
    });
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = open(dir.path());
    let error = Store::open(&super::fixture::small(dir.path()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
}

#[test]
fn old_segments_and_snapshots_go() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        for round in 0..6 {
            let (store, _) = open(dir.path());
            for number in 0..40 {
                put(&store, every_kind(round * 40 + number)).await.unwrap();
            }
            store.close().await;
        }
    });
    let names: Vec<String> = std::fs::read_dir(dir.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let snapshots = names
        .iter()
        .filter(|name| name.ends_with(".snapshot"))
        .count();
    assert_eq!(snapshots, 2, "{names:?}");
    assert!(names.len() <= 8, "{names:?}");
}

//! A disk that is full, or fails, for a while.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    fixture::{every_kind, org, put, run},
    sim::SimDisk,
};
use crate::store::{Store, StoreError, disk::Disk};

fn open(disk: &SimDisk) -> Store {
    Store::open_on(Arc::new(disk.clone()), None, u64::MAX, None)
        .unwrap()
        .0
}

#[test]
fn a_full_disk_fails_commits_and_nothing_else() {
    let disk = SimDisk::new(1);
    run(async {
        let store = open(&disk);
        put(&store, [org(0).into()]).await.unwrap();
        let before = store.state();

        disk.set_space(Some(1_000));
        let failed = join_all((0..5).map(|number| put(&store, every_kind(number)))).await;
        for error in failed.into_iter().map(Result::unwrap_err) {
            assert!(matches!(error, StoreError::NotSaved { .. }));
            assert!(error.is_disk_full());
            assert!(error.to_string().contains("free some space"), "{error}");
        }
        assert_eq!(*store.state(), *before);
        // A small one still finds room, since what was written in vain was cut off.
        put(&store, [org(2).into()]).await.unwrap();

        disk.set_space(Some(0));
        put(&store, [org(3).into()]).await.unwrap_err();
        put(&store, [org(3).into()]).await.unwrap_err();
        disk.set_space(None);
        put(&store, [org(4).into()]).await.unwrap();
        assert_eq!(store.state().revision, 3);
        let expected = store.state();
        disk.cut_after(0);
        drop(store);
        assert_eq!(*open(&disk.after_the_cut()).state(), *expected);
    });
}

#[test]
fn a_store_opens_on_a_full_disk_and_saves_when_there_is_room() {
    let disk = SimDisk::new(2);
    run(async {
        let store = open(&disk);
        put(&store, [org(0).into()]).await.unwrap();
        drop(store);
        disk.set_space(Some(0));
        let store = open(&disk);
        assert_eq!(store.state().len(), 1);
        put(&store, [org(1).into()]).await.unwrap_err();
        disk.set_space(None);
        put(&store, [org(1).into()]).await.unwrap();
    });
}

#[test]
fn after_a_failed_sync_a_fresh_segment_is_written() {
    let disk = SimDisk::new(3);
    run(async {
        let store = open(&disk);
        put(&store, [org(0).into()]).await.unwrap();
        let segments = disk.list().unwrap().len();
        disk.fail_syncs(0..1);
        let error = put(&store, [org(1).into()]).await.unwrap_err();
        assert!(!error.is_disk_full());
        assert_eq!(store.state().len(), 1);
        put(&store, [org(2).into()]).await.unwrap();
        assert_eq!(disk.list().unwrap().len(), segments + 1);
        disk.cut_after(0);
        drop(store);
        let store = open(&disk.after_the_cut());
        assert!(store.state().orgs.contains_key(&org(2).id));
        assert!(!store.state().orgs.contains_key(&org(1).id));
    });
}

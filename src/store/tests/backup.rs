//! Export and import.

use super::fixture::{every_kind, open, org, put, run};
use crate::store::{Existing, Kind, Store, StoreError};

async fn full(dir: &std::path::Path) -> Store {
    let (store, _) = open(dir);
    for number in 0..20 {
        put(&store, every_kind(number)).await.unwrap();
    }
    store
}

#[test]
fn an_export_comes_back_whole_elsewhere() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(async {
        let store = full(from.path()).await;
        let mut file = Vec::new();
        let exported = store.export(&mut file).unwrap();
        assert_eq!(
            (exported.revision, exported.records),
            (20, 20 * Kind::ALL.len())
        );

        let (other, _) = open(to.path());
        let moved = other
            .import(std::io::Cursor::new(file), Existing::Keep)
            .await
            .unwrap();
        assert_eq!(moved, exported);
        let imported = other.state();
        assert!(imported.records().eq(store.state().records()));
        assert_eq!(imported.indexes, store.state().indexes);
        drop(other);
        let (other, opened) = open(to.path());
        assert_eq!(opened.repairs, []);
        assert_eq!(*other.state(), *imported);
    });
}

#[test]
fn an_import_replaces_only_when_told_and_then_everything() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let store = full(dir.path()).await;
        let mut file = Vec::new();
        store.export(&mut file).unwrap();
        let wanted = store.state();
        put(&store, [org(99).into()]).await.unwrap();
        let import = |existing| store.import(std::io::Cursor::new(file.clone()), existing);
        let there = 20 * Kind::ALL.len() + 1;
        assert!(matches!(
            import(Existing::Keep).await,
            Err(StoreError::NotEmpty { records }) if records == there
        ));
        assert_eq!(store.state().len(), there);
        import(Existing::Replace).await.unwrap();
        assert!(store.state().records().eq(wanted.records()));
        assert_eq!(store.state().revision, 22);
    });
}

#[test]
fn an_export_that_is_not_whole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let store = full(dir.path()).await;
        let mut file = Vec::new();
        store.export(&mut file).unwrap();
        let other = Store::in_memory();
        let mut flipped = file.clone();
        flipped[file.len() / 2] ^= 1;
        for bytes in [
            file[..file.len() - 1].to_vec(),
            file[..200].to_vec(),
            vec![],
            flipped,
        ] {
            let refused = other
                .import(std::io::Cursor::new(bytes), Existing::Keep)
                .await;
            assert!(
                matches!(refused, Err(StoreError::NotAnExport { .. })),
                "{refused:?}"
            );
        }
        assert!(other.state().is_empty());
    });
}

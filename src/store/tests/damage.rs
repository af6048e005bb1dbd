//! A damaged journal costs nothing that sled or a snapshot has, and what nobody has is told.

use std::{fs, path::Path, sync::Arc};

use super::{
    corrupt::{copy, files},
    fixture::{every_kind, open, org, put, run, small},
};
use crate::store::{Config, Repair, Source, State, Store, StoreError, open::describe};

/// Commits in each half of [`halves`].
const HALF: u64 = 6;

/// What a kill leaves whose state is in sled as well: the journal has all of it in one segment
/// after `first` commits, and there is no snapshot of it.
struct Killed {
    dir: tempfile::TempDir,
    expected: Arc<State>,
}

fn segment(dir: &Path, revision: u64) -> std::path::PathBuf {
    dir.join(format!("journal/{revision:020}.journal"))
}

fn snapshot(dir: &Path, revision: u64) -> std::path::PathBuf {
    dir.join(format!("journal/{revision:020}.snapshot"))
}

/// No checkpoint before the end.
fn open_large(dir: &Path) -> Store {
    Store::open(&Config::new(dir)).unwrap().0
}

async fn commits(store: &Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        put(store, every_kind(number)).await.unwrap();
    }
}

async fn killed() -> Killed {
    let dir = tempfile::tempdir().unwrap();
    let store = open_large(dir.path());
    commits(&store, 0..HALF).await;
    let expected = store.state();
    store.close().await;
    fs::remove_file(segment(dir.path(), HALF)).unwrap();
    fs::remove_file(snapshot(dir.path(), HALF)).unwrap();
    Killed { dir, expected }
}

/// Flips a bit.
fn hurt(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn damage_in_what_sled_holds_harms_nothing() {
    run(async {
        let killed = killed().await;
        let length = fs::read(segment(killed.dir.path(), 0)).unwrap().len();
        // Each byte of the header, whose every field counts, and places in the commits.
        for at in (0..120)
            .step_by(3)
            .chain((120..length).step_by(length / 40))
        {
            let dir = tempfile::tempdir().unwrap();
            copy(killed.dir.path(), dir.path());
            hurt(&segment(dir.path(), 0), at);
            let (store, opened) = open(dir.path());
            assert_eq!(*store.state(), *killed.expected, "{at}: {opened:?}");
            let told = opened.repairs.iter().any(|repair| {
                matches!(
                    repair,
                    Repair::JournalDamaged { .. } | Repair::JournalBehind { .. }
                )
            });
            assert!(told, "{at}: {opened:?}");
            put(&store, [org(900).into()]).await.unwrap();
            store.close().await;
            let (store, opened) = open(dir.path());
            assert_eq!((opened.revision, &opened.repairs[..]), (HALF + 1, &[][..]));
            store.close().await;
            // Nor does anything else need the damaged place any more.
            fs::remove_dir_all(dir.path().join("sled")).unwrap();
            let (store, _) = open(dir.path());
            assert_eq!(store.state().len(), killed.expected.len() + 1, "{at}");
        }
    });
}

#[test]
fn commits_behind_the_damage_are_read() {
    run(async {
        let killed = killed().await;
        let dir = killed.dir.path();
        let path = segment(dir, 0);
        let half = fs::read(&path).unwrap().len();
        // The same commits and as many more, which sled does not know yet.
        let longer = tempfile::tempdir().unwrap();
        let store = open_large(longer.path());
        commits(&store, 0..HALF * 2).await;
        let expected = store.state();
        store.close().await;
        fs::copy(segment(longer.path(), 0), &path).unwrap();
        hurt(&path, half / 2);
        let (store, opened) = open(dir);
        assert_eq!(*store.state(), *expected, "{opened:?}");
        assert_eq!((opened.source, opened.replayed), (Source::Keyed, HALF));
        assert!(
            matches!(opened.repairs[..], [Repair::JournalDamaged { .. }]),
            "{:?}",
            opened.repairs
        );
    });
}

/// A store whose sled is at the first half and whose journal has both, in one segment each; of
/// the second half's snapshot there is one.
async fn halves() -> (tempfile::TempDir, Arc<State>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open_large(dir.path());
    commits(&store, 0..HALF).await;
    store.close().await;
    let old = tempfile::tempdir().unwrap();
    copy(&dir.path().join("sled"), old.path());
    let store = open_large(dir.path());
    commits(&store, HALF..HALF * 2).await;
    let expected = store.state();
    store.close().await;
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    copy(old.path(), &dir.path().join("sled"));
    (dir, expected)
}

#[test]
fn a_snapshot_stands_in_for_what_sled_and_the_journal_lack() {
    run(async {
        let (dir, expected) = halves().await;
        let path = segment(dir.path(), HALF);
        hurt(&path, fs::read(&path).unwrap().len() / 2);
        let (store, opened) = open(dir.path());
        assert_eq!(*store.state(), *expected, "{opened:?}");
        assert_eq!(opened.source, Source::Snapshot(HALF * 2));
        assert!(
            matches!(&opened.repairs[..], [Repair::KeyedRebuilt { why, .. }]
                if why.contains("is damaged at byte")),
            "{:?}",
            opened.repairs
        );
    });
}

#[test]
fn what_nobody_has_is_refused_and_the_advice_works() {
    run(async {
        let (dir, _) = halves().await;
        fs::remove_file(snapshot(dir.path(), HALF * 2)).unwrap();
        let path = segment(dir.path(), HALF);
        hurt(&path, fs::read(&path).unwrap().len() / 2);
        let before: Vec<_> = contents(dir.path());
        let error = Store::open(&small(dir.path())).unwrap_err();
        assert!(
            matches!(error, StoreError::Lost { revision: HALF, .. }),
            "{error:?}"
        );
        let text = describe(&error);
        let journal = dir.path().join("journal");
        for part in [
            format!("put a backup in the place of {}", dir.path().display()),
            format!("to go on as of revision {HALF} without what came after it"),
            format!("move {}/*.journal to another place", journal.display()),
            format!("{} is damaged at byte", path.display()),
        ] {
            assert!(text.contains(&part), "{part:?} is missing: {text}");
        }
        // Nothing was changed by the attempt, so a second look finds the same.
        assert_eq!(contents(dir.path()), before);

        for file in files(&journal) {
            if file.extension().is_some_and(|ending| ending == "journal") {
                fs::remove_file(file).unwrap();
            }
        }
        let (store, opened) = open(dir.path());
        assert_eq!((opened.revision, store.state().orgs.len()), (HALF, 6));
        put(&store, [org(900).into()]).await.unwrap();
        store.close().await;
        let (_, opened) = open(dir.path());
        assert_eq!((opened.revision, opened.repairs), (HALF + 1, vec![]));
    });
}

/// The journal's files with what is in them.
fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(&dir.join("journal"))
        .into_iter()
        .map(|file| (file.clone(), fs::read(&file).unwrap()))
        .collect()
}

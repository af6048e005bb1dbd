//! Logs from outside.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;

use super::*;
use crate::model::{AppId, InstanceId};

fn app() -> AppId {
    AppId::from_uuid(uuid::Uuid::from_u128(7))
}

fn line(at_ns: u64, text: &str) -> Line {
    Line {
        at_ns,
        app: app(),
        source: "APP/PROC/WEB".to_owned(),
        instance: "0".to_owned(),
        process: None,
        stream: Stream::Out,
        text: Bytes::copy_from_slice(text.as_bytes()),
    }
}

const ALL: Query = Query {
    start_ns: i64::MIN,
    end_ns: i64::MAX,
    limit: usize::MAX,
    descending: false,
};

fn texts(logs: &Logs, query: &Query) -> Vec<String> {
    let lines = logs.read(app(), query);
    lines
        .iter()
        .map(|line| String::from_utf8(line.text.to_vec()).unwrap())
        .collect()
}

/// Waits until the writer has written `count` lines.
async fn settled(logs: &Logs, count: usize) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while logs.read(app(), &ALL).len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap();
}

fn open(dir: &Path, limits: Limits) -> Logs {
    Logs::open(dir, limits).unwrap()
}

#[tokio::test]
async fn lines_come_back_by_time_whatever_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), Limits::default());
    for (at, text) in [(30, "c"), (10, "a"), (20, "b"), (40, "d")] {
        logs.append(line(at, text));
    }
    settled(&logs, 4).await;
    assert_eq!(texts(&logs, &ALL), ["a", "b", "c", "d"]);
    let newest = Query {
        limit: 2,
        descending: true,
        ..ALL
    };
    assert_eq!(texts(&logs, &newest), ["d", "c"]);
    let middle = Query {
        start_ns: 20,
        end_ns: 40,
        limit: 10,
        descending: false,
    };
    assert_eq!(texts(&logs, &middle), ["b", "c"]);
    // A daemon after this one finds the same.
    drop(logs);
    let logs = open(dir.path(), Limits::default());
    settled(&logs, 4).await;
    assert_eq!(texts(&logs, &ALL), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn memory_and_disk_give_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let small = Limits {
        ring: 4000,
        ..Limits::default()
    };
    let logs = open(dir.path(), small);
    logs.append(line(0, "first"));
    settled(&logs, 1).await;
    for at in 1..500 {
        logs.append(line(at * 10, &at.to_string()));
    }
    settled(&logs, 500).await;
    let fresh = open(dir.path(), small);
    for query in [
        ALL,
        Query {
            limit: 3,
            descending: true,
            ..ALL
        },
        Query {
            limit: 300,
            descending: true,
            ..ALL
        },
        Query {
            start_ns: 4900,
            limit: 5,
            ..ALL
        },
        Query {
            start_ns: 4985,
            ..ALL
        },
        Query {
            start_ns: 100,
            limit: 5,
            ..ALL
        },
        Query {
            end_ns: 100,
            limit: 5,
            descending: true,
            ..ALL
        },
    ] {
        assert_eq!(texts(&logs, &query), texts(&fresh, &query), "{query:?}");
    }
    assert_eq!(
        texts(
            &logs,
            &Query {
                start_ns: 4985,
                ..ALL
            }
        ),
        ["499"]
    );
}

#[tokio::test]
async fn the_disk_is_bounded_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        app: 40_000,
        ring: 1,
        rings: 1,
    };
    let logs = open(dir.path(), limits);
    let instance = InstanceId::random();
    for at in 0..3_000 {
        // Waits for room, where `append` would drop.
        let origin = Origin {
            instance,
            position: at,
        };
        logs.ingest(vec![(line(at, &format!("line {at}")), origin)])
            .await;
    }
    let newest = Query {
        limit: 1,
        descending: true,
        ..ALL
    };
    tokio::time::timeout(Duration::from_secs(20), async {
        while texts(&logs, &newest) != ["line 2999"] {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
    let files = fs::read_dir(dir.path().join(app().to_string())).unwrap();
    let size: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size <= 100_000, "{size}");
    assert!(texts(&logs, &ALL).len() >= 100);
}

#[tokio::test]
async fn a_position_is_kept_with_its_line_and_survives_torn_ends_and_full_segments() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        app: 4_000,
        ..Limits::default()
    };
    let quiet = Origin {
        instance: InstanceId::random(),
        position: 17,
    };
    let chatty = InstanceId::random();
    let logs = open(dir.path(), limits);
    logs.ingest(vec![(line(1, "only"), quiet)]).await;
    for position in 1..=200 {
        logs.ingest(vec![(
            line(2, "again"),
            Origin {
                instance: chatty,
                position,
            },
        )])
        .await;
    }
    settled(&logs, 10).await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while logs.position(app(), chatty).unwrap() < 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
    drop(logs);
    let folder = dir.path().join(app().to_string());
    let newest = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .max_by_key(|path| {
            path.file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .unwrap();
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() - 3]).unwrap();
    let logs = open(dir.path(), limits);
    assert_eq!(logs.position(app(), chatty).unwrap(), 199);
    assert_eq!(logs.position(app(), quiet.instance).unwrap(), 17);
    logs.ingest(vec![(
        line(3, "after"),
        Origin {
            instance: chatty,
            position: 200,
        },
    )])
    .await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while texts(&logs, &Query { start_ns: 3, ..ALL }) != ["after"] {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_forgotten_app_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), Limits::default());
    logs.append(line(1, "x"));
    settled(&logs, 1).await;
    assert_eq!(logs.apps(), [app()]);
    logs.forget(app());
    assert_eq!(logs.apps(), []);
    assert!(texts(&logs, &ALL).is_empty());
}

#[test]
fn logs_in_memory_need_no_folder() {
    let logs = Logs::default();
    logs.append(line(2, "b"));
    logs.append(line(1, "a"));
    assert_eq!(texts(&logs, &ALL), ["a", "b"]);
}

//! Power cuts on a real file system: ext4 on a loop device, whose image is copied while the
//! store works. What the file system inside has not written out is not in the copy, so the
//! copy is what a machine finds after a cut.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{
    fixture::{self, event, open, org, put},
    kill,
};
use crate::store::StoreError;

const CUTS: usize = 8;

/// A mounted image; unmounted in the end.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Self {
        Self::with(&["-o", "loop", image.to_str().unwrap()], at)
    }

    fn with(arguments: &[&str], at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        run("mount", &[arguments, &[at.to_str().unwrap()]].concat());
        Self(at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

/// The child that commits; killed in the end.
struct Committing(Child);

impl Committing {
    fn signal(&self, name: &str) {
        run("kill", &[name, &self.0.id().to_string()]);
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(
        done.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Names, with commas, what this machine is known to lack.
const ABSENT: &str = "PASTINA_TEST_ABSENT";

/// Whether there is a loop device to mount; panics where there should be one.
fn can_mount_images() -> bool {
    if std::env::var(ABSENT).is_ok_and(|names| names.split(',').any(|name| name == "root")) {
        return false;
    }
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    assert!(
        root,
        "a device whose power is cut can only be had as root: run the tests as root as well, or \
         say that you know, by {ABSENT}=root"
    );
    true
}

#[test]
fn a_cut_on_ext4_loses_nothing_that_was_acknowledged() {
    if !can_mount_images() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let copy = dir.path().join("copy");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    run("mkfs.ext4", &["-q", image.to_str().unwrap()]);
    let mounted = Mounted::new(&image, dir.path().join("live"));
    let child = kill::child(&mounted.0.join("store"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Committing(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut acknowledged = [0; 4];
    for cut in 0..CUTS {
        for line in lines.by_ref().take(50 + 77 * cut) {
            kill::note(&mut acknowledged, &line.unwrap());
        }
        // What was read so far was acknowledged before. The copy takes a while, and has to show
        // one moment, so nothing more may be written meanwhile.
        child.signal("-STOP");
        fs::copy(&image, &copy).unwrap();
        child.signal("-CONT");
        let after = Mounted::new(&copy, dir.path().join("after"));
        let (store, opened) = open(&after.0.join("store"));
        let state = store.state();
        for (number, count) in (0_u64..).zip(acknowledged) {
            let found = state
                .orgs
                .get(&org(number).id)
                .map_or(0, |org| org.name[1..].parse().unwrap());
            assert!(found >= count, "cut {cut}: {found} of {count}, {opened:?}");
            let all = (1..=count).map(|one| event(number * 1_000_000 + one, 0).id);
            assert!(
                all.into_iter().all(|id| state.events.contains_key(&id)),
                "cut {cut}"
            );
        }
        println!("cut {cut}: {acknowledged:?} acknowledged, {opened:?}");
        drop(store);
    }
    // Before the folder under it is unmounted.
    drop(child);
}

const FULL_TEST: &str =
    "store::tests::device::a_full_file_system_fails_commits_until_there_is_room";
/// Says that this is the second process of the test.
const FULL: &str = "PASTINA_TEST_FULL";

#[test]
fn a_full_file_system_fails_commits_until_there_is_room() {
    if std::env::var_os(FULL).is_none() {
        // In namespaces of its own anybody may mount a file system that holds little.
        let done = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", FULL_TEST])
            .env(FULL, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&done.stdout);
        assert!(output.contains("1 passed"), "{output}{done:?}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tmpfs = ["-t", "tmpfs", "-o", "size=12m", "tmpfs"];
    let mounted = Mounted::with(&tmpfs, dir.path().join("full"));
    let place = mounted.0.join("store");
    let ballast = mounted.0.join("ballast");
    fixture::run(async {
        let (store, _) = open(&place);
        put(&store, [org(0).into()]).await.unwrap();
        for round in 1..4 {
            // As much of it as fits.
            drop(fs::write(&ballast, vec![0; 5 << 20]));
            let mut number = round * 1_000_000;
            let error = loop {
                number += 1;
                match put(&store, [event(number, 20_000).into()]).await {
                    Ok(()) => {}
                    Err(error) => break error,
                }
            };
            assert!(error.is_disk_full(), "{error:?}");
            fs::remove_file(&ballast).unwrap();
            // Room for more than the journal alone: checkpoints go on as well.
            // A checkpoint that was under way may have the room for a moment before it gives up.
            let mut refused = 0;
            loop {
                let clear = store.commit(|tx| {
                    let gone: Vec<_> = tx.events.keys().copied().collect();
                    for id in gone {
                        tx.delete(id);
                    }
                    Ok::<_, StoreError>(())
                });
                match clear.await {
                    Ok(()) => break,
                    Err(error) => {
                        refused += 1;
                        assert!(refused < 1000, "{error:?}");
                    }
                }
            }
            let mut refused = 0;
            while let Err(error) = put(&store, [org(round).into()]).await {
                refused += 1;
                assert!(refused < 1000, "{error:?}");
            }
        }
        let expected = store.state();
        drop(store);
        let (store, opened) = open(&place);
        println!("{opened:?}");
        assert_eq!(*store.state(), *expected);
    });
}

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
    fixture::{event, open, org},
    kill,
};

const CUTS: usize = 8;

/// A mounted image; unmounted in the end.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        run(
            "mount",
            &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()],
        );
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

#[test]
#[ignore = "needs root, loop devices and mkfs.ext4"]
fn a_cut_on_ext4_loses_nothing_that_was_acknowledged() {
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

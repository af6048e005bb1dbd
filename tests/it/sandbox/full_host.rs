//! The host's own file system full below a sandbox's disk: that sandbox's trouble, and no other's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use pastina::{model::Exit, sandbox::Disks};

use super::support::{ended, output, running, says, shell};
use crate::support::{is_root, until};

/// A file system of `megabytes`, unmounted when it goes.
struct Small(PathBuf);

impl Small {
    fn make(dir: &Path, megabytes: u64) -> Self {
        let (image, at) = (dir.join("small.img"), dir.join("small"));
        fs::File::create(&image)
            .and_then(|file| file.set_len(megabytes << 20))
            .unwrap();
        fs::create_dir(&at).unwrap();
        let run = |program: &str, arguments: &[&Path]| {
            let done = Command::new(program).args(arguments).output().unwrap();
            assert!(done.status.success(), "{program}: {done:?}");
        };
        run("/usr/sbin/mkfs.ext4", &["-q".as_ref(), &image]);
        run("mount", &["-o".as_ref(), "loop".as_ref(), &image, &at]);
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const FILL: &str = r#"
import errno, os, time
why = None
try:
    with open("/tmp/big", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 18))
            os.fsync(file.fileno())
except OSError as error:
    why = errno.errorcode[error.errno]
while True:
    print("still here after", why, flush=True)
    time.sleep(0.1)
"#;

#[tokio::test]
async fn a_full_host_below_a_disk_ends_nobody() {
    if !is_root() {
        return;
    }
    let mut case = shell("");
    let small = Small::make(case.root.path(), 48);
    let ballast = small.0.join("ballast");
    fs::write(&ballast, vec![b'x'; 16 << 20]).unwrap();
    case.spec.argv = ["python3", "-c", FILL].map(str::to_owned).into();
    case.spec.dir = small.0.join("instance");
    fs::create_dir(&case.spec.dir).unwrap();
    // More than there is: the host is full before it is.
    let disks = Disks::open(&small.0, 40 << 20);
    let disk = disks.create(&case.spec.dir.join("disk.img"), 40 << 20);
    case.spec.disk = Some(disk.unwrap());

    let neighbour = shell("while true; do echo well > /tmp/x && cat /tmp/x; sleep 0.1; done");
    let other = neighbour.spawn().await;
    let sandbox = case.spawn().await;
    let pid = running(&sandbox).await;
    until("the host to be full", || {
        let told = nix::sys::statvfs::statvfs(&small.0).unwrap();
        told.blocks_available() * told.fragment_size() < 1 << 20
    })
    .await;
    let before = output(&other).len();
    until("the neighbour to go on", || output(&other).len() > before).await;
    assert_eq!(running(&sandbox).await, pid);

    // With room again its log goes on, and says why it could not be written to.
    fs::remove_file(&ballast).unwrap();
    says(&sandbox, "still here after E").await;
    let text = output(&sandbox);
    let why = ["EIO", "ENOSPC", "EROFS"];
    let told = |why: &&str| text.contains(&format!("still here after {why}\n"));
    assert!(why.iter().any(told), "{text}");
    assert_eq!(running(&sandbox).await, pid);

    for sandbox in [&sandbox, &other] {
        sandbox.stop(Duration::ZERO);
        let exit = ended(sandbox).await;
        assert!(matches!(exit, Exit::Stopped { .. }), "{exit:?}");
    }
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
    other.remove().await.unwrap();
    drop(small);
}

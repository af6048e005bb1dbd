//! What a sandbox may write: by the kernel's own hand as root.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use pastina::{
    model::{Exit, Megabytes},
    sandbox::{self, Disks, Image, Mounted},
};

use super::support::{Case, ended, loops, output, parent, running, says, shell, until};
use crate::support::is_root;

/// Small, so that it is filled at once, and large enough for everything that is in proportion.
const QUOTA: u64 = 64 << 20;

/// Writes files until no more can be written, and tells why, and how much it was.
const FILL: &str = r#"
import errno, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def fill(folder, most=1 << 40):
    written = 0
    while True:
        try:
            with open(f"{folder}/{os.urandom(8).hex()}", "wb", buffering=0) as file:
                while written < most:
                    written += file.write(b"x" * min(1 << 16, most - written))
                return written, None
        except OSError as error:
            return written, errno.errorcode[error.errno]
"#;

/// A sandbox with a disk of [`QUOTA`] that runs a script in Python.
fn python(script: &str) -> Case {
    with_disk(shell(script), |script| format!("{FILL}\n{script}"))
}

fn with_disk(mut case: Case, script: impl FnOnce(&str) -> String) -> Case {
    let text = script(&case.spec.argv[2]);
    case.spec.argv = ["python3", "-c", &text].map(str::to_owned).into();
    give_disk(&mut case);
    case
}

fn give_disk(case: &mut Case) {
    let image = case.spec.dir.join("disk.img");
    let disk = Disks::open(case.root.path(), QUOTA).create(&image, QUOTA);
    case.spec.disk = Some(disk.unwrap());
    assert_eq!(
        case.spec.disk.as_ref().unwrap().image.is_some(),
        is_root(),
        "as root the kernel limits it"
    );
}

fn image(case: &Case) -> PathBuf {
    case.spec.dir.join("disk.img")
}

/// Bytes that the host has lost to a sandbox's disk.
fn taken(case: &Case) -> u64 {
    fs::metadata(image(case)).unwrap().blocks() * 512
}

#[tokio::test]
async fn whoever_fills_the_disk_has_filled_its_own() {
    if !is_root() {
        return;
    }
    let script = r#"
os.makedirs("/home/vcap/app/deep")
for folder in ["/tmp", "/home/vcap/tmp", "/home/vcap/app/deep", "/var/tmp"]:
    print(folder, *fill(folder), flush=True)
print("full", flush=True)
signal.sigwait([signal.SIGUSR1])
for folder in ["/tmp", "/home/vcap/tmp", "/home/vcap/app/deep"]:
    for name in os.listdir(folder):
        os.remove(f"{folder}/{name}")
print("again", *fill("/tmp", 32 << 20), flush=True)
"#;
    let mut case = python(script);
    let home = case.folder("home", &[("app/file", "x")]);
    case.spec.home = Some(home);
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    says(&sandbox, "full").await;
    let text = output(&sandbox);
    let first: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
    let written: u64 = first[1].parse().unwrap();
    assert_eq!(first[2], "ENOSPC", "{text}");
    // The rest is the file system's own.
    assert!(
        (QUOTA * 9 / 10..QUOTA).contains(&written),
        "{written} bytes of {QUOTA}"
    );
    // What the file system had put aside for the first file comes back when that is on the disk.
    for other in text.lines().skip(1).take(3) {
        let more: Vec<&str> = other.split(' ').collect();
        let bytes: u64 = more[1].parse().unwrap();
        assert!(bytes <= 64 << 10 && more[2] == "ENOSPC", "{text}");
    }
    assert_eq!(fs::metadata(image(&case)).unwrap().len(), QUOTA);
    assert!(taken(&case) <= QUOTA + (64 << 10), "{}", taken(&case));
    let told = sandbox.written().unwrap();
    assert!((written..=QUOTA).contains(&told), "{told}");

    // A neighbour does not notice.
    let neighbour = python("print(*fill('/tmp', 16 << 20))");
    let (exit, text) = neighbour.run().await;
    assert_eq!(
        (exit, text.as_str()),
        (Exit::Code { code: 0 }, "16777216 None\n")
    );

    // Nothing on the host leads to it, but by way of its processes.
    let dir = case.spec.dir.to_str().unwrap().to_owned();
    assert_eq!(loops(&dir).len(), 1);
    let device = loops(&dir)[0].file_name().unwrap().to_owned();
    let device = device.to_str().unwrap();
    let shim = parent(parent(command));
    for process in ["self".to_owned(), shim.to_string()] {
        let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
        assert!(!mounts.contains(&format!("/dev/{device} ")), "{mounts}");
    }
    kill(Pid::from_raw(command), Signal::SIGUSR1).unwrap();
    says(&sandbox, "again").await;
    assert!(
        output(&sandbox).contains("again 33554432 None"),
        "{}",
        output(&sandbox)
    );
    ended(&sandbox).await;
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
}

#[tokio::test]
async fn whoever_makes_files_without_end_comes_to_an_end() {
    if !is_root() {
        return;
    }
    let script = r#"
count, why = 0, None
try:
    while True:
        os.mkdir(f"/tmp/d{count}") if count % 2 else os.symlink("x", f"/tmp/l{count}")
        count += 1
except OSError as error:
    why = errno.errorcode[error.errno]
print(count, why)
"#;
    let case = python(script);
    let inodes = case.spec.disk.as_ref().unwrap().quota.inodes;
    let neighbour = python("os.mkdir('/tmp/one'); print('made')");
    let (exit, text) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{text}");
    let (count, why) = text.trim().split_once(' ').unwrap();
    let count: u64 = count.parse().unwrap();
    assert_eq!(why, "ENOSPC");
    assert!(
        (inodes - 64..inodes + 64).contains(&count),
        "{count} of {inodes}"
    );
    assert_eq!(neighbour.run().await.1, "made\n");
}

#[tokio::test]
async fn no_trick_gets_more_than_the_quota() {
    if !is_root() {
        return;
    }
    let script = r#"
import ctypes, fcntl, mmap, struct
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, work):
    try:
        print(name, work() or "done", flush=True)
    except OSError as error:
        print(name, errno.errorcode[error.errno], flush=True)
os.chdir("/tmp")
here = os.open(".", os.O_RDONLY)
own = os.open("own", os.O_RDWR | os.O_CREAT, 0o600)
# A hole takes nothing, whatever its length.
tried("sparse", lambda: os.truncate("own", 1 << 40))
tried("allocate", lambda: os.posix_fallocate(own, 0, 1 << 30))
os.truncate("own", 0)
# Files without a name, many names of a file, names elsewhere.
def nameless():
    kept = []
    try:
        while True:
            kept.append(os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600))
            os.write(kept[-1], b"x" * (1 << 20))
    finally:
        for fd in kept:
            os.close(fd)
tried("nameless", nameless)
os.write(own, b"x" * (1 << 20))
tried("name", lambda: os.link("own", "other"))
tried("link", lambda: os.link("own", "/home/vcap/tmp/own"))
tried("rename", lambda: os.rename("other", "/home/vcap/own"))
# Attributes: immutable, append-only, another project's, inherited by what is made here.
def flags(bits):
    fcntl.ioctl(own, 0x40086602, struct.pack("l", bits))
tried("immutable", lambda: flags(0x10))
tried("append", lambda: flags(0x20))
def project():
    fcntl.ioctl(here, 0x401c5820, struct.pack("IIIII8x", 0x200, 0, 0, 7, 0))
tried("project", project)
# What only the host may ask of a file system.
tried("shutdown", lambda: fcntl.ioctl(here, 0x8004587d, struct.pack("I", 2)) and None)
tried("freeze", lambda: fcntl.ioctl(here, 0xc0045877, 0) and None)
tried("trim", lambda: fcntl.ioctl(here, 0xc0185879, struct.pack("QQQ", 0, 1 << 40, 0)) and None)
tried("resize", lambda: fcntl.ioctl(here, 0x40086610, struct.pack("Q", 1 << 30)) and None)
tried("quota", lambda: libc.syscall(179, 0x800002, b"/dev/loop0", 0, 0) and os.strerror(ctypes.get_errno()))
tried("device", lambda: [name for name in os.listdir("/dev") if "loop" in name] or "none")
# Written through memory: what finds no room ends the writer.
child = os.fork()
if child == 0:
    big = os.open("mapped", os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(big, 1 << 30)
    memory = mmap.mmap(big, 1 << 30)
    for at in range(0, 1 << 30, 4096):
        memory[at] = 1
    os._exit(0)
print("mapped", os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"#;
    let case = python(script);
    let sandbox = case.spawn().await;
    let exit = ended(&sandbox).await;
    let text = output(&sandbox);
    assert_eq!(exit, Exit::Code { code: 0 }, "{text}");
    for expected in [
        "sparse done",
        "allocate ENOSPC",
        "nameless ENOSPC",
        "name done",
        "link EXDEV",
        "rename EXDEV",
        "immutable EPERM",
        "append EPERM",
        "shutdown EPERM",
        "trim EPERM",
        "device none",
        "mapped 7",
    ] {
        assert!(
            text.contains(&format!("{expected}\n")),
            "{expected}: {text}"
        );
    }
    for refused in ["project", "freeze", "resize", "quota"] {
        let done = format!("{refused} done\n");
        assert!(!text.contains(&done), "{text}");
    }
    assert!(taken(&case) <= QUOTA + (64 << 10), "{}", taken(&case));
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
}

#[tokio::test]
async fn a_bad_end_with_a_full_disk_is_told_as_such() {
    if !is_root() {
        return;
    }
    let (exit, _) = python("fill('/tmp'); sys.exit(3)").run().await;
    let quota = Megabytes(64);
    assert_eq!(exit, Exit::OutOfDisk { status: 3, quota });
    let (exit, _) = python("fill('/tmp'); os.kill(os.getpid(), 9)").run().await;
    assert_eq!(exit, Exit::OutOfDisk { status: 137, quota });
    let (exit, _) = python("fill('/tmp')").run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    let (exit, _) = python("fill('/tmp', 1 << 20); sys.exit(3)").run().await;
    assert_eq!(exit, Exit::Code { code: 3 });
}

#[tokio::test]
async fn a_disk_is_there_for_the_next_daemon_and_gone_with_the_shim() {
    if !is_root() {
        return;
    }
    let mut case =
        shell("dd if=/dev/zero of=/tmp/x bs=1M count=8 2>/dev/null; echo ready; sleep 1000");
    give_disk(&mut case);
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    says(&sandbox, "ready").await;
    drop(sandbox);
    let adopted = sandbox::adopt(&case.spec.dir).await.unwrap();
    let written = adopted.written().unwrap();
    assert!((8 << 20..9 << 20).contains(&written), "{written}");
    let shim = Pid::from_raw(parent(parent(command)));
    kill(shim, Signal::SIGKILL).unwrap();
    assert_eq!(ended(&adopted).await, Exit::Lost);
    case.left_nothing().await;
    adopted.remove().await.unwrap();
}

#[tokio::test]
async fn a_device_that_others_have_by_now_is_not_mounted() {
    if !is_root() {
        return;
    }
    let other = shell("true");
    let file = other.root.path().join("others.img");
    Disks::open(other.root.path(), QUOTA)
        .create(&file, QUOTA)
        .unwrap();
    let others = Mounted::attach(&file).unwrap();

    let mut case = shell("echo in");
    give_disk(&mut case);
    case.spec.disk.as_mut().unwrap().image = Some(Image {
        file: image(&case),
        device: Some(others.device().to_owned()),
    });
    let (exit, output) = case.run().await;
    assert!(
        matches!(&exit, Exit::NotStarted { reason } if reason.contains("not behind it")),
        "{exit:?} {output}"
    );
    drop(others);
    let dir = other.root.path().to_str().unwrap();
    until("the device to be free", || loops(dir).is_empty()).await;
}

#[tokio::test]
async fn a_writable_home_is_on_a_disk_that_its_maker_sees() {
    if !is_root() {
        return;
    }
    let mut case = shell("cat given && echo made > made && mkdir -p deep && ls -a /home/vcap");
    give_disk(&mut case);
    let file = image(&case);
    let mine = Mounted::attach(&file).unwrap();
    let home = mine.path().join(sandbox::BUILT);
    fs::create_dir(&home).unwrap();
    fs::write(home.join("given"), "given\n").unwrap();
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    case.spec.disk.as_mut().unwrap().image = Some(Image {
        file,
        device: Some(mine.device().to_owned()),
    });
    let sandbox = case.spawn().await;
    let exit = ended(&sandbox).await;
    let text = output(&sandbox);
    assert_eq!(exit, Exit::Code { code: 0 }, "{text}");
    assert_eq!(text, "given\n.\n..\ndeep\ngiven\nmade\n");
    assert_eq!(fs::read_to_string(home.join("made")).unwrap(), "made\n");
    mine.abandon();
    tokio::time::timeout(
        Duration::from_secs(60),
        tokio::task::spawn_blocking(|| drop(mine)),
    )
    .await
    .unwrap()
    .unwrap();
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
}

/// A sandbox whose disk is folders, as where the kernel keeps to nothing.
fn looked_after(script: &str) -> Case {
    let mut case = shell("");
    let text = format!("{FILL}\n{script}");
    case.spec.argv = ["python3", "-c", &text].map(str::to_owned).into();
    let disk = Disks::of_folders("a test").create(&image(&case), QUOTA);
    let mut disk = disk.unwrap();
    // Few, so that it does not take an emulated machine long to count them.
    disk.quota.inodes = 400;
    case.spec.disk = Some(disk);
    case
}

#[tokio::test]
async fn where_the_kernel_keeps_to_no_quota_the_shim_does() {
    let out = |status| Exit::OutOfDisk {
        status,
        quota: Megabytes(64),
    };
    let stay = "\nprint('written', flush=True)\nsignal.pause()";
    for script in [
        "for _ in range(3): fill('/tmp', 30 << 20)",
        "for _ in range(3): fill('/home/vcap', 30 << 20)",
        // Files that have no name, or where nobody may look.
        "kept = []
for _ in range(3):
    kept.append(os.open('/tmp', os.O_TMPFILE | os.O_RDWR, 0o600))
    for _ in range(30): os.write(kept[-1], b'x' * (1 << 20))",
        "os.mkdir('/tmp/d')
for _ in range(3): fill('/tmp/d', 30 << 20)
os.chmod('/tmp/d', 0)",
        "for number in range(500): os.mkdir(f'/tmp/{number}')",
    ] {
        let case = looked_after(&format!("{script}{stay}"));
        let sandbox = case.spawn().await;
        running(&sandbox).await;
        let weaker = sandbox.weaker();
        assert!(
            weaker.iter().any(|one| one.contains("disk quotas")),
            "{weaker:?}"
        );
        assert_eq!(ended(&sandbox).await, out(137), "{script}");
        case.left_nothing().await;
        sandbox.remove().await.unwrap();
    }
    // A single file comes to no more than the quota.
    let beyond = "
file = os.open('/tmp/file', os.O_RDWR | os.O_CREAT)
os.pwrite(file, b'x', (64 << 20) - 1)
try: os.pwrite(file, b'x', 64 << 20)
except OSError as error: print(errno.errorcode[error.errno])";
    let (exit, output) = looked_after(beyond).run().await;
    assert_eq!((exit, output.as_str()), (Exit::Code { code: 0 }, "EFBIG\n"));
    let signals = format!("signal.signal(signal.SIGXFSZ, signal.SIG_DFL){beyond}");
    assert_eq!(looked_after(&signals).run().await.0, out(128 + 25));
    // Who stays within is left alone, and what there is is known.
    let case = looked_after(&format!("fill('/tmp', 20 << 20){stay}"));
    let sandbox = case.spawn().await;
    let known = || {
        sandbox
            .written()
            .is_some_and(|bytes| (20 << 20..21 << 20).contains(&bytes))
    };
    until("what is written to be known", known).await;
    sandbox.stop(Duration::ZERO);
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
}

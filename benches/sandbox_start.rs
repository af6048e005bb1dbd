//! How long a sandbox takes from the decision to start it until its command runs, with every
//! layer that an app gets and without a disk of its own, with bubblewrap beside it; how long a
//! disk takes alone; and how long a hundred sandboxes take together.
//!
//!     cargo bench --bench sandbox_start [-- rounds]
//!
//! Run it as root for what a service pays, as a user for what a laptop pays. Bubblewrap's time
//! is from its start to the end of `true` inside; ours ends when the daemon knows that the
//! command runs, which comes after its exec, and is shown until the end of the command, too.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may fail by panicking"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use pastina::sandbox::{self, Disks, Ids, Limits, Mounted, Network, RANGE, Sandbox, Spec, Status};

/// The first user id that the sandboxes get, as root.
const FIRST: u32 = 1_500_000_000;

/// Bytes of a sandbox's disk: Cloud Foundry's default.
const DISK: u64 = 1 << 30;

/// Sandboxes that start together.
const TOGETHER: u32 = 100;

const BUBBLEWRAP: [&str; 16] = [
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
];

#[tokio::main]
async fn main() {
    let mut rounds = std::env::args().filter_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.next_back().unwrap_or(40);
    sandbox::set_executable(env!("CARGO_BIN_EXE_pastina").into());
    let _ = sandbox::cgroup::prepare();
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("home");
    fs::create_dir_all(home.join("app")).unwrap();

    let disks = Disks::open(root.path(), DISK);
    let place = |index: u32, disk: bool| Place {
        root: root.path(),
        home: &home,
        index,
        disks: disk.then_some(&disks),
    };

    let (mut plain, mut wrapped, mut running, mut ended) = (vec![], vec![], vec![], vec![]);
    let (mut bare, mut alone) = (vec![], vec![]);
    for round in 0..rounds {
        // Interleaved, and in turn, so that what else the machine does meets all of them.
        plain.push(time(&mut Command::new("true")));
        if round % 2 == 0 {
            wrapped.extend(bubblewrap());
        }
        let index = u32::try_from(round).unwrap();
        let (to_running, to_end) = ours(&place(index, true)).await;
        running.push(to_running);
        ended.push(to_end);
        bare.push(ours(&place(index, false)).await.0);
        alone.extend(disk_alone(&disks, root.path()));
        if round % 2 == 1 {
            wrapped.extend(bubblewrap());
        }
    }
    show("fork, exec and end of true", plain);
    show("bubblewrap, to the end of true", wrapped);
    show("sandbox, to its command running", running);
    show("sandbox, to the end of true", ended);
    show("without a disk, to its command running", bare);
    show("a disk made and mounted", alone);

    let begin = Instant::now();
    let places: Vec<_> = (0..TOGETHER)
        .map(|index| place(10_000 + index, true))
        .collect();
    let times = join_all(places.iter().map(ours)).await;
    show(
        "of 100 together, to its command running",
        times.into_iter().map(|(running, _)| running).collect(),
    );
    println!(
        "{TOGETHER} together, to the end of the last  {:.2} s",
        begin.elapsed().as_secs_f64()
    );
}

fn time(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    begin.elapsed()
}

fn bubblewrap() -> Option<Duration> {
    let mut command = Command::new("bwrap");
    command.args(BUBBLEWRAP).args(["--dev", "/dev", "true"]);
    // Where it is not installed, its line says so.
    Command::new("bwrap")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok()
        .then(|| time(&mut command))
}

/// Where one sandbox is made, and from what.
struct Place<'a> {
    root: &'a Path,
    home: &'a Path,
    index: u32,
    disks: Option<&'a Disks>,
}

/// Starts one sandbox as the drivers do for an app: until its command runs, and until it ended.
async fn ours(place: &Place<'_>) -> (Duration, Duration) {
    let dir = place.root.join(place.index.to_string());
    fs::create_dir(&dir).unwrap();
    let image = dir.with_extension("disk");
    let mut spec = spec(place.home, &dir, place.index);
    let begin = Instant::now();
    spec.disk = place.disks.map(|disks| disks.create(&image, DISK).unwrap());
    let sandbox = sandbox::spawn(&spec).await.unwrap();
    let running = reached(&sandbox, |status| !matches!(status, Status::Preparing)).await;
    let to_running = running - begin;
    let ended = reached(&sandbox, |status| matches!(status, Status::Ended(_))).await;
    let to_end = ended - begin;
    assert!(sandbox.log(0).unwrap().next().unwrap().is_none());
    sandbox.remove().await.unwrap();
    let _ = fs::remove_file(image);
    (to_running, to_end)
}

/// None where this host has no disks for us.
fn disk_alone(disks: &Disks, root: &Path) -> Option<Duration> {
    let file = root.join("alone.disk");
    let begin = Instant::now();
    let made = disks.create(&file, DISK).unwrap();
    let took = made.image.map(|_| {
        let mounted = Mounted::attach(&file).unwrap();
        let took = begin.elapsed();
        mounted.abandon();
        took
    });
    let _ = fs::remove_file(file);
    took
}

async fn reached(sandbox: &Sandbox, is: impl FnMut(&Status) -> bool) -> Instant {
    sandbox.status().wait_for(is).await.unwrap();
    Instant::now()
}

fn spec(home: &Path, dir: &Path, index: u32) -> Spec {
    let root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    Spec {
        home: Some(home.to_owned()),
        ids: if root {
            Ids::Range {
                first: FIRST + (index % 1000) * RANGE,
            }
        } else {
            Ids::Own
        },
        network: Network::Tunnel,
        limits: Limits {
            memory: Some(256 << 20),
            cpu_weight: Some(100),
            pids: Some(256),
            files: Some(16_384),
            ..Limits::default()
        },
        ..Spec::new(
            format!("bench-{}-{index}", std::process::id()),
            dir.to_owned(),
            ["true".to_owned()],
        )
    }
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |at: usize| {
        times
            .get(at.min(times.len().saturating_sub(1)))
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{what:<40} median {:6.2} ms, best {:6.2}, p95 {:6.2} ({} times)",
        ms(times.len() / 2),
        ms(0),
        ms(times.len() * 95 / 100),
        times.len()
    );
}

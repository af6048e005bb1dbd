//! What a sandbox may use, and what it costs.

use std::{fs, time::Duration};

use pastina::{
    model::Exit,
    sandbox::{self, Ceiling, Disks},
};

use super::support::{Case, ended, output, parent, running, says, shell};
use crate::support::is_root;

#[tokio::test]
async fn too_much_memory_ends_as_out_of_memory() {
    let mut case = shell("python3 -c 'x = bytearray(400 << 20)'; echo survived; sleep 1000");
    case.spec.limits.memory = Some(64 << 20);
    if !limits_are_enforced(&case, "memory").await {
        return;
    }
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::OutOfMemory, "{output}");
}

/// Whether the host lets this user set limits. Where not, a sandbox says so.
async fn limits_are_enforced(case: &Case, what: &str) -> bool {
    if sandbox::probe().cgroup.is_some() {
        return true;
    }
    assert!(!is_root(), "root has control groups");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let weaker = sandbox.weaker();
    assert!(
        weaker.iter().any(|reason| reason.contains(what)),
        "{weaker:?}"
    );
    assert!(sandbox.usage().is_err());
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    false
}

#[tokio::test]
async fn processes_are_limited_and_usage_is_told() {
    let mut case = shell(
        "(for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done); echo tried; exec sleep 1000",
    );
    case.spec.limits.pids = Some(8);
    case.spec.limits.memory = Some(256 << 20);
    case.spec.limits.cpu_weight = Some(50);
    case.spec.limits.cpu_milli = Some(500);
    // By the control group, or by a limit of the user's where there is none.
    let sandbox = case.spawn().await;
    says(&sandbox, "tried").await;
    assert!(output(&sandbox).contains("fork"), "{}", output(&sandbox));
    if let Ok(usage) = sandbox.usage() {
        assert!((2..=9).contains(&usage.pids), "{usage:?}");
        assert!(usage.memory > 0 && usage.memory < 256 << 20, "{usage:?}");
        assert!(!usage.cpu.is_zero());
    }
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    case.left_nothing().await;
}

#[tokio::test]
async fn shim_and_init_together_have_little_memory_of_their_own() {
    let case = shell("sleep 1000");
    let sandbox = case.spawn().await;
    let init = parent(running(&sandbox).await);
    let kilobytes = |pid: i32, kind: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(kind));
        lines
            .map(|line| {
                line.split_whitespace()
                    .nth(1)
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum()
    };
    // Init hides its memory from the ordinary user who started it.
    if is_root() {
        let shim = parent(init);
        // What is no file's; what the two share is divided between them. The program's file is
        // shared with the daemon and every other shim.
        let together = kilobytes(init, "Pss_Anon") + kilobytes(shim, "Pss_Anon");
        // Unoptimised, the program has twice as much to relocate (docs/performance.md has the
        // release's figure).
        let most = if cfg!(debug_assertions) { 4096 } else { 2048 };
        assert!(together <= most, "{together} kB");
    }
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}

/// Writes and reads past the page cache, writes by way of it and waits for the disk, and says how
/// many milliseconds each took.
const DIRECT: &str = "now() { echo $(($(date +%s%N) / 1000000)); }\n\
    a=$(now); dd if=/dev/zero of=/home/vcap/x bs=1M count=12 oflag=direct 2> /dev/null || exit 3\n\
    b=$(now); dd if=/home/vcap/x of=/dev/null bs=1M iflag=direct 2> /dev/null || exit 4\n\
    c=$(now); dd if=/dev/zero of=/home/vcap/y bs=1M count=8 conv=fsync 2> /dev/null || exit 5\n\
    d=$(now); echo $((b - a)) $((c - b)) $((d - c))";

#[tokio::test]
async fn what_is_written_and_read_in_a_second_has_a_ceiling() {
    let mut case = shell(DIRECT);
    let image = case.spec.dir.join("disk.img");
    let disks = Disks::open(case.root.path(), 64 << 20);
    case.spec.disk = Some(disks.create(&image, 64 << 20).unwrap());
    case.spec.limits.io_ceiling = Ceiling {
        read: Some(6 << 20),
        write: Some(4 << 20),
        operations: Some(1000),
    };
    if !is_root() {
        // The controller is rarely an ordinary user's; then the sandbox says so.
        let sandbox = case.spawn().await;
        ended(&sandbox).await;
        let told = sandbox.weaker().concat();
        let enforced = sandbox::probe()
            .findings
            .iter()
            .any(|finding| finding.what == sandbox::cgroup::CEILINGS && finding.remedy.is_none());
        let groups = "memory, processor and process limits are not enforced";
        let says = told.contains(sandbox::cgroup::CEILINGS) || told.contains(groups);
        assert!(enforced || says, "{told}");
        return;
    }
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    let took: Vec<u64> = output
        .split_whitespace()
        .map(|ms| ms.parse().unwrap())
        .collect();
    // 12 MiB in 3 s and 2 s, 8 MiB in 2 s; the kernel counts in slices of a tenth of a second. However slow the
    // machine is, it was not faster than allowed.
    assert!(took[0] >= 2500, "{output}");
    assert!(took[1] >= 1500, "{output}");
    assert!(took[2] >= 1500, "{output}");
    // The device's number is somebody else's next.
    let left = std::fs::read_to_string("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device");
    let ours = (4 << 20).to_string();
    assert!(!left.unwrap_or_default().contains(&ours));
}

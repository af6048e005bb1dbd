//! Output as a weapon: much of it, without end, or made to look like something else.

use std::{fs, time::Duration};

use pastina::model::Exit;

use super::support::{Neighbour, attack, ended, output, parent, running, says, shell};
use crate::support::until;

/// Resident memory of a process, in kilobytes.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_of_empty_lines_is_dropped_and_told() {
    let neighbour = Neighbour::start().await;
    // Ten million lines; a hundredth of them is kept at most.
    let case = shell("yes '' | head -c 10000000; sleep 3; echo end of the flood >&2; sleep 1000");
    let sandbox = case.spawn().await;
    says(&sandbox, "lines were dropped").await;
    says(&sandbox, "end of the flood").await;
    let text = output(&sandbox);
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("dropped"))
        .collect();
    assert!(told[0].contains("the app logs faster than"), "{told:?}");
    let dropped = told[0].split_whitespace().rev().nth(3).unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 1_000_000, "{told:?}");
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn a_line_without_an_end_is_cut() {
    let mut case = shell("head -c 50000000 /dev/zero | tr '\\0' x; echo; echo after; sleep 1000");
    case.spec.log_bytes = 64 << 20;
    let sandbox = case.spawn().await;
    let shim = parent(parent(running(&sandbox).await));
    // A slow machine makes it slower than lines are dropped.
    until("the end of the line", || {
        let text = output(&sandbox);
        text.contains("dropped") || text.contains("after")
    })
    .await;
    let memory = resident(shim);
    assert!(memory < 64 << 10, "{memory} kB");
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    case.left_nothing().await;
}

#[tokio::test]
async fn bytes_that_look_like_the_log_itself_stay_text() {
    let case = attack(
        r"
forged = struct.pack('<IQB', 5, 7, 1) + b'never' + b'PSTLOG1\n' + struct.pack('<Q', 0)
os.write(1, forged + b'\x00\x1b[2J\xff\xfe\n')
os.write(1, b'plain\n')
",
    );
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    let lines: Vec<&str> = output.lines().collect();
    // The newline in the forged magic ends a line, as any does.
    assert!(lines[0].ends_with("neverPSTLOG1"), "{lines:?}");
    assert!(lines[1].contains("\u{1b}[2J"), "{lines:?}");
    assert_eq!(lines[2..], ["plain", "tried"]);
}

#[tokio::test]
async fn pipes_that_are_changed_or_closed_harm_nobody() {
    let neighbour = Neighbour::start().await;
    let case = attack(
        r"
import fcntl
for size in (4096, 1 << 20, 4096):
    try: fcntl.fcntl(1, 1031, size)
    except OSError: pass
fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)
try:
    while True: os.write(1, b'x' * 65536 + b'\n')
except BlockingIOError: pass
fcntl.fcntl(1, fcntl.F_SETFL, 0)
os.close(2)
",
    );
    let (exit, _) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    neighbour.noticed_nothing().await;
}

/// By the shim, which is there when no daemon is.
#[tokio::test]
async fn an_apps_own_limit_of_its_log_is_held_and_told_in_cloud_foundrys_words() {
    let mut case = shell(
        "for round in 1 2 3; do for i in $(seq 500); do echo 012345678; done; sleep 1.2; done\n\
         echo after >&2; printf 'no end'",
    );
    case.spec.log_rate = Some(1000);
    let begun = std::time::Instant::now();
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    let kept = output.matches("012345678\n").count() as f64 * 10.0;
    let most = begun.elapsed().as_secs_f64().mul_add(1000.0, 1000.0);
    assert!(kept >= 1000.0 && kept <= most, "{kept} of {most}");
    let told = "app instance exceeded log rate limit (1000 bytes/sec)\n";
    assert!((1..=4).contains(&output.matches(told).count()), "{output}");
    assert!(output.contains("after\n"), "{output}");
    assert!(output.ends_with("no end\n"), "{output}");
}

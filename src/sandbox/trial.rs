//! A sandbox that is made only to see what its walls are on this host.

use std::{fs, io, path::Path, time::Duration};

use super::{Finding, Ids, Limits, SandboxError, Spec, Status, spawn, status::Doing};
use crate::model::Exit;

/// A sandbox that takes longer to say what it sees hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints what the kernel says of a process inside.
const LOOK: &str = "cat /proc/self/status";

/// Makes a sandbox in `dir`, which exists and is empty, looks at it from inside, and removes
/// it: what the kernel says of the processes in it, and what could not be enforced.
///
/// # Errors
/// Where the sandbox's folder or shim could not be made. A sandbox that does not start is a
/// finding, not an error.
pub async fn trial(dir: &Path, ids: Ids) -> Result<Vec<Finding>, SandboxError> {
    let folder = dir.join("sandbox");
    fs::create_dir(&folder).doing(|| format!("make {}", folder.display()))?;
    let sandbox = spawn(&spec(&folder, ids)).await?;
    let mut status = sandbox.status();
    let ended = tokio::time::timeout(
        PATIENCE,
        status.wait_for(|status| matches!(status, Status::Ended(_))),
    );
    let exit = match ended.await {
        Ok(Ok(status)) => match &*status {
            Status::Ended(exit) => exit.clone(),
            Status::Preparing | Status::Running { .. } => Exit::Lost,
        },
        Ok(Err(_)) => Exit::Lost,
        Err(_) => {
            sandbox.stop(Duration::ZERO);
            return Ok(vec![Finding::missing(
                "a sandbox on trial",
                format!("it did not end within {} s", PATIENCE.as_secs()),
            )]);
        }
    };
    let output = read(&sandbox).doing(|| "read what the sandbox wrote".to_owned())?;
    let findings = judge(&exit, &output, &sandbox.weaker());
    sandbox.remove().await?;
    Ok(findings)
}

fn spec(dir: &Path, ids: Ids) -> Spec {
    let id = format!("trial-{}", std::process::id());
    let argv = ["sh", "-c", LOOK].map(str::to_owned);
    Spec {
        ids,
        limits: Limits {
            memory: Some(64 << 20),
            cpu_weight: Some(100),
            pids: Some(64),
            files: Some(256),
            ..Limits::default()
        },
        ..Spec::new(id, dir.to_owned(), argv)
    }
}

fn read(sandbox: &super::Sandbox) -> io::Result<String> {
    let mut reader = sandbox.log(0)?;
    let mut text = String::new();
    while let Some(record) = reader.next()? {
        text.push_str(&String::from_utf8_lossy(&record.line));
        text.push('\n');
    }
    Ok(text)
}

/// What follows from how the sandbox ended, from `/proc/self/status` (proc_pid_status(5)) as
/// it printed it, and from what its shim could not enforce.
fn judge(exit: &Exit, status: &str, weaker: &[String]) -> Vec<Finding> {
    if *exit != (Exit::Code { code: 0 }) {
        let said = status.trim().lines().last().unwrap_or_default();
        let reason = format!("it {}: {said}", exit.describe());
        return vec![
            Finding::missing("a sandbox on trial", reason.trim_end_matches(": "))
                .mended_by("look at the lines above; the daemon's log says more"),
        ];
    }
    let field = |name: &str| {
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    let is = |what: &str, holds: bool, how: &str, lack: &str| {
        if holds {
            Finding::enforced(what, how)
        } else {
            Finding::missing(what, lack)
                .mended_by("this is a defect of the platform on this kernel: report it")
        }
    };
    let empty = |name: &str| field(name).is_some_and(|bits| bits.chars().all(|bit| bit == '0'));
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let mut findings = vec![
        is(
            "no capabilities",
            sets.into_iter().all(empty),
            "all five sets of a process inside are empty",
            "a process inside has capabilities in its own namespace",
        ),
        is(
            "no new privileges",
            field("NoNewPrivs") == Some("1"),
            "set-uid programs and file capabilities give nothing",
            "set-uid programs may give rights inside",
        ),
        is(
            "system-call list",
            field("Seccomp") == Some("2"),
            "a seccomp filter refuses what is not on the list",
            "every system call is open",
        ),
    ];
    findings.extend(weaker.iter().map(|lack| {
        let (reason, remedy) = match lack.rsplit_once("; ") {
            Some((reason, remedy)) => (reason, Some(remedy)),
            None => (lack.as_str(), None),
        };
        Finding {
            remedy: remedy.map(str::to_owned),
            ..Finding::weaker("sandboxes as they are made here", reason)
        }
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Verdict;

    const STATUS: &str = "Name:\tcat\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
        CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\n";

    fn check(exit: &Exit, status: &str, weaker: &[&str], expected: &[(&str, Verdict)]) {
        let weaker: Vec<_> = weaker.iter().map(|&text| text.to_owned()).collect();
        let found = judge(exit, status, &weaker);
        let found: Vec<_> = found
            .iter()
            .map(|finding| (finding.what.as_str(), finding.verdict))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn walls_are_read_off_what_the_kernel_says() {
        let fine = Exit::Code { code: 0 };
        let caps = "no capabilities";
        let (privileges, calls) = ("no new privileges", "system-call list");
        check(
            &fine,
            STATUS,
            &[],
            &[
                (caps, Verdict::Enforced),
                (privileges, Verdict::Enforced),
                (calls, Verdict::Enforced),
            ],
        );
        let open = STATUS
            .replace("CapBnd:\t0", "CapBnd:\t8")
            .replace("Seccomp:\t2", "Seccomp:\t0");
        check(
            &fine,
            &open,
            &["the home is copied; use ext4"],
            &[
                (caps, Verdict::Missing),
                (privileges, Verdict::Enforced),
                (calls, Verdict::Missing),
                ("sandboxes as they are made here", Verdict::Weaker),
            ],
        );
        let failed = Exit::NotStarted {
            reason: "no".to_owned(),
        };
        check(
            &failed,
            "",
            &[],
            &[("a sandbox on trial", Verdict::Missing)],
        );
    }
}

//! What of Landlock the kernel has.

use std::io;

use nix::errno::Errno;

use super::Finding;
use crate::sandbox::sys;

/// What each version brought, of what sandboxes use (landlock(7)).
const BROUGHT: [(u32, &str); 5] = [
    (1, "reading and writing by path"),
    (2, "moving between folders"),
    (3, "truncating"),
    (5, "ioctls of devices"),
    (6, "signals and abstract Unix sockets"),
];

/// Asks the kernel.
pub(super) fn look() -> Finding {
    judge(sys::landlock_version())
}

fn judge(version: io::Result<u32>) -> Finding {
    const WHAT: &str = "Landlock";
    let version = match version {
        Ok(version) if version > 0 => version,
        other => {
            let unused =
                other.is_err_and(|error| error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32));
            let (why, remedy) = if unused {
                let remedy =
                    "add landlock to lsm= on the kernel's command line, before what is there";
                ("the kernel has it, but not in use", remedy)
            } else {
                let remedy = "use a kernel from 5.13 with CONFIG_SECURITY_LANDLOCK, best from 6.12";
                ("the kernel has it not", remedy)
            };
            let reason =
                format!("{why}, so mounts and namespaces alone keep files and processes apart");
            return Finding::missing(WHAT, reason).mended_by(remedy);
        }
    };
    let words = |has: bool| {
        let all = BROUGHT
            .iter()
            .filter(|(since, _)| (version >= *since) == has);
        all.map(|(_, what)| *what).collect::<Vec<_>>().join(", ")
    };
    let (has, lacks) = (words(true), words(false));
    if lacks.is_empty() {
        return Finding::enforced(WHAT, format!("version {version}: {has}"));
    }
    Finding::weaker(WHAT, format!("version {version}: {has}; not {lacks}"))
        .mended_by("use a kernel from 6.12, which has all of it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Verdict;

    #[test]
    fn rights_are_named_by_version() {
        let check = |version: io::Result<u32>, verdict: Verdict, reason: &str| {
            let found = judge(version);
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.reason.contains(reason), "{found:?}");
            assert_eq!(found.remedy.is_some(), verdict != Verdict::Enforced);
        };
        let errno = |errno: Errno| Err(io::Error::from(errno));
        check(Ok(7), Verdict::Enforced, "version 7: reading");
        check(
            Ok(4),
            Verdict::Weaker,
            "truncating; not ioctls of devices, signals",
        );
        check(Ok(1), Verdict::Weaker, "by path; not moving");
        check(errno(Errno::ENOSYS), Verdict::Missing, "has it not");
        check(errno(Errno::EOPNOTSUPP), Verdict::Missing, "not in use");
    }
}

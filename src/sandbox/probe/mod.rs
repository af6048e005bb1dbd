//! What this kernel and this user can wall off and limit, and what not.

mod finding;
mod groups;
mod landlock;
mod namespaces;
mod way_out;

pub use finding::{Finding, Verdict};

use std::path::Path;

use super::{Ids, RANGE, cgroup::Host};

/// What the host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether sandboxes can be made at all.
    pub sandboxes: bool,
    /// Whether each app can have ids of its own ([`Ids::Range`]).
    pub ranges: bool,
    /// Which control groups set the limits: 1, 2, or none.
    pub cgroup: Option<u8>,
    /// What is enforced and what not, a line each, the most basic first.
    pub findings: Vec<Finding>,
}

/// Looks at the host: tries a user namespace in a child, reads what the kernel tells. Call
/// [`cgroup::prepare`](super::cgroup::prepare) before it. Takes milliseconds.
#[must_use]
pub fn probe() -> Capabilities {
    let namespaces = namespaces::look();
    let sandboxes = namespaces.verdict == Verdict::Enforced;
    let root = nix::unistd::geteuid().is_root();
    let host = Host::find(Path::new("/"));
    let mut findings = vec![namespaces, owners(root)];
    findings.push(landlock::look());
    findings.push(way_out::look());
    findings.extend(groups::look(&host));
    Capabilities {
        sandboxes,
        ranges: root && sandboxes,
        cgroup: host.ok().map(|host| host.version()),
        findings,
    }
}

fn owners(root: bool) -> Finding {
    let what = "user ids of an app's own";
    if root {
        return Finding::enforced(
            what,
            "65,536 ids for each app, none of which anybody else has",
        );
    }
    Finding::weaker(
        what,
        "without root every app runs with the platform's own user id; namespaces alone keep them apart",
    )
    .mended_by("run the platform as root where apps must not trust each other")
}

impl Capabilities {
    /// What the host cannot enforce, or only in part.
    pub fn lacks(&self) -> impl Iterator<Item = &Finding> {
        let lacks = |finding: &&Finding| finding.verdict != Verdict::Enforced;
        self.findings.iter().filter(lacks)
    }

    /// The ids to run an app with that has the `index`th range after `base`, where it can
    /// have one.
    #[must_use]
    pub fn ids(&self, base: u32, index: u32) -> Ids {
        match index
            .checked_mul(RANGE)
            .and_then(|offset| base.checked_add(offset))
        {
            Some(first) if self.ranges => Ids::Range { first },
            _ => Ids::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_reason_and_a_remedy() {
        let found = probe();
        let lacks = |what: &str| found.lacks().any(|lack| lack.what == what);
        assert_eq!(found.sandboxes, !lacks("sandboxes"));
        assert_eq!(found.cgroup.is_none(), lacks(groups::NONE));
        for finding in &found.findings {
            assert!(!finding.reason.is_empty(), "{finding:?}");
            assert!(
                finding.verdict == Verdict::Enforced || finding.remedy.is_some(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn ranges_do_not_overlap_and_end_where_the_numbers_do() {
        let found = Capabilities {
            sandboxes: true,
            ranges: true,
            cgroup: None,
            findings: Vec::new(),
        };
        assert_eq!(
            found.ids(1000, 2),
            Ids::Range {
                first: 1000 + 2 * RANGE
            }
        );
        assert_eq!(found.ids(1000, u32::MAX), Ids::Own);
        assert_eq!(
            Capabilities {
                ranges: false,
                ..found
            }
            .ids(1000, 0),
            Ids::Own
        );
    }
}

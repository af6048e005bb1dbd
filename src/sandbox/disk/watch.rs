//! Looking after quotas that the kernel does not keep to.
//!
//! The host's free space is asked for often, which costs next to nothing; what is in the folders
//! is counted when so much has gone that it could matter, and now and then.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    count::{Amount, count},
    mounted::Space,
};
use crate::sandbox::{
    Quota, Spec,
    rootfs::{PRIVATE, image::CHANGES},
};

/// What follows where this is all that there is.
pub(in crate::sandbox) const BOUND: &str = "no file grows beyond the quota, and the platform looks every half second, or for a twentieth of the \
     time, how much there is, and ends what has written more";

/// How often the host is asked for its free space: some microseconds each time.
const TICK: Duration = Duration::from_millis(500);

/// A look is due after so long, whatever the host says: others may have made room meanwhile.
const LONGEST: Duration = Duration::from_secs(10);

/// Looks take at most a hundredth of a processor's time, and a twentieth while the quota may
/// be used up already.
const REST: u32 = 100;
const REST_IN_DOUBT: u32 = 20;

/// What of the private folder the sandbox writes to: `work` is the overlay's own.
const WRITTEN_TO: [&str; 4] = ["upper", "home", "home-tmp", "tmp"];

/// The watch over the folders of one sandbox.
#[derive(Debug)]
pub(in crate::sandbox) struct Watch {
    parts: Vec<Part>,
    next: Instant,
}

/// Folders that have a quota together, the first of them on the file system that is asked.
#[derive(Debug)]
struct Part {
    folders: Vec<PathBuf>,
    quota: Quota,
    last: Option<Look>,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    took: Duration,
    found: Amount,
    /// What the host had free, before.
    host: Space,
}

impl Watch {
    /// The watch over what `spec` limits and the kernel does not; none where there is no such.
    pub(in crate::sandbox) fn over(spec: &Spec) -> Option<Self> {
        let part = |folders: Vec<PathBuf>, quota: Quota| Part {
            folders,
            quota,
            last: None,
        };
        let mut parts = Vec::new();
        if let Some(disk) = spec.disk.as_ref().filter(|disk| disk.image.is_none()) {
            let private = WRITTEN_TO.map(|name| PathBuf::from(PRIVATE).join(name));
            let root = spec.root.as_ref();
            let root = root.map(|_| Path::new(PRIVATE).join(CHANGES).join("upper"));
            let home = spec.home.clone().filter(|_| spec.home_writable);
            let folders = private.into_iter().chain(root).chain(home);
            parts.push(part(folders.collect(), disk.quota));
        }
        for volume in spec.volumes.iter().filter(|one| one.disk.image.is_none()) {
            parts.push(part(vec![volume.source.clone()], volume.disk.quota));
        }
        (!parts.is_empty()).then(|| Self {
            parts,
            next: Instant::now(),
        })
    }

    /// When to look again.
    pub(in crate::sandbox) const fn next(&self) -> Instant {
        self.next
    }

    /// Looks where that is due; `init` is the sandbox's first process. The quota that is exceeded,
    /// if one is.
    pub(in crate::sandbox) fn look(&mut self, init: i32, now: Instant) -> Option<Quota> {
        if now < self.next {
            return None;
        }
        self.next = now + TICK;
        for (index, part) in self.parts.iter_mut().enumerate() {
            let Some(host) = part.folders.first().and_then(|dir| Space::at(dir).ok()) else {
                continue;
            };
            if part
                .last
                .is_some_and(|last| !due(&last, part.quota, host, now))
            {
                continue;
            }
            // What has no name any more is the first part's.
            let open = (index == 0).then_some(init);
            let found = count(&part.folders, open, part.quota);
            let took = now.elapsed();
            part.last = Some(Look {
                at: now,
                took,
                found,
                host,
            });
            if found.bytes > part.quota.bytes || found.inodes > part.quota.inodes {
                return Some(part.quota);
            }
        }
        None
    }

    /// Bytes that were found in the sandbox's own folders.
    pub(in crate::sandbox) fn written(&self) -> Option<u64> {
        Some(self.parts.first()?.last?.found.bytes)
    }
}

/// Whether to look again at `now`, when the host has `host` free.
fn due(last: &Look, quota: Quota, host: Space, now: Instant) -> bool {
    let left = (
        quota.bytes.saturating_sub(last.found.bytes),
        quota.inodes.saturating_sub(last.found.inodes),
    );
    let gone = (
        last.host.free.saturating_sub(host.free),
        last.host.free_inodes.saturating_sub(host.free_inodes),
    );
    let may_have = |share: u64| gone.0 > left.0 / share || gone.1 > left.1 / share;
    let rest = if may_have(1) { REST_IN_DOUBT } else { REST };
    let since = now.saturating_duration_since(last.at);
    since >= last.took * rest && (may_have(2) || since >= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        bytes: 1000,
        inodes: 100,
    };

    #[test]
    fn a_look_is_due_when_the_host_has_lost_what_may_be_ours() {
        let at = Instant::now();
        let host = |free: u64, free_inodes: u64| Space {
            used: 0,
            free,
            free_inodes,
        };
        let last = Look {
            at,
            took: Duration::from_millis(10),
            found: Amount {
                bytes: 600,
                inodes: 10,
            },
            host: host(10_000, 5_000),
        };
        let check = |now: Space, after_ms: u64, expected: bool| {
            let later = at + Duration::from_millis(after_ms);
            assert_eq!(
                due(&last, QUOTA, now, later),
                expected,
                "{now:?} {after_ms}"
            );
        };
        // Little has gone: now and then.
        check(host(9_900, 5_000), 2_000, false);
        check(host(9_900, 5_000), 10_000, true);
        check(host(20_000, 9_000), 2_000, false);
        // Half of what was left: after a rest.
        check(host(9_700, 5_000), 999, false);
        check(host(9_700, 5_000), 1_000, true);
        check(host(10_000, 4_950), 1_000, true);
        // All of it: after a shorter one.
        check(host(9_500, 5_000), 199, false);
        check(host(9_500, 5_000), 200, true);
        check(host(10_000, 4_900), 200, true);
    }
}

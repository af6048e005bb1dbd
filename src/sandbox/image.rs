//! What a sandbox is told of an image whose root it gets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Ids, Spec, VCAP};

/// An image's root in place of the host's programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRoot {
    /// The folders of its layers, the lowest first. With [`Ids::Range`] the ids of their files
    /// are the numbers inside; with [`Ids::Own`] all belong to the platform's user.
    pub layers: Vec<PathBuf>,
    /// Who runs in it. None where it holds the tools of an app that is seen in `/home/vcap`:
    /// then `vcap` runs, and the root is read-only.
    pub user: Option<User>,
    /// The signal that asks it to stop; none for SIGTERM.
    pub stop_signal: Option<i32>,
}

/// Somebody by numbers inside, below [`RANGE`](super::RANGE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// More groups. With [`Ids::Own`] there are none.
    pub groups: Vec<u32>,
}

/// What root of an image may do to its own files and processes, by capability number: CHOWN,
/// DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID. Images that begin as root to make their
/// folders and then become somebody else need these, and nothing more; they count for the ids
/// of the app's own range alone.
const OF_ROOT: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;

impl Spec {
    /// Who runs the command.
    pub(super) fn user(&self) -> User {
        let user = self.root.as_ref().and_then(|root| root.user.clone());
        user.unwrap_or(User {
            uid: VCAP,
            gid: VCAP,
            groups: vec![VCAP],
        })
    }

    /// The capabilities that the command has in the sandbox's own user namespace. None but for
    /// the root of an image, and there only where each app has ids of its own.
    pub(super) fn capabilities(&self) -> u64 {
        match self.ids {
            Ids::Range { .. } if self.user().uid == 0 => OF_ROOT,
            Ids::Range { .. } | Ids::Own => 0,
        }
    }

    /// Whether the app is an image, with nothing of its own in `/home/vcap`.
    pub(super) fn is_image(&self) -> bool {
        self.root.as_ref().is_some_and(|root| root.user.is_some())
    }
}

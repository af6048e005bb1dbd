//! Which builds to begin and which to give up.

use std::collections::BTreeSet;

use crate::{
    model::{AppId, BuildId},
    store::State,
};

/// What to do about builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Builds that run although nobody waits for them any more.
    pub cancel: Vec<BuildId>,
    /// Builds to begin, oldest first.
    pub begin: Vec<BuildId>,
}

/// The plan for the builds of `state`, of which those in `running` run.
#[must_use]
pub fn plan(state: &State, running: &[(BuildId, AppId)], limit: usize) -> Plan {
    let wanted: BTreeSet<BuildId> = state.staging_builds().map(|build| build.id).collect();
    let cancel: Vec<BuildId> = running
        .iter()
        .map(|(build, _)| *build)
        .filter(|build| !wanted.contains(build))
        .collect();
    let mut busy: BTreeSet<AppId> = running.iter().map(|(_, app)| *app).collect();
    let mut room = limit.saturating_sub(running.len() - cancel.len());
    let mut begin = Vec::new();
    for build in state.staging_builds() {
        if room == 0 {
            break;
        }
        if busy.insert(build.app) {
            begin.push(build.id);
            room -= 1;
        }
    }
    Plan { cancel, begin }
}

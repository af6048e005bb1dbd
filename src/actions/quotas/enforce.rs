//! That a change keeps within the quotas.

use std::collections::BTreeMap;

use super::{super::ActionError, usage};
use crate::{
    model::{
        AppState, Breach, Level, Limits, Megabytes, OrgId, Over, ProcessId, QuotaUsage, SpaceId,
    },
    store::{State, Tx},
};

/// What holds somewhere before a change.
#[derive(Debug)]
pub(in crate::actions) struct Before {
    /// What limits, the space first, as Cloud Foundry looks at them; without those that limit
    /// nothing, which so cost nothing.
    quotas: Vec<Held>,
    space: Option<SpaceId>,
    /// Memory of the processes of the space's started apps.
    running: BTreeMap<ProcessId, Megabytes>,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) place: Place,
    pub(super) limits: Limits,
    pub(super) usage: QuotaUsage,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Space(SpaceId),
    Org(OrgId),
}

impl Place {
    fn usage(self, state: &State) -> QuotaUsage {
        match self {
            Self::Space(space) => usage::of_space(state, space),
            Self::Org(org) => usage::of_org(state, org),
        }
    }

    pub(super) fn breach(self, over: Over, state: &State) -> Breach {
        let (level, name) = match self {
            Self::Space(id) => {
                let space = state.spaces.get(&id);
                (Level::Space, space.map(|space| space.name.to_string()))
            }
            Self::Org(id) => {
                let org = state.orgs.get(&id);
                (Level::Org, org.map(|org| org.name.to_string()))
            }
        };
        Breach {
            over,
            level,
            name: name.unwrap_or_default(),
        }
    }
}

impl Before {
    /// What holds in `space`, before a change in it.
    pub(in crate::actions) fn of(state: &State, space: SpaceId) -> Self {
        let quotas = held(state, space);
        let running = if quotas.is_empty() {
            BTreeMap::new()
        } else {
            running(state, space)
        };
        Self {
            quotas,
            space: Some(space),
            running,
        }
    }

    /// What holds in `org`, before a change of what no space has: its domains.
    pub(in crate::actions) fn of_org(state: &State, org: OrgId) -> Self {
        let found = state.orgs.get(&org);
        let limits = found.map(|org| state.limits_of_org(org));
        let limits = limits.filter(|limits| !limits.is_open());
        let held = limits.map(|limits| Held::new(state, Place::Org(org), limits));
        Self {
            quotas: held.into_iter().collect(),
            space: None,
            running: BTreeMap::new(),
        }
    }

    /// Every limit that `after` exceeds.
    pub(in crate::actions) fn breaches(&self, after: &State) -> Vec<Breach> {
        let mut found = Vec::new();
        let grown: Vec<u64> =
            self.space
                .filter(|_| !self.quotas.is_empty())
                .map_or_else(Vec::new, |space| {
                    let now = running(after, space).into_iter();
                    now.filter(|(id, memory)| self.running.get(id).is_none_or(|old| memory > old))
                        .map(|(_, memory)| u64::from(memory.0))
                        .collect()
                });
        for held in &self.quotas {
            let used = held.place.usage(after);
            let mut over = held.limits.exceeded(&held.usage, &used);
            if grown
                .iter()
                .any(|memory| !held.limits.holds_process(*memory))
            {
                over.push(Over::ProcessMemory);
            }
            found.extend(over.into_iter().map(|over| held.place.breach(over, after)));
        }
        found
    }

    /// Passes where the change keeps within the quotas.
    ///
    /// # Errors
    /// [`ActionError::Quota`].
    pub(in crate::actions) fn check(&self, after: &State) -> Result<(), ActionError> {
        refuse(self.breaches(after))
    }
}

impl Held {
    fn new(state: &State, place: Place, limits: Limits) -> Self {
        Self {
            place,
            limits,
            usage: place.usage(state),
        }
    }
}

/// Makes a change in `space`, and sees that it keeps within the quotas.
///
/// # Errors
/// What the change returns, or [`ActionError::Quota`].
pub(in crate::actions) fn within<T>(
    tx: &mut Tx,
    space: SpaceId,
    change: impl FnOnce(&mut Tx) -> Result<T, ActionError>,
) -> Result<T, ActionError> {
    let before = Before::of(tx, space);
    let made = change(tx)?;
    before.check(tx)?;
    Ok(made)
}

/// Passes where instances of plans that cost something may be made in `space`.
///
/// # Errors
/// [`ActionError::Quota`].
pub(in crate::actions) fn may_make_paid(state: &State, space: SpaceId) -> Result<(), ActionError> {
    let closed = held(state, space).into_iter();
    let closed = closed.filter(|held| !held.limits.services.paid_services_allowed);
    refuse(
        closed
            .map(|held| held.place.breach(Over::PaidServices, state))
            .collect(),
    )
}

/// Passes where a build may use so much memory in `space` beside what runs there.
///
/// # Errors
/// In Cloud Foundry's words.
pub(in crate::actions) fn stages(
    state: &State,
    space: SpaceId,
    memory: Megabytes,
) -> Result<(), ActionError> {
    for held in held(state, space) {
        let mut usage = held.usage;
        usage.memory_in_mb += u64::from(memory.0);
        if held
            .limits
            .exceeded(&held.usage, &usage)
            .contains(&Over::Memory)
        {
            let whose = match held.place {
                Place::Space(_) => "space",
                Place::Org(_) => "organization",
            };
            return Err(ActionError::Unprocessable(format!(
                "{whose}'s memory limit exceeded: staging requires {memory} memory"
            )));
        }
    }
    Ok(())
}

/// Passes where nothing is exceeded.
pub(super) fn refuse(breaches: Vec<Breach>) -> Result<(), ActionError> {
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(ActionError::Quota(breaches))
    }
}

/// The places whose quotas hold in `space`, with what they limit, the space first.
pub(super) fn held(state: &State, space: SpaceId) -> Vec<Held> {
    let Some(found) = state.spaces.get(&space) else {
        return Vec::new();
    };
    let org = state.orgs.get(&found.org);
    let limits = [
        Some((Place::Space(space), state.limits_of_space(found))),
        org.map(|org| (Place::Org(org.id), state.limits_of_org(org))),
    ];
    limits
        .into_iter()
        .flatten()
        .filter(|(_, limits)| !limits.is_open())
        .map(|(place, limits)| Held::new(state, place, limits))
        .collect()
}

fn running(state: &State, space: SpaceId) -> BTreeMap<ProcessId, Megabytes> {
    state
        .apps_of(space)
        .filter(|app| app.state == AppState::Started)
        .flat_map(|app| state.processes_of(app.id))
        .map(|process| (process.id, process.memory))
        .collect()
}

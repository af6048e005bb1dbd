//! The ways to find what concerns the platform as a whole and its people: flags, groups,
//! clients, isolation segments.

use super::index::lower;
use crate::model::{
    Client, EnvGroup, EnvGroupId, FeatureFlag, Flag, Group, IsolationSegment, UserId, Workload,
};

impl super::State {
    /// The flag as an admin has set it.
    #[must_use]
    pub fn flag(&self, flag: Flag) -> Option<&FeatureFlag> {
        self.flags.get(&flag.id()).map(AsRef::as_ref)
    }

    /// Whether the flag is on.
    #[must_use]
    pub fn is_on(&self, flag: Flag) -> bool {
        self.flag(flag).map_or(flag.usual(), |set| set.enabled)
    }

    /// The variables of every app or build, where there are some.
    #[must_use]
    pub fn env_group(&self, workload: Workload) -> Option<&EnvGroup> {
        self.env_groups
            .get(&EnvGroupId::of(workload))
            .map(AsRef::as_ref)
    }

    /// The group with this name, whatever the case.
    #[must_use]
    pub fn group_by_name(&self, name: &str) -> Option<&Group> {
        self.groups
            .get(self.indexes.groups.get(&lower(name))?)
            .map(AsRef::as_ref)
    }

    /// The groups that the user is in. There are few groups.
    pub fn groups_of(&self, user: UserId) -> impl Iterator<Item = &Group> + '_ {
        let groups = self.groups.values().map(AsRef::as_ref);
        groups.filter(move |group: &&Group| group.members.contains(&user))
    }

    /// The client with this name.
    #[must_use]
    pub fn client_by_name(&self, name: &str) -> Option<&Client> {
        self.clients
            .get(self.indexes.clients.get(name)?)
            .map(AsRef::as_ref)
    }

    /// The isolation segment with this name, whatever the case.
    #[must_use]
    pub fn segment_by_name(&self, name: &str) -> Option<&IsolationSegment> {
        self.segments
            .get(self.indexes.segments.get(&lower(name))?)
            .map(AsRef::as_ref)
    }
}

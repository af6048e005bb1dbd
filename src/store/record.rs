//! The kinds of record that the store keeps, each with its key.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::{Indexes, State};
use crate::model::{
    App, AppId, AppUsage, AppUsageId, Binding, BindingId, Broker, BrokerId, Build, BuildId,
    Buildpack, BuildpackId, Client, ClientId, Deployment, DeploymentId, Domain, DomainId, Droplet,
    DropletId, EnvGroup, EnvGroupId, Event, EventId, FeatureFlag, FlagId, Group, GroupId,
    IsolationSegment, Job, JobId, Offering, OfferingId, Org, OrgId, OrgQuota, OrgQuotaId, Orphan,
    OrphanId, Package, PackageId, PeerPolicy, PeerPolicyId, Plan, PlanId, Process, ProcessId,
    RefreshToken, Revision, RevisionId, Role, RoleId, Route, RouteBinding, RouteBindingId, RouteId,
    SecurityGroup, SecurityGroupId, Seed, SeedId, SegmentId, Service, ServiceId, ServiceUsage,
    ServiceUsageId, Sidecar, SidecarId, Space, SpaceId, SpaceQuota, SpaceQuotaId, Stack, StackId,
    Task, TaskId, TokenId, User, UserId,
};

macro_rules! records {
    ($($table:ident: $name:ident($id:ident) = $tag:literal),* $(,)?) => {
        /// The kinds of record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $(
                #[doc = concat!("`", $tag, "`")]
                #[serde(rename = $tag)]
                $name,
            )*
        }

        impl Kind {
            /// The kind with this name on disk.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($tag => Some(Self::$name),)* _ => None }
            }

            /// The kind's name on disk.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $tag,)* }
            }

            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        /// A whole record.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $(
                #[doc = concat!("`", $tag, "`")]
                $name(Arc<$name>),
            )*
        }

        /// What a record is found by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "id")]
        pub enum Key {
            $(
                #[doc = concat!("`", $tag, "`")]
                #[serde(rename = $tag)]
                $name($id),
            )*
        }

        impl Record {
            /// The record's key.
            #[must_use]
            pub fn key(&self) -> Key {
                match self { $(Self::$name(value) => Key::$name(value.id),)* }
            }

            /// Serializes what is in the record, without its kind.
            pub(super) fn serialize_value<S: Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match self { $(Self::$name(value) => value.serialize(serializer),)* }
            }

            /// The record of `kind` that `json` holds.
            pub(super) fn from_json(kind: Kind, json: &[u8]) -> serde_json::Result<Self> {
                match kind { $(Kind::$name => serde_json::from_slice(json).map(Self::$name),)* }
            }

            /// The record of `kind` that `value` holds.
            pub(super) fn from_value(
                kind: Kind,
                value: serde_json::Value,
            ) -> serde_json::Result<Self> {
                match kind { $(Kind::$name => serde_json::from_value(value).map(Self::$name),)* }
            }
        }

        impl Key {
            /// The kind of record that it finds.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }

            /// The bits of the identifier.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                match self { $(Self::$name(id) => id.uuid(),)* }
            }

            /// The key of a record of `kind`.
            pub(super) const fn of(kind: Kind, uuid: Uuid) -> Self {
                match kind { $(Kind::$name => Self::$name($id::from_uuid(uuid)),)* }
            }
        }

        $(
            impl From<$name> for Record {
                fn from(value: $name) -> Self {
                    Self::$name(Arc::new(value))
                }
            }

            impl From<$id> for Key {
                fn from(id: $id) -> Self {
                    Self::$name(id)
                }
            }
        )*

        impl State {
            /// The record with this key.
            #[must_use]
            pub fn record(&self, key: Key) -> Option<Record> {
                match key {
                    $(Key::$name(id) => self.$table.get(&id).cloned().map(Record::$name),)*
                }
            }

            /// Every record, kind by kind.
            pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
                std::iter::empty()
                    $(.chain(self.$table.values().cloned().map(Record::$name)))*
            }

            /// How many records there are.
            #[must_use]
            pub fn len(&self) -> usize {
                0 $(+ self.$table.len())*
            }

            /// Whether there is none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Applies one change, indexes included.
            pub(super) fn apply(&mut self, change: &Change) {
                let key = change.key();
                if let Some(old) = self.record(key) {
                    self.indexes.update(&old, Indexes::remove);
                }
                match change {
                    Change::Put(record) => {
                        self.indexes.update(record, Indexes::insert);
                        match record {
                            $(Record::$name(value) => {
                                self.$table.insert(value.id, Arc::clone(value));
                            })*
                        }
                    }
                    Change::Delete(key) => match key {
                        $(Key::$name(id) => { self.$table.remove(id); })*
                    },
                }
            }
        }
    };
}

// The order is the order of dependence: a record refers to records of earlier kinds.
records! {
    org_quotas: OrgQuota(OrgQuotaId) = "organization_quota",
    orgs: Org(OrgId) = "org",
    space_quotas: SpaceQuota(SpaceQuotaId) = "space_quota",
    spaces: Space(SpaceId) = "space",
    users: User(UserId) = "user",
    roles: Role(RoleId) = "role",
    tokens: RefreshToken(TokenId) = "refresh_token",
    domains: Domain(DomainId) = "domain",
    apps: App(AppId) = "app",
    processes: Process(ProcessId) = "process",
    packages: Package(PackageId) = "package",
    builds: Build(BuildId) = "build",
    droplets: Droplet(DropletId) = "droplet",
    routes: Route(RouteId) = "route",
    security_groups: SecurityGroup(SecurityGroupId) = "security_group",
    peer_policies: PeerPolicy(PeerPolicyId) = "network_policy",
    brokers: Broker(BrokerId) = "service_broker",
    offerings: Offering(OfferingId) = "service_offering",
    plans: Plan(PlanId) = "service_plan",
    services: Service(ServiceId) = "service_instance",
    bindings: Binding(BindingId) = "service_binding",
    route_bindings: RouteBinding(RouteBindingId) = "service_route_binding",
    orphans: Orphan(OrphanId) = "service_orphan",
    service_usage: ServiceUsage(ServiceUsageId) = "service_usage_event",
    flags: FeatureFlag(FlagId) = "feature_flag",
    env_groups: EnvGroup(EnvGroupId) = "environment_variable_group",
    segments: IsolationSegment(SegmentId) = "isolation_segment",
    groups: Group(GroupId) = "group",
    clients: Client(ClientId) = "client",
    seeds: Seed(SeedId) = "seed",
    sidecars: Sidecar(SidecarId) = "sidecar",
    tasks: Task(TaskId) = "task",
    revisions: Revision(RevisionId) = "revision",
    deployments: Deployment(DeploymentId) = "deployment",
    buildpacks: Buildpack(BuildpackId) = "buildpack",
    stacks: Stack(StackId) = "stack",
    app_usage: AppUsage(AppUsageId) = "app_usage_event",
    events: Event(EventId) = "event",
    jobs: Job(JobId) = "job",
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Adds the record or takes its predecessor's place.
    Put(Record),
    /// Removes the record, if there is one.
    Delete(Key),
}

impl Change {
    /// The key of the record that changes.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Put(record) => record.key(),
            Self::Delete(key) => *key,
        }
    }
}

//! Desired state in memory.

use std::sync::Arc;

use imbl::OrdMap;

use super::Indexes;
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

/// Records of one kind by their key. Clones share what did not change.
pub type Table<K, V> = OrdMap<K, Arc<V>>;

/// An immutable snapshot of desired state.
///
/// Cloning is cheap whatever the size, which is what lets readers keep one as long as
/// they like while commits go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Grows by one with each commit.
    pub revision: u64,
    /// Quotas of organizations.
    pub org_quotas: Table<OrgQuotaId, OrgQuota>,
    /// Organizations.
    pub orgs: Table<OrgId, Org>,
    /// Quotas of spaces.
    pub space_quotas: Table<SpaceQuotaId, SpaceQuota>,
    /// Spaces.
    pub spaces: Table<SpaceId, Space>,
    /// Users.
    pub users: Table<UserId, User>,
    /// Roles.
    pub roles: Table<RoleId, Role>,
    /// Refresh tokens.
    pub tokens: Table<TokenId, RefreshToken>,
    /// Domains.
    pub domains: Table<DomainId, Domain>,
    /// Apps.
    pub apps: Table<AppId, App>,
    /// Processes.
    pub processes: Table<ProcessId, Process>,
    /// Packages.
    pub packages: Table<PackageId, Package>,
    /// Builds.
    pub builds: Table<BuildId, Build>,
    /// Droplets.
    pub droplets: Table<DropletId, Droplet>,
    /// Routes.
    pub routes: Table<RouteId, Route>,
    /// Security groups.
    pub security_groups: Table<SecurityGroupId, SecurityGroup>,
    /// Network policies between apps.
    pub peer_policies: Table<PeerPolicyId, PeerPolicy>,
    /// Service brokers.
    pub brokers: Table<BrokerId, Broker>,
    /// What brokers offer.
    pub offerings: Table<OfferingId, Offering>,
    /// The plans of what they offer.
    pub plans: Table<PlanId, Plan>,
    /// Service instances.
    pub services: Table<ServiceId, Service>,
    /// Bindings of service instances to apps, and keys of them.
    pub bindings: Table<BindingId, Binding>,
    /// Bindings of service instances to routes.
    pub route_bindings: Table<RouteBindingId, RouteBinding>,
    /// What may be left at brokers.
    pub orphans: Table<OrphanId, Orphan>,
    /// What was used of services.
    pub service_usage: Table<ServiceUsageId, ServiceUsage>,
    /// Feature flags that somebody has set.
    pub flags: Table<FlagId, FeatureFlag>,
    /// Environment variables of everything.
    pub env_groups: Table<EnvGroupId, EnvGroup>,
    /// Isolation segments.
    pub segments: Table<SegmentId, IsolationSegment>,
    /// Groups of users.
    pub groups: Table<GroupId, Group>,
    /// Programs that log in.
    pub clients: Table<ClientId, Client>,
    /// What the platform made once.
    pub seeds: Table<SeedId, Seed>,
    /// Sidecars.
    pub sidecars: Table<SidecarId, Sidecar>,
    /// Tasks.
    pub tasks: Table<TaskId, Task>,
    /// Revisions.
    pub revisions: Table<RevisionId, Revision>,
    /// Deployments.
    pub deployments: Table<DeploymentId, Deployment>,
    /// Classic buildpacks.
    pub buildpacks: Table<BuildpackId, Buildpack>,
    /// Stacks that somebody made or changed.
    pub stacks: Table<StackId, Stack>,
    /// Usage events.
    pub app_usage: Table<AppUsageId, AppUsage>,
    /// Audit events.
    pub events: Table<EventId, Event>,
    /// Jobs.
    pub jobs: Table<JobId, Job>,
    /// Ways to find them.
    pub indexes: Indexes,
}

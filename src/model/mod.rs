//! What things are: the domain in pure types. No clock, file, socket, lock or random number
//! but the making of fresh identifiers.

mod app;
mod app_usage;
mod broker;
mod build;
mod buildpack;
mod client;
mod deployment;
mod domain;
mod droplet;
mod env_group;
mod event;
mod flag;
mod git_source;
mod grants;
mod group;
mod health;
mod id;
mod image;
mod instance;
mod isolation_segment;
mod job;
mod metadata;
mod name;
mod network;
mod org;
mod package;
mod peer_policy;
mod process;
mod quota;
mod revision;
mod role;
mod route;
mod security_group;
mod seed;
mod service;
mod sidecar;
mod site;
mod size;
mod space;
mod stack;
mod task;
mod timestamp;
mod user;

pub use app::{
    App, AppState, BindingForm, FILE_BASED_VCAP_SERVICES, Lifecycle, LifecycleKind,
    SERVICE_BINDING_K8S,
};
pub use app_usage::{AppUsage, Named, Step};
pub use broker::{
    Broker, BrokerChange, BrokerLogin, BrokerState, BrokerSync, Change, Errand, MaintenanceInfo,
    Offering, OfferingTerms, Orphan, Plan, PlanTerms, Schemas, ServiceUsage, Stage, UsageState,
};
pub use build::{Build, BuildState, Failure};
pub use buildpack::{Buildpack, free_places};
pub use client::Client;
pub use deployment::{Deployment, DeploymentOptions, DeploymentState, Strategy};
pub use domain::Domain;
pub use droplet::{APP_PORT, Droplet, DropletBuildpack, DropletKind, DropletState};
pub use env_group::EnvGroup;
pub use event::{Actor, Event, EventTarget};
pub use flag::{FeatureFlag, Flag};
pub use git_source::GitSource;
pub use grants::{named_by, named_in};
pub use group::{
    ADMIN, ADMIN_READ_ONLY, GLOBAL_AUDITOR, Group, NETWORK_ADMIN, ROUTER_GROUPS, WATCHERS,
};
pub use health::{HealthCheck, HealthKind, ReadinessCheck};
pub use id::{
    AppId, AppUsageId, BindingId, BrokerId, BuildId, BuildpackId, ClientId, DeploymentId,
    DestinationId, DomainId, DropletId, EnvGroupId, EventId, FlagId, GroupId, InstanceId,
    InvalidId, JobId, OfferingId, OrgId, OrgQuotaId, OrphanId, PackageId, PeerPolicyId, PlanId,
    ProcessId, RevisionId, RoleId, RouteBindingId, RouteId, SecurityGroupId, SeedId, SegmentId,
    ServiceId, ServiceUsageId, SidecarId, SpaceId, SpaceQuotaId, StackId, TaskId, TokenId, UserId,
};
pub use image::{Image, ImageSource, InvalidLayer, Launch, LayerId, RegistryLogin};
pub use instance::{Exit, InstanceRestart, InstanceState, InstanceView, Observed, Usage};
pub use isolation_segment::IsolationSegment;
pub use job::{Doomed, Job, JobError, JobState, Work};
pub use metadata::Metadata;
pub use name::{
    AppName, DomainName, InvalidName, OrgName, ProcessType, QuotaName, RouteHost, RoutePath,
    SecurityGroupName, SegmentName, ServiceName, SpaceName, Username,
};
pub use network::{
    EgressProtocol, EgressRule, Grant, NetworkPolicy, Peer, PeerInstance, PortRange,
};
pub use org::Org;
pub use package::{Package, PackageState};
pub use peer_policy::{PeerPolicy, PeerProtocol};
pub use process::{Pin, Process};
pub use quota::{
    AppLimits, Breach, DomainLimits, Level, Limits, LogRate, OrgQuota, Over, RouteLimits,
    ServiceLimits, SpaceQuota, Usage as QuotaUsage,
};
pub use revision::{Blueprint, Revision};
pub use role::{Role, RoleKind, RoleScope};
pub use route::{AppProtocol, Destination, Route};
pub use security_group::{
    BadDestination, Reach, RuleProtocol, SecurityGroup, SecurityRule, Workload, address_range,
    port_ranges,
};
pub use seed::Seed;
pub use service::{
    Binding, Credentials, Operation, OperationKind, OperationState, RouteBinding, Service,
    ServiceKind, Told,
};
pub use sidecar::{Sidecar, SidecarPlan};
pub use site::{HeaderRule, Login, Pattern, PatternError, Redirect, Site, StatusPage};
pub use size::{InvalidSize, Megabytes, parse_bytes};
pub use space::Space;
pub use stack::{Stack, StackState};
pub use task::{Task, TaskState};
pub use timestamp::Timestamp;
pub use user::{KnownTo, Profile, RefreshToken, User};

//! Identifiers as ends of ranges over indexes.

use crate::model::{
    AppId, BindingId, BrokerId, BuildId, DeploymentId, DomainId, DropletId, EventId, JobId,
    OfferingId, OrgId, PackageId, PeerPolicyId, PlanId, ProcessId, RevisionId, RoleId,
    RouteBindingId, RouteId, ServiceId, ServiceUsageId, SidecarId, SpaceId, TaskId, TokenId,
    UserId,
};

macro_rules! uuid_from {
    ($($id:ident),*) => {$(
        impl From<uuid::Uuid> for $id {
            fn from(uuid: uuid::Uuid) -> Self {
                Self::from_uuid(uuid)
            }
        }
    )*};
}
uuid_from!(
    AppId,
    BindingId,
    BrokerId,
    BuildId,
    DeploymentId,
    DomainId,
    DropletId,
    EventId,
    JobId,
    OfferingId,
    OrgId,
    PackageId,
    PeerPolicyId,
    PlanId,
    ProcessId,
    RevisionId,
    RoleId,
    RouteBindingId,
    RouteId,
    ServiceId,
    ServiceUsageId,
    SidecarId,
    SpaceId,
    TaskId,
    TokenId,
    UserId
);

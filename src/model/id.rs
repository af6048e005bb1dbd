//! Identifiers: one type per kind of object, so that none can stand in for another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What makes a text not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a guid")]
pub struct InvalidId(pub String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh random identifier.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// The identifier with these bits.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bits of the identifier.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }
    )*};
}

ids! {
    /// An organization.
    OrgId,
    /// A space.
    SpaceId,
    /// The quota of organizations.
    OrgQuotaId,
    /// The quota of spaces.
    SpaceQuotaId,
    /// An app.
    AppId,
    /// A process of an app. The first web process of an app carries the app's own bits,
    /// as in Cloud Foundry.
    ProcessId,
    /// An uploaded source archive.
    PackageId,
    /// One staging of a package.
    BuildId,
    /// A staged, runnable artefact.
    DropletId,
    /// A domain name under which routes are made.
    DomainId,
    /// A route.
    RouteId,
    /// The mapping of a route to a process of an app.
    DestinationId,
    /// A user; the same value in the control API and in the token's `user_id`.
    UserId,
    /// A role of a user in an organization or space.
    RoleId,
    /// An audit event.
    EventId,
    /// An asynchronous job.
    JobId,
    /// A running instance; a new one for every start.
    InstanceId,
    /// A refresh token.
    TokenId,
    /// A security group.
    SecurityGroupId,
    /// A network policy between two apps.
    PeerPolicyId,
    /// A service instance.
    ServiceId,
    /// The binding of a service instance to an app, or a key of it.
    BindingId,
    /// A service broker.
    BrokerId,
    /// What a broker offers.
    OfferingId,
    /// A variant of what a broker offers.
    PlanId,
    /// The binding of a service instance to a route.
    RouteBindingId,
    /// What may be left at a broker; the bits of the instance's or binding's own identifier.
    OrphanId,
    /// A record of what was used of services.
    ServiceUsageId,
    /// A feature flag.
    FlagId,
    /// The environment variables of everything that runs, or of every build.
    EnvGroupId,
    /// An isolation segment.
    SegmentId,
    /// A group of users.
    GroupId,
    /// A client of UAA's part.
    ClientId,
    /// Something that the platform makes once.
    SeedId,
    /// A task of an app.
    TaskId,
    /// What an app was started with at some time.
    RevisionId,
    /// A deployment of an app.
    DeploymentId,
    /// A sidecar of an app.
    SidecarId,
    /// A classic buildpack.
    BuildpackId,
    /// A stack.
    StackId,
    /// A usage event.
    AppUsageId,
}

impl From<AppId> for ProcessId {
    fn from(app: AppId) -> Self {
        Self(app.0)
    }
}

//! Feature flags: switches of the whole platform.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{FlagId, Timestamp};

/// A flag that an admin has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureFlag {
    /// Which; the same on every platform.
    pub id: FlagId,
    /// Its name.
    pub name: String,
    /// Whether it is on.
    pub enabled: bool,
    /// What is said to whom it stops, instead of its name.
    #[serde(default)]
    pub custom_error_message: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $flag:ident = $number:literal $name:literal $usual:literal;)*) => {
        /// The flags that there are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flag {$($(#[$doc])* $flag,)*}

        impl Flag {
            /// Every flag, by name.
            pub const ALL: &[Self] = &[$(Self::$flag),*];

            /// The name in the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$flag => $name,)* }
            }

            /// Whether it is on where nobody has set it.
            #[must_use]
            pub const fn usual(self) -> bool {
                match self { $(Self::$flag => $usual,)* }
            }

            /// What its record is found by.
            #[must_use]
            pub const fn id(self) -> FlagId {
                match self { $(Self::$flag => FlagId::from_uuid(Uuid::from_u128($number)),)* }
            }
        }
    };
}

// The numbers are in stored keys: a new flag gets a new one.
flags! {
    /// People may upload packages.
    AppBitsUpload = 1 "app_bits_upload" true;
    /// People may scale apps.
    AppScaling = 2 "app_scaling" true;
    /// Cloud Native Buildpacks, which there are none of here.
    DiegoCnb = 3 "diego_cnb" false;
    /// Apps may be made of images.
    DiegoDocker = 4 "diego_docker" false;
    /// Environment variables may be looked at.
    EnvVarVisibility = 5 "env_var_visibility" true;
    /// Routes may choose instances by a hash of a header.
    HashBasedRouting = 6 "hash_based_routing" false;
    /// Who is not logged in sees no services.
    HideMarketplace = 7 "hide_marketplace_from_unauthenticated_users" false;
    /// Managers may make private domains.
    PrivateDomainCreation = 8 "private_domain_creation" true;
    /// Clients may ask which files are kept already.
    ResourceMatching = 9 "resource_matching" true;
    /// People may make routes.
    RouteCreation = 10 "route_creation" true;
    /// Routes may be shared with other spaces.
    RouteSharing = 11 "route_sharing" false;
    /// People may make service instances.
    ServiceInstanceCreation = 12 "service_instance_creation" true;
    /// Service instances may be shared with other spaces.
    ServiceInstanceSharing = 13 "service_instance_sharing" false;
    /// Managers may give roles to users by name.
    SetRolesByUsername = 14 "set_roles_by_username" true;
    /// Developers may look at environment variables.
    SpaceDeveloperEnvVarVisibility = 15 "space_developer_env_var_visibility" true;
    /// Developers may register brokers for their space.
    SpaceScopedPrivateBrokerCreation = 16 "space_scoped_private_broker_creation" true;
    /// People may run tasks.
    TaskCreation = 17 "task_creation" true;
    /// Managers may take roles from users by name.
    UnsetRolesByUsername = 18 "unset_roles_by_username" true;
    /// Everybody may make organizations.
    UserOrgCreation = 19 "user_org_creation" false;
}

impl Flag {
    /// The flag with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.name() == name)
    }
}

//! Service instances and their bindings to apps.

use std::{collections::BTreeSet, fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    AppId, BindingId, Errand, MaintenanceInfo, Metadata, PlanId, RouteBindingId, RouteId,
    ServiceId, ServiceName, SpaceId, Timestamp,
};

/// A service instance: something that apps are bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Identity.
    pub id: ServiceId,
    /// The space it lives in.
    pub space: SpaceId,
    /// Unique in its space, whatever the case.
    pub name: ServiceName,
    /// What it is.
    pub kind: ServiceKind,
    /// Whether its credentials and the address of its drain are an admin's word, so that bindings
    /// open the addresses that they name; else whoever may make a service could open the host to
    /// their apps.
    #[serde(default)]
    pub vouched: bool,
    /// By what apps recognise it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The spaces that it is shared with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shared_with: BTreeSet<SpaceId>,
    /// What was last done with it.
    pub last_operation: Operation,
    /// What a broker is doing with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The kinds of service instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServiceKind {
    /// One that somebody runs elsewhere and told us about.
    UserProvided {
        /// What bound apps are told.
        credentials: Credentials,
        /// Where bound apps' logs go.
        #[serde(default)]
        syslog_drain_url: Option<String>,
        /// Where requests for bound routes go first.
        #[serde(default)]
        route_service_url: Option<String>,
        /// Whether that is an admin's word, so that it may be on a private network.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        route_service_vouched: bool,
    },
    /// One that a broker made.
    Managed {
        /// The plan.
        plan: PlanId,
        /// Where people manage it.
        #[serde(default)]
        dashboard_url: Option<String>,
        /// The version of what it is made of.
        #[serde(default)]
        maintenance_info: Option<MaintenanceInfo>,
        /// What else the broker says of it: labels and attributes.
        #[serde(default)]
        broker_metadata: Map<String, Value>,
    },
}

/// What a broker told of a binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What bound apps are told.
    #[serde(default)]
    pub credentials: Credentials,
    /// Where bound apps' logs go.
    #[serde(default)]
    pub syslog_drain_url: Option<String>,
}

/// Secrets, which no log and no `Debug` output shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub Map<String, Value>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// What was last done with a service instance or binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What.
    pub kind: OperationKind,
    /// How far it came.
    pub state: OperationState,
    /// In words.
    pub description: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub updated_at: Timestamp,
}

impl Operation {
    /// An operation that was done at once.
    #[must_use]
    pub fn done(kind: OperationKind, now: Timestamp) -> Self {
        Self {
            kind,
            state: OperationState::Succeeded,
            description: "Operation succeeded".to_owned(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// What is done with service instances and bindings, spelled as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// How far an operation came, spelled as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationState {
    /// Not begun.
    #[serde(rename = "initial")]
    Initial,
    /// Under way.
    #[serde(rename = "in progress")]
    InProgress,
    /// Done.
    #[serde(rename = "succeeded")]
    Succeeded,
    /// Given up.
    #[serde(rename = "failed")]
    Failed,
}

/// The binding of a service instance to an app, or a key of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Identity.
    pub id: BindingId,
    /// To what.
    pub service: ServiceId,
    /// Which app; none for a key.
    #[serde(default)]
    pub app: Option<AppId>,
    /// What the app shall know it by, instead of the instance's name; the name of a key.
    #[serde(default)]
    pub name: Option<String>,
    /// What the broker of a managed instance told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// What was last done with it.
    pub last_operation: Operation,
    /// What a broker is doing with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The binding of a service instance to a route: requests go through the service first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteBinding {
    /// Identity.
    pub id: RouteBindingId,
    /// To what.
    pub service: ServiceId,
    /// Which route.
    pub route: RouteId,
    /// Where requests go first.
    #[serde(default)]
    pub route_service_url: Option<String>,
    /// What was last done with it.
    pub last_operation: Operation,
    /// What a broker is doing with it.
    #[serde(default)]
    pub errand: Option<Errand>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Operation {
    /// One that has not begun.
    #[must_use]
    pub const fn begun(kind: OperationKind, now: Timestamp) -> Self {
        Self {
            kind,
            state: OperationState::Initial,
            description: String::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// The same, further or done.
    #[must_use]
    pub fn to(
        &self,
        state: OperationState,
        description: impl Into<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            kind: self.kind,
            state,
            description: description.into(),
            created_at: self.created_at,
            updated_at: now,
        }
    }

    /// Whether it is `kind` and came to `state`.
    #[must_use]
    pub fn is(&self, kind: OperationKind, state: OperationState) -> bool {
        self.kind == kind && self.state == state
    }

    /// Whether it is still to come to an end.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(
            self.state,
            OperationState::Initial | OperationState::InProgress
        )
    }
}

impl Service {
    /// The plan of a managed one.
    #[must_use]
    pub const fn plan(&self) -> Option<PlanId> {
        match self.kind {
            ServiceKind::UserProvided { .. } => None,
            ServiceKind::Managed { plan, .. } => Some(plan),
        }
    }

    /// Whether a broker made it.
    #[must_use]
    pub const fn is_managed(&self) -> bool {
        self.plan().is_some()
    }

    /// What an app that is bound to it is told, where the instance itself knows.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        match &self.kind {
            ServiceKind::UserProvided { credentials, .. } => Some(credentials),
            ServiceKind::Managed { .. } => None,
        }
    }

    /// Where bound apps' logs go, where the instance itself knows.
    #[must_use]
    pub fn syslog_drain_url(&self) -> Option<&str> {
        match &self.kind {
            ServiceKind::UserProvided {
                syslog_drain_url, ..
            } => syslog_drain_url.as_deref(),
            ServiceKind::Managed { .. } => None,
        }
    }

    /// Where requests for bound routes go first, where the instance itself knows.
    #[must_use]
    pub fn route_service_url(&self) -> Option<&str> {
        match &self.kind {
            ServiceKind::UserProvided {
                route_service_url, ..
            } => route_service_url.as_deref(),
            ServiceKind::Managed { .. } => None,
        }
    }
}

/// What there is for a binding that nobody told anything.
static NOTHING: LazyLock<Credentials> = LazyLock::new(Credentials::default);

impl Binding {
    /// What the bound app, or the holder of the key, is told.
    #[must_use]
    pub fn credentials<'a>(&'a self, service: &'a Service) -> &'a Credentials {
        let told = self.told.as_ref().map(|told| &told.credentials);
        told.or_else(|| service.credentials()).unwrap_or(&NOTHING)
    }

    /// Where the bound app's logs go.
    #[must_use]
    pub fn syslog_drain_url<'a>(&'a self, service: &'a Service) -> Option<&'a str> {
        let told = self.told.as_ref();
        let told = told.and_then(|told| told.syslog_drain_url.as_deref());
        told.or_else(|| service.syslog_drain_url())
    }

    /// Whether there is something for the app in it: it was made, and nobody is to take it away.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self.last_operation.kind {
            OperationKind::Create => self.last_operation.state == OperationState::Succeeded,
            OperationKind::Update | OperationKind::Delete => true,
        }
    }
}

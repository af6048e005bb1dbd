//! Routes and their destinations.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    AppId, DestinationId, DomainId, DomainName, Metadata, ProcessType, RouteHost, RouteId,
    RoutePath, SpaceId, Timestamp,
};

/// A URL on the platform: host, domain and path, and where its requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Identity.
    pub id: RouteId,
    /// The space that owns it.
    pub space: SpaceId,
    /// The spaces that it is shared with, to whose apps it may lead too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shared_with: BTreeSet<SpaceId>,
    /// The domain it is under.
    pub domain: DomainId,
    /// The part before the domain; empty for the domain itself, `*` for any.
    pub host: RouteHost,
    /// The path prefix; empty for all paths.
    pub path: RoutePath,
    /// The port of a TCP route, which has neither host nor path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where its requests go.
    pub destinations: Vec<Destination>,
    /// Options by Cloud Foundry's names, such as `loadbalancing`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Route {
    /// The full host name, without a port: `app.example.kr`.
    #[must_use]
    pub fn fqdn(&self, domain: &DomainName) -> String {
        if self.host.is_empty() {
            domain.to_string()
        } else {
            format!("{}.{domain}", self.host)
        }
    }

    /// Whether it may lead to apps of `space`.
    #[must_use]
    pub fn available_in(&self, space: SpaceId) -> bool {
        self.space == space || self.shared_with.contains(&space)
    }

    /// The route as the API's `url` shows it: host name and path or port, no scheme.
    #[must_use]
    pub fn url(&self, domain: &DomainName) -> String {
        let name = self.fqdn(domain);
        match self.port {
            Some(port) => format!("{name}:{port}"),
            None => format!("{name}{}", self.path),
        }
    }
}

/// How the gateway speaks to a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
    /// Whatever the client speaks: bytes of a TCP route.
    Tcp,
}

/// One app's process that serves a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Identity.
    pub id: DestinationId,
    /// The app.
    pub app: AppId,
    /// Which of its processes.
    pub process_type: ProcessType,
    /// The port that the app listens on; none for the default, 8080.
    pub port: Option<u16>,
    /// Share of requests among the route's destinations, 1 to 100; none for an equal share.
    pub weight: Option<u8>,
    /// How to speak to it.
    #[serde(default)]
    pub protocol: AppProtocol,
}

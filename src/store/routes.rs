//! The ways to find routes.

use super::{State, index::nil};
use crate::model::{AppId, DomainId, Route, RouteHost, RoutePath, SpaceId};

impl State {
    /// The route with exactly this host and path under `domain`.
    #[must_use]
    pub fn route_by_url(
        &self,
        domain: DomainId,
        host: &RouteHost,
        path: &RoutePath,
    ) -> Option<&Route> {
        let key = (domain, host.clone(), path.clone());
        self.routes
            .get(self.indexes.routes.get(&key)?)
            .map(AsRef::as_ref)
    }

    /// The TCP route of this port, under whichever domain.
    #[must_use]
    pub fn route_by_port(&self, port: u16) -> Option<&Route> {
        self.routes
            .get(self.indexes.routes_by_port.get(&port)?)
            .map(AsRef::as_ref)
    }

    /// The routes with this host under `domain`, by path.
    pub fn routes_of_host(
        &self,
        domain: DomainId,
        host: &RouteHost,
    ) -> impl Iterator<Item = &Route> + '_ {
        let host = host.clone();
        // The path that is none comes first.
        let first = RoutePath::parse("").ok();
        first
            .map(|path| self.indexes.routes.range((domain, host.clone(), path)..))
            .into_iter()
            .flatten()
            .take_while(move |((at, name, _), _)| *at == domain && *name == host)
            .filter_map(|(_, id)| self.routes.get(id).map(AsRef::as_ref))
    }

    /// The routes of `space`.
    pub fn routes_of_space(&self, space: SpaceId) -> impl Iterator<Item = &Route> + '_ {
        self.indexes
            .routes_by_space
            .range((space, nil())..)
            .take_while(move |(owner, _)| *owner == space)
            .filter_map(|(_, id)| self.routes.get(id).map(AsRef::as_ref))
    }

    /// The routes of other spaces that are shared with `space`.
    pub fn routes_shared_with(&self, space: SpaceId) -> impl Iterator<Item = &Route> + '_ {
        self.indexes
            .routes_shared
            .range((space, nil())..)
            .take_while(move |(with, _)| *with == space)
            .filter_map(|(_, id)| self.routes.get(id).map(AsRef::as_ref))
    }

    /// The routes with `app` among their destinations.
    pub fn routes_of_app(&self, app: AppId) -> impl Iterator<Item = &Route> + '_ {
        self.indexes
            .routes_by_app
            .range((app, nil())..)
            .take_while(move |(owner, _)| *owner == app)
            .filter_map(|(_, id)| self.routes.get(id).map(AsRef::as_ref))
    }
}

//! What brokers have to delete before something can go.

use crate::model::{
    Binding, BindingId, Doomed, RouteBindingId, RouteId, Service, ServiceId, SpaceId,
};

/// What brokers have to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Instances, with their bindings.
    pub services: Vec<ServiceId>,
    /// Bindings of instances that stay.
    pub bindings: Vec<BindingId>,
    /// Bindings of instances that stay to routes.
    pub route_bindings: Vec<RouteBindingId>,
}

impl Parts {
    /// Whether no broker has to delete anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.services.is_empty() && self.bindings.is_empty() && self.route_bindings.is_empty()
    }
}

impl super::State {
    /// What brokers have to delete before this can go.
    #[must_use]
    pub fn parts_of(&self, doomed: Doomed) -> Parts {
        let mut parts = Parts::default();
        match doomed {
            Doomed::App(app) => {
                let bound = self.bindings_of_app(app);
                let managed = bound.filter(|(_, service)| service.is_managed());
                parts.bindings = managed.map(|(binding, _)| binding.id).collect();
            }
            Doomed::Route(route) => self.add_route(route, &mut parts),
            Doomed::Domain(domain) => {
                let routes = self.routes.values().filter(|route| route.domain == domain);
                for route in routes {
                    self.add_route(route.id, &mut parts);
                }
            }
            Doomed::Share(service, space) => {
                let bound = self.bindings_of_service(service);
                let of_space = bound.filter(|binding| self.app_is_in(binding, space));
                parts.bindings = of_space.map(|binding| binding.id).collect();
            }
            Doomed::Space(space) => self.add_space(space, &mut parts),
            Doomed::Org(org) => {
                for space in self.spaces_of(org) {
                    self.add_space(space.id, &mut parts);
                }
            }
        }
        parts
    }

    fn add_route(&self, route: RouteId, parts: &mut Parts) {
        let bound = self.route_bindings_of(route);
        let managed = bound.filter(|binding| self.is_managed(binding.service));
        parts
            .route_bindings
            .extend(managed.map(|binding| binding.id));
    }

    fn add_space(&self, space: SpaceId, parts: &mut Parts) {
        let managed = self.services_of(space).filter(|found| found.is_managed());
        parts.services.extend(managed.map(|service| service.id));
        // Apps may be bound to what others share.
        let others = self
            .apps_of(space)
            .flat_map(|app| self.bindings_of_app(app.id))
            .filter(|(_, service): &(&Binding, &Service)| {
                service.is_managed() && service.space != space
            });
        parts.bindings.extend(others.map(|(binding, _)| binding.id));
    }

    fn is_managed(&self, service: ServiceId) -> bool {
        let service = self.services.get(&service);
        service.is_some_and(|service| service.is_managed())
    }

    fn app_is_in(&self, binding: &Binding, space: SpaceId) -> bool {
        let app = binding.app.and_then(|app| self.apps.get(&app));
        app.is_some_and(|app| app.space == space)
    }
}

//! The ways to find what decides about an app's reach: security groups, network policies,
//! service instances and their bindings.

use super::index::{lower, nil, range};
use crate::model::{AppId, Binding, PeerPolicy, SecurityGroup, Service, ServiceId, SpaceId};

impl super::State {
    /// The security group with this name, whatever the case.
    #[must_use]
    pub fn security_group_by_name(&self, name: &str) -> Option<&SecurityGroup> {
        self.security_groups
            .get(self.indexes.security_groups.get(&lower(name))?)
            .map(AsRef::as_ref)
    }

    /// The network policies with `app` at either end.
    pub fn policies_of(&self, app: AppId) -> impl Iterator<Item = &PeerPolicy> + '_ {
        self.indexes
            .policies_by_app
            .range((app, nil())..)
            .take_while(move |(owner, _)| *owner == app)
            .filter_map(|(_, id)| self.peer_policies.get(id).map(AsRef::as_ref))
    }

    /// The service instance of `space` with this name, whatever the case.
    #[must_use]
    pub fn service_by_name(&self, space: SpaceId, name: &str) -> Option<&Service> {
        self.services
            .get(self.indexes.services.get(&(space, lower(name)))?)
            .map(AsRef::as_ref)
    }

    /// The service instances of `space`, by name.
    pub fn services_of(&self, space: SpaceId) -> impl Iterator<Item = &Service> + '_ {
        self.indexes
            .services
            .range((space, String::new())..)
            .take_while(move |((owner, _), _)| *owner == space)
            .filter_map(|(_, id)| self.services.get(id).map(AsRef::as_ref))
    }

    /// The bindings of `app` with what it is bound to, oldest first.
    pub fn bindings_of_app(&self, app: AppId) -> impl Iterator<Item = (&Binding, &Service)> + '_ {
        range(&self.indexes.bindings_by_app, app).filter_map(|id| {
            let binding = self.bindings.get(&id)?;
            let service = self.services.get(&binding.service)?;
            Some((binding.as_ref(), service.as_ref()))
        })
    }

    /// The bindings of a service instance.
    pub fn bindings_of_service(&self, service: ServiceId) -> impl Iterator<Item = &Binding> + '_ {
        self.indexes
            .bindings_by_service
            .range((service, nil())..)
            .take_while(move |(owner, _)| *owner == service)
            .filter_map(|(_, id)| self.bindings.get(id).map(AsRef::as_ref))
    }
}

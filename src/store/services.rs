//! The ways to find what belongs to services: brokers, what they offer, what was made of it, and
//! what is under way.

use super::{
    Key, Record,
    index::{Entry, Indexes, lower, nil},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    model::{
        Actor, AppId, Binding, Broker, BrokerId, Errand, Job, JobError, JobId, Offering,
        OfferingId, Operation, OperationKind, OperationState, Orphan, OrphanId, Plan, PlanId,
        RouteBinding, RouteId, Service, ServiceId, ServiceKind, ServiceUsage, SpaceId, Timestamp,
    },
    wire::binding::{Bound, vcap_services},
};

/// Records of what was used of services that are kept; some 10 MB.
const USAGE: usize = 20_000;

impl Indexes {
    /// Puts the entries of a record that belongs to services in or takes them out.
    pub(super) fn each_of_services<E: Entry>(&mut self, record: &Record) {
        let open = match record {
            Record::Broker(broker) => {
                E::map(&mut self.brokers, broker.name.clone(), broker.id);
                broker.sync.is_some()
            }
            Record::Offering(offering) => {
                let by_broker = (offering.broker, offering.id);
                E::set(&mut self.offerings_by_broker, by_broker);
                false
            }
            Record::Plan(plan) => {
                E::set(&mut self.plans_by_offering, (plan.offering, plan.id));
                false
            }
            Record::Service(service) => {
                let name = (service.space, lower(&service.name));
                E::map(&mut self.services, name, service.id);
                if let Some(plan) = service.plan() {
                    E::set(&mut self.services_by_plan, (plan, service.id));
                }
                for space in &service.shared_with {
                    E::set(&mut self.services_shared, (*space, service.id));
                }
                service.errand.is_some()
            }
            Record::Binding(binding) => {
                if let Some(app) = binding.app {
                    let by_app = (app, binding.created_at, binding.id);
                    E::set(&mut self.bindings_by_app, by_app);
                }
                E::set(&mut self.bindings_by_service, (binding.service, binding.id));
                binding.errand.is_some()
            }
            Record::RouteBinding(binding) => {
                let by_service = (binding.service, binding.id);
                E::set(&mut self.route_bindings_by_service, by_service);
                E::set(
                    &mut self.route_bindings_by_route,
                    (binding.route, binding.id),
                );
                binding.errand.is_some()
            }
            Record::Orphan(_) => true,
            Record::ServiceUsage(usage) => {
                E::set(&mut self.service_usage, (usage.created_at, usage.id));
                false
            }
            _ => false,
        };
        if open {
            E::set(&mut self.errands, record.key());
        }
    }
}

impl super::State {
    /// The broker with exactly this name.
    #[must_use]
    pub fn broker_by_name(&self, name: &str) -> Option<&Broker> {
        self.brokers
            .get(self.indexes.brokers.get(name)?)
            .map(AsRef::as_ref)
    }

    /// What a broker offers.
    pub fn offerings_of(&self, broker: BrokerId) -> impl Iterator<Item = &Offering> + '_ {
        self.indexes
            .offerings_by_broker
            .range((broker, nil())..)
            .take_while(move |(owner, _)| *owner == broker)
            .filter_map(|(_, id)| self.offerings.get(id).map(AsRef::as_ref))
    }

    /// The plans of an offering.
    pub fn plans_of(&self, offering: OfferingId) -> impl Iterator<Item = &Plan> + '_ {
        self.indexes
            .plans_by_offering
            .range((offering, nil())..)
            .take_while(move |(owner, _)| *owner == offering)
            .filter_map(|(_, id)| self.plans.get(id).map(AsRef::as_ref))
    }

    /// The instances of a plan.
    pub fn services_of_plan(&self, plan: PlanId) -> impl Iterator<Item = &Service> + '_ {
        self.indexes
            .services_by_plan
            .range((plan, nil())..)
            .take_while(move |(owner, _)| *owner == plan)
            .filter_map(|(_, id)| self.services.get(id).map(AsRef::as_ref))
    }

    /// The instances of everything that a broker offers.
    pub fn services_of_broker(&self, broker: BrokerId) -> impl Iterator<Item = &Service> + '_ {
        self.offerings_of(broker)
            .flat_map(|offering| self.plans_of(offering.id))
            .flat_map(|plan| self.services_of_plan(plan.id))
    }

    /// The instances of other spaces that are shared with `space`.
    pub fn services_shared_with(&self, space: SpaceId) -> impl Iterator<Item = &Service> + '_ {
        self.indexes
            .services_shared
            .range((space, nil())..)
            .take_while(move |(with, _)| *with == space)
            .filter_map(|(_, id)| self.services.get(id).map(AsRef::as_ref))
    }

    /// The plan of an instance with what offers it and whose that is; none of a user-provided one.
    #[must_use]
    pub fn origin_of(&self, service: &Service) -> Option<(&Plan, &Offering, &Broker)> {
        self.origin_of_plan(service.plan()?)
    }

    /// A plan with what offers it and whose that is.
    #[must_use]
    pub fn origin_of_plan(&self, plan: PlanId) -> Option<(&Plan, &Offering, &Broker)> {
        let plan = self.plans.get(&plan)?;
        let offering = self.offerings.get(&plan.offering)?;
        let broker = self.brokers.get(&offering.broker)?;
        Some((plan, offering, broker))
    }

    /// `VCAP_SERVICES` of an app.
    #[must_use]
    pub fn vcap_services(&self, app: AppId) -> Value {
        vcap_services(self.bindings_of_app(app).map(|(binding, service)| {
            Bound {
                binding,
                service,
                origin: self
                    .origin_of(service)
                    .map(|(plan, offering, _)| (plan, offering)),
            }
        }))
    }

    /// The bindings of an instance to routes.
    pub fn route_bindings_of_service(
        &self,
        service: ServiceId,
    ) -> impl Iterator<Item = &RouteBinding> + '_ {
        self.indexes
            .route_bindings_by_service
            .range((service, nil())..)
            .take_while(move |(owner, _)| *owner == service)
            .filter_map(|(_, id)| self.route_bindings.get(id).map(AsRef::as_ref))
    }

    /// The bindings of a route; there is at most one that was made.
    pub fn route_bindings_of(&self, route: RouteId) -> impl Iterator<Item = &RouteBinding> + '_ {
        self.indexes
            .route_bindings_by_route
            .range((route, nil())..)
            .take_while(move |(owner, _)| *owner == route)
            .filter_map(|(_, id)| self.route_bindings.get(id).map(AsRef::as_ref))
    }

    /// The keys of an instance.
    pub fn keys_of_service(&self, service: ServiceId) -> impl Iterator<Item = &Binding> + '_ {
        self.bindings_of_service(service)
            .filter(|binding| binding.app.is_none())
    }

    /// Whether what an instance's bindings are told is an admin's word, so that it opens the
    /// addresses that it names: an admin wrote it, or a broker that an admin registered for all.
    #[must_use]
    pub fn is_vouched(&self, service: &Service) -> bool {
        if service.is_managed() {
            let origin = self.origin_of(service);
            origin.is_some_and(|(.., broker)| broker.space.is_none())
        } else {
            service.vouched
        }
    }

    /// Whether the address of an instance's route service is an admin's word, as for
    /// [`State::is_vouched`].
    #[must_use]
    pub fn vouches_route_service(&self, service: &Service) -> bool {
        match service.kind {
            ServiceKind::UserProvided {
                route_service_vouched,
                ..
            } => route_service_vouched,
            ServiceKind::Managed { .. } => self.is_vouched(service),
        }
    }

    /// What there is to do at brokers.
    pub fn errands(&self) -> impl Iterator<Item = Key> + '_ {
        self.indexes.errands.iter().copied()
    }

    /// What was used of services, oldest first.
    pub fn service_usage_by_time(&self) -> impl DoubleEndedIterator<Item = &ServiceUsage> + '_ {
        self.indexes
            .service_usage
            .iter()
            .filter_map(|(_, id)| self.service_usage.get(id).map(AsRef::as_ref))
    }
}

impl super::Tx {
    /// Has a broker delete an instance, or a binding of it, of which nobody knows whether it is
    /// there, from `next_at` on.
    pub fn leave_orphan(
        &mut self,
        instance: &Service,
        binding: Option<Uuid>,
        by: &Actor,
        next_at: Timestamp,
        now: Timestamp,
    ) {
        let Some((plan, offering, broker)) = self.origin_of(instance) else {
            return;
        };
        let orphan = Orphan {
            id: OrphanId::from_uuid(binding.unwrap_or_else(|| instance.id.uuid())),
            instance: instance.id,
            binding: binding.is_some(),
            broker: broker.id,
            service_id: offering.terms.id.clone(),
            plan_id: plan.terms.id.clone(),
            by: by.clone(),
            tries: 0,
            next_at,
            created_at: now,
        };
        self.put(orphan);
    }

    /// Has the outcome of a binding's errand told to a job.
    pub fn tell_binding_to(&mut self, mut binding: Binding, job: JobId) {
        if let Some(errand) = &mut binding.errand {
            errand.job = Some(job);
        }
        self.put(binding);
    }

    /// Ends a job that something else came in the way of.
    pub fn cancel_job(&mut self, job: JobId, what: &str, why: &str, now: Timestamp) {
        let Some(job) = self.jobs.get(&job).filter(|job| !job.state.is_final()) else {
            return;
        };
        let mut job = Job::clone(job);
        job.fail(
            JobError {
                code: 10_009,
                title: "CF-UnableToPerform".to_owned(),
                detail: format!("{what} could not be completed: {why}"),
            },
            now,
        );
        self.put(job);
    }

    /// Begins to delete an instance at its broker.
    pub fn begin_to_delete(
        &mut self,
        service: &Service,
        by: &Actor,
        job: Option<JobId>,
        now: Timestamp,
    ) {
        let mut service = service.clone();
        service.errand = Some(Errand::new(job, by.clone()));
        service.last_operation = Operation {
            state: OperationState::InProgress,
            ..Operation::begun(OperationKind::Delete, now)
        };
        self.put(service);
    }

    /// Begins to end a binding at its broker.
    pub fn begin_to_unbind(
        &mut self,
        binding: &Binding,
        by: &Actor,
        job: Option<JobId>,
        now: Timestamp,
    ) {
        let mut binding = binding.clone();
        binding.errand = Some(Errand::new(job, by.clone()));
        binding.last_operation = Operation {
            state: OperationState::InProgress,
            ..Operation::begun(OperationKind::Delete, now)
        };
        self.put(binding);
    }

    /// Begins to end a route's binding at its broker.
    pub fn begin_to_unbind_route(
        &mut self,
        binding: &RouteBinding,
        by: &Actor,
        job: Option<JobId>,
        now: Timestamp,
    ) {
        let mut binding = binding.clone();
        binding.errand = Some(Errand::new(job, by.clone()));
        binding.last_operation = Operation {
            state: OperationState::InProgress,
            ..Operation::begun(OperationKind::Delete, now)
        };
        self.put(binding);
    }

    /// Adds a record of what was used of services; the oldest make room.
    pub fn record_service_usage(&mut self, usage: ServiceUsage) {
        self.put(usage);
        let excess = self.service_usage.len().saturating_sub(USAGE);
        let gone: Vec<_> = self
            .service_usage_by_time()
            .take(excess)
            .map(|old| old.id)
            .collect();
        for id in gone {
            self.delete(id);
        }
    }
}

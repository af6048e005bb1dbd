//! The ways to find records other than by their key.

use imbl::{OrdMap, OrdSet};

use super::{Key, Record};
use crate::model::{
    App, AppId, BindingId, BrokerId, Build, BuildId, ClientId, DeploymentId, Domain, DomainId,
    DomainName, Droplet, DropletId, EventId, GroupId, JobId, OfferingId, Org, OrgId, OrgQuotaId,
    Package, PackageId, PeerPolicyId, PlanId, Process, ProcessId, RevisionId, Role, RoleId,
    RoleScope, RouteBindingId, RouteHost, RouteId, RoutePath, SecurityGroupId, SegmentId,
    ServiceId, ServiceUsageId, SidecarId, Space, SpaceId, SpaceQuotaId, TaskId, Timestamp, TokenId,
    User, UserId,
};

/// Secondary indexes over the records. Names are in lower case: they are unique whatever
/// the case, as in Cloud Foundry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    pub(super) org_quotas: OrdMap<String, OrgQuotaId>,
    orgs: OrdMap<String, OrgId>,
    pub(super) space_quotas: OrdMap<(OrgId, String), SpaceQuotaId>,
    spaces: OrdMap<(OrgId, String), SpaceId>,
    users: OrdMap<(String, String), UserId>,
    roles_by_user: OrdSet<(UserId, RoleId)>,
    roles_by_scope: OrdSet<(RoleScope, RoleId)>,
    tokens_by_user: OrdSet<(UserId, TokenId)>,
    domains: OrdMap<DomainName, DomainId>,
    apps: OrdMap<(SpaceId, String), AppId>,
    processes: OrdSet<(AppId, String, Timestamp, ProcessId)>,
    packages: OrdSet<(AppId, Timestamp, PackageId)>,
    builds: OrdSet<(AppId, Timestamp, BuildId)>,
    staging: OrdSet<(Timestamp, BuildId)>,
    droplets: OrdSet<(AppId, Timestamp, DropletId)>,
    pub(super) routes: OrdMap<(DomainId, RouteHost, RoutePath), RouteId>,
    pub(super) routes_by_port: OrdMap<u16, RouteId>,
    pub(super) routes_by_space: OrdSet<(SpaceId, RouteId)>,
    pub(super) routes_shared: OrdSet<(SpaceId, RouteId)>,
    pub(super) routes_by_app: OrdSet<(AppId, RouteId)>,
    pub(super) segments: OrdMap<String, SegmentId>,
    pub(super) groups: OrdMap<String, GroupId>,
    pub(super) clients: OrdMap<String, ClientId>,
    pub(super) security_groups: OrdMap<String, SecurityGroupId>,
    pub(super) policies_by_app: OrdSet<(AppId, PeerPolicyId)>,
    pub(super) services: OrdMap<(SpaceId, String), ServiceId>,
    pub(super) bindings_by_app: OrdSet<(AppId, Timestamp, BindingId)>,
    pub(super) bindings_by_service: OrdSet<(ServiceId, BindingId)>,
    pub(super) sidecars: OrdSet<(AppId, Timestamp, SidecarId)>,
    pub(super) tasks: OrdSet<(AppId, Timestamp, TaskId)>,
    pub(super) unfinished_tasks: OrdSet<(Timestamp, TaskId)>,
    pub(super) brokers: OrdMap<String, BrokerId>,
    pub(super) offerings_by_broker: OrdSet<(BrokerId, OfferingId)>,
    pub(super) plans_by_offering: OrdSet<(OfferingId, PlanId)>,
    pub(super) services_by_plan: OrdSet<(PlanId, ServiceId)>,
    pub(super) services_shared: OrdSet<(SpaceId, ServiceId)>,
    pub(super) route_bindings_by_service: OrdSet<(ServiceId, RouteBindingId)>,
    pub(super) route_bindings_by_route: OrdSet<(RouteId, RouteBindingId)>,
    pub(super) service_usage: OrdSet<(Timestamp, ServiceUsageId)>,
    /// What the loop of services has to look at, by the bits of its identifier.
    pub(super) errands: OrdSet<Key>,
    pub(super) revisions: OrdSet<(AppId, Timestamp, RevisionId)>,
    pub(super) deployments: OrdSet<(AppId, Timestamp, DeploymentId)>,
    pub(super) active_deployments: OrdSet<(AppId, DeploymentId)>,
    events: OrdSet<(Timestamp, EventId)>,
    events_by_target: OrdSet<(String, Timestamp, EventId)>,
    pub(super) jobs: OrdSet<(Timestamp, JobId)>,
}

/// How an entry goes in or out; lets one list of entries serve both.
pub(super) trait Entry {
    fn map<K: Ord + Clone, V: Clone + Eq>(map: &mut OrdMap<K, V>, key: K, value: V);
    fn set<K: Ord + Clone>(set: &mut OrdSet<K>, key: K);
}

/// Puts entries in.
#[derive(Debug)]
pub(super) struct Insert;
/// Takes entries out.
#[derive(Debug)]
pub(super) struct Remove;

impl Entry for Insert {
    fn map<K: Ord + Clone, V: Clone + Eq>(map: &mut OrdMap<K, V>, key: K, value: V) {
        map.insert(key, value);
    }
    fn set<K: Ord + Clone>(set: &mut OrdSet<K>, key: K) {
        set.insert(key);
    }
}

impl Entry for Remove {
    fn map<K: Ord + Clone, V: Clone + Eq>(map: &mut OrdMap<K, V>, key: K, value: V) {
        // Two records that swap names in one commit pass through a state in which both have
        // the same; the one that gives the name up must not take the other's entry along.
        if map.get(&key) == Some(&value) {
            map.remove(&key);
        }
    }
    fn set<K: Ord + Clone>(set: &mut OrdSet<K>, key: K) {
        set.remove(&key);
    }
}

pub(super) fn lower(name: &str) -> String {
    name.to_lowercase()
}

impl Indexes {
    /// Adds the entries of `record`.
    pub(super) fn insert(&mut self, record: &Record) {
        self.each::<Insert>(record);
    }

    /// Removes the entries of `record`.
    pub(super) fn remove(&mut self, record: &Record) {
        self.each::<Remove>(record);
    }

    /// Runs `entry` for `record`.
    pub(super) fn update(&mut self, record: &Record, entry: fn(&mut Self, &Record)) {
        entry(self, record);
    }

    fn each<E: Entry>(&mut self, record: &Record) {
        match record {
            Record::OrgQuota(quota) => {
                E::map(&mut self.org_quotas, lower(&quota.name), quota.id);
            }
            Record::SpaceQuota(quota) => E::map(
                &mut self.space_quotas,
                (quota.org, lower(&quota.name)),
                quota.id,
            ),
            Record::Org(org) => E::map(&mut self.orgs, lower(&org.name), org.id),
            Record::Space(space) => {
                E::map(&mut self.spaces, (space.org, lower(&space.name)), space.id);
            }
            Record::User(user) => {
                E::map(
                    &mut self.users,
                    (lower(&user.username), user.origin.clone()),
                    user.id,
                );
            }
            Record::Role(role) => {
                E::set(&mut self.roles_by_user, (role.user, role.id));
                E::set(&mut self.roles_by_scope, (role.scope, role.id));
            }
            Record::RefreshToken(token) => {
                E::set(&mut self.tokens_by_user, (token.user, token.id));
            }
            Record::Domain(domain) => E::map(&mut self.domains, domain.name.clone(), domain.id),
            Record::App(app) => E::map(&mut self.apps, (app.space, lower(&app.name)), app.id),
            Record::Process(process) => E::set(
                &mut self.processes,
                (
                    process.app,
                    process.process_type.to_string(),
                    process.created_at,
                    process.id,
                ),
            ),
            Record::Package(package) => {
                E::set(
                    &mut self.packages,
                    (package.app, package.created_at, package.id),
                );
            }
            Record::Build(build) => {
                E::set(&mut self.builds, (build.app, build.created_at, build.id));
                if build.state == crate::model::BuildState::Staging {
                    E::set(&mut self.staging, (build.created_at, build.id));
                }
            }
            Record::Droplet(droplet) => {
                E::set(
                    &mut self.droplets,
                    (droplet.app, droplet.created_at, droplet.id),
                );
            }
            Record::Route(route) => {
                if let Some(port) = route.port {
                    E::map(&mut self.routes_by_port, port, route.id);
                } else {
                    let url = (route.domain, route.host.clone(), route.path.clone());
                    E::map(&mut self.routes, url, route.id);
                }
                E::set(&mut self.routes_by_space, (route.space, route.id));
                for space in &route.shared_with {
                    E::set(&mut self.routes_shared, (*space, route.id));
                }
                for destination in &route.destinations {
                    E::set(&mut self.routes_by_app, (destination.app, route.id));
                }
            }
            Record::SecurityGroup(group) => {
                E::map(&mut self.security_groups, lower(&group.name), group.id);
            }
            Record::PeerPolicy(policy) => {
                for app in [policy.source, policy.destination] {
                    E::set(&mut self.policies_by_app, (app, policy.id));
                }
            }
            Record::Sidecar(sidecar) => {
                let by_app = (sidecar.app, sidecar.created_at, sidecar.id);
                E::set(&mut self.sidecars, by_app);
            }
            Record::Task(task) => {
                E::set(&mut self.tasks, (task.app, task.created_at, task.id));
                if !task.state.is_final() {
                    E::set(&mut self.unfinished_tasks, (task.created_at, task.id));
                }
            }
            Record::Broker(_)
            | Record::Offering(_)
            | Record::Plan(_)
            | Record::Service(_)
            | Record::Binding(_)
            | Record::RouteBinding(_)
            | Record::Orphan(_)
            | Record::ServiceUsage(_) => self.each_of_services::<E>(record),
            Record::Revision(revision) => E::set(
                &mut self.revisions,
                (revision.app, revision.created_at, revision.id),
            ),
            Record::Deployment(deployment) => {
                let (app, id) = (deployment.app, deployment.id);
                E::set(&mut self.deployments, (app, deployment.created_at, id));
                if deployment.state.is_active() {
                    E::set(&mut self.active_deployments, (app, id));
                }
            }
            Record::IsolationSegment(segment) => {
                E::map(&mut self.segments, lower(&segment.name), segment.id);
            }
            Record::Group(group) => E::map(&mut self.groups, lower(&group.name), group.id),
            Record::Client(client) => {
                E::map(&mut self.clients, client.name.clone(), client.id);
            }
            // Found by their keys alone.
            Record::Seed(_)
            | Record::AppUsage(_)
            | Record::Buildpack(_)
            | Record::Stack(_)
            | Record::FeatureFlag(_)
            | Record::EnvGroup(_) => {}
            Record::Event(event) => {
                E::set(&mut self.events, (event.created_at, event.id));
                let target = event.target.guid.clone();
                E::set(
                    &mut self.events_by_target,
                    (target, event.created_at, event.id),
                );
            }
            Record::Job(job) => {
                E::set(&mut self.jobs, (job.created_at, job.id));
                if job.work.is_some() && !job.state.is_final() {
                    E::set(&mut self.errands, Key::Job(job.id));
                }
            }
        }
    }
}

/// The smallest and largest identifiers, for ranges over index entries.
pub(super) fn nil<T: From<uuid::Uuid>>() -> T {
    T::from(uuid::Uuid::nil())
}

pub(super) const START: Timestamp = Timestamp::from_millis(0);
const END: Timestamp = Timestamp::from_millis(u64::MAX);

impl super::State {
    /// The organization with this name, whatever the case.
    #[must_use]
    pub fn org_by_name(&self, name: &str) -> Option<&Org> {
        self.orgs
            .get(self.indexes.orgs.get(&lower(name))?)
            .map(AsRef::as_ref)
    }

    /// The space of `org` with this name, whatever the case.
    #[must_use]
    pub fn space_by_name(&self, org: OrgId, name: &str) -> Option<&Space> {
        self.spaces
            .get(self.indexes.spaces.get(&(org, lower(name)))?)
            .map(AsRef::as_ref)
    }

    /// The spaces of `org`, by name.
    pub fn spaces_of(&self, org: OrgId) -> impl Iterator<Item = &Space> + '_ {
        self.indexes
            .spaces
            .range((org, String::new())..)
            .take_while(move |((owner, _), _)| *owner == org)
            .filter_map(|(_, id)| self.spaces.get(id).map(AsRef::as_ref))
    }

    /// The user with this name, whatever the case, in `origin`.
    #[must_use]
    pub fn user_by_name(&self, name: &str, origin: &str) -> Option<&User> {
        let key = (lower(name), origin.to_owned());
        self.users
            .get(self.indexes.users.get(&key)?)
            .map(AsRef::as_ref)
    }

    /// The users with this name, whatever the case, in every origin.
    pub fn users_named(&self, name: &str) -> impl Iterator<Item = &User> + '_ {
        let name = lower(name);
        self.indexes
            .users
            .range((name.clone(), String::new())..)
            .take_while(move |((user, _), _)| *user == name)
            .filter_map(|(_, id)| self.users.get(id).map(AsRef::as_ref))
    }

    /// The roles of `user`.
    pub fn roles_of_user(&self, user: UserId) -> impl Iterator<Item = &Role> + '_ {
        self.indexes
            .roles_by_user
            .range((user, nil())..)
            .take_while(move |(owner, _)| *owner == user)
            .filter_map(|(_, id)| self.roles.get(id).map(AsRef::as_ref))
    }

    /// The roles that hold in exactly `scope`.
    pub fn roles_in(&self, scope: RoleScope) -> impl Iterator<Item = &Role> + '_ {
        self.indexes
            .roles_by_scope
            .range((scope, nil())..)
            .take_while(move |(at, _)| *at == scope)
            .filter_map(|(_, id)| self.roles.get(id).map(AsRef::as_ref))
    }

    /// The refresh tokens of `user`.
    pub fn tokens_of(&self, user: UserId) -> impl Iterator<Item = TokenId> + '_ {
        self.indexes
            .tokens_by_user
            .range((user, nil())..)
            .take_while(move |(owner, _)| *owner == user)
            .map(|(_, id)| *id)
    }

    /// The domain with this name.
    #[must_use]
    pub fn domain_by_name(&self, name: &DomainName) -> Option<&Domain> {
        self.domains
            .get(self.indexes.domains.get(name)?)
            .map(AsRef::as_ref)
    }

    /// The app of `space` with this name, whatever the case.
    #[must_use]
    pub fn app_by_name(&self, space: SpaceId, name: &str) -> Option<&App> {
        self.apps
            .get(self.indexes.apps.get(&(space, lower(name)))?)
            .map(AsRef::as_ref)
    }

    /// The apps of `space`, by name.
    pub fn apps_of(&self, space: SpaceId) -> impl Iterator<Item = &App> + '_ {
        self.indexes
            .apps
            .range((space, String::new())..)
            .take_while(move |((owner, _), _)| *owner == space)
            .filter_map(|(_, id)| self.apps.get(id).map(AsRef::as_ref))
    }

    /// The processes of `app`, by type.
    pub fn processes_of(&self, app: AppId) -> impl Iterator<Item = &Process> + '_ {
        self.indexes
            .processes
            .range((app, String::new(), START, nil())..)
            .take_while(move |(owner, ..)| *owner == app)
            .filter_map(|(.., id)| self.processes.get(id).map(AsRef::as_ref))
    }

    /// The processes of `app` with this type, oldest first: several while a deployment replaces
    /// one by another.
    pub fn processes_of_type(
        &self,
        app: AppId,
        process_type: &str,
    ) -> impl DoubleEndedIterator<Item = &Process> + '_ {
        let until = END;
        let from = (app, process_type.to_owned(), START, nil());
        let until = (app, process_type.to_owned(), until, nil());
        self.indexes
            .processes
            .range(from..=until)
            .filter_map(|(.., id)| self.processes.get(id).map(AsRef::as_ref))
    }

    /// The process of `app` with this type; the newest, where there are several.
    #[must_use]
    pub fn process_by_type(&self, app: AppId, process_type: &str) -> Option<&Process> {
        self.processes_of_type(app, process_type).next_back()
    }

    /// The packages of `app`, oldest first.
    pub fn packages_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Package> + '_ {
        range(&self.indexes.packages, app)
            .filter_map(|id| self.packages.get(&id).map(AsRef::as_ref))
    }

    /// The builds of `app`, oldest first.
    pub fn builds_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Build> + '_ {
        range(&self.indexes.builds, app).filter_map(|id| self.builds.get(&id).map(AsRef::as_ref))
    }

    /// The builds that wait or run, oldest first.
    pub fn staging_builds(&self) -> impl Iterator<Item = &Build> + '_ {
        self.indexes
            .staging
            .iter()
            .filter_map(|(_, id)| self.builds.get(id).map(AsRef::as_ref))
    }

    /// The droplets of `app`, oldest first.
    pub fn droplets_of(&self, app: AppId) -> impl DoubleEndedIterator<Item = &Droplet> + '_ {
        range(&self.indexes.droplets, app)
            .filter_map(|id| self.droplets.get(&id).map(AsRef::as_ref))
    }

    /// All audit events, oldest first.
    pub fn events_by_time(&self) -> impl DoubleEndedIterator<Item = &crate::model::Event> + '_ {
        self.indexes
            .events
            .iter()
            .filter_map(|(_, id)| self.events.get(id).map(AsRef::as_ref))
    }

    /// The audit events of one target, oldest first.
    pub fn events_of<'a>(
        &'a self,
        target: &str,
    ) -> impl DoubleEndedIterator<Item = &'a crate::model::Event> + 'a {
        let from = (target.to_owned(), START, nil());
        let until = (target.to_owned(), END, nil());
        self.indexes
            .events_by_target
            .range(from..=until)
            .filter_map(|(.., id)| self.events.get(id).map(AsRef::as_ref))
    }
}

/// The third parts of the entries of `app`, oldest first.
pub(super) fn range<T: Ord + Copy + From<uuid::Uuid>>(
    set: &OrdSet<(AppId, Timestamp, T)>,
    app: AppId,
) -> impl DoubleEndedIterator<Item = T> + '_ {
    set.range((app, START, nil())..=(app, END, nil()))
        .map(|(.., id)| *id)
}

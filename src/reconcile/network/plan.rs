//! What each app and build may reach.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    drivers::{Backend, Instance},
    model::{
        AppId, EgressRule, Grant, NetworkPolicy, Peer, PeerInstance, PeerProtocol, PortRange,
        ProcessType, SpaceId, Workload, named_in,
    },
    store::State,
};

/// What every app with an instance may reach. `bandwidth` is the most bytes a second that all
/// instances of one app may send together, and receive.
#[must_use]
pub fn policies(
    state: &State,
    instances: &[Instance],
    bandwidth: Option<u64>,
) -> BTreeMap<AppId, NetworkPolicy> {
    let apps: BTreeSet<AppId> = instances.iter().map(|instance| instance.app).collect();
    let mut plan = Plan::new(state, instances, bandwidth);
    apps.into_iter()
        .map(|app| (app, plan.running(app, 0)))
        .collect()
}

/// What one more instance of `app` may reach at first.
#[must_use]
pub fn starting(
    state: &State,
    instances: &[Instance],
    bandwidth: Option<u64>,
    app: AppId,
) -> NetworkPolicy {
    Plan::new(state, instances, bandwidth).running(app, 1)
}

/// What a build of `app` may reach. It has the bandwidth of an app for itself.
#[must_use]
pub fn staging(state: &State, bandwidth: Option<u64>, app: AppId) -> NetworkPolicy {
    let Some(space) = state.apps.get(&app).map(|app| app.space) else {
        return NetworkPolicy::default();
    };
    NetworkPolicy {
        rules: rules(state, space, Workload::Staging),
        bytes_per_second: bandwidth,
        ..NetworkPolicy::default()
    }
}

/// What is the same for many apps, worked out once.
struct Plan<'a> {
    state: &'a State,
    /// Instances that are ready, by app.
    ready: HashMap<AppId, Vec<&'a Instance>>,
    /// How many instances live, by app.
    live: HashMap<AppId, u64>,
    bandwidth: Option<u64>,
    rules: HashMap<SpaceId, Arc<[EgressRule]>>,
}

impl<'a> Plan<'a> {
    fn new(state: &'a State, instances: &'a [Instance], bandwidth: Option<u64>) -> Self {
        let mut ready: HashMap<AppId, Vec<&Instance>> = HashMap::new();
        let mut live: HashMap<AppId, u64> = HashMap::new();
        for instance in instances {
            if instance.phase.is_live() {
                *live.entry(instance.app).or_default() += 1;
            }
            // A task listens for nobody.
            if instance.phase.is_routable() && instance.task.is_none() {
                ready.entry(instance.app).or_default().push(instance);
            }
        }
        Self {
            state,
            ready,
            live,
            bandwidth,
            rules: HashMap::new(),
        }
    }

    /// An app that is gone may reach nothing any more, even while its instances stop. `more` is
    /// how many instances are about to be added.
    fn running(&mut self, app: AppId, more: u64) -> NetworkPolicy {
        let Some(space) = self.state.apps.get(&app).map(|app| app.space) else {
            return NetworkPolicy::default();
        };
        let state = self.state;
        let rules = self
            .rules
            .entry(space)
            .or_insert_with(|| rules(state, space, Workload::Running).into());
        NetworkPolicy {
            rules: rules.to_vec(),
            grants: grants(state, app),
            peers: self.peers(app),
            bytes_per_second: self.share(app, more),
        }
    }

    /// An instance's part of what its app may send and receive. The way out of each knows nothing
    /// of the others', so the parts are equal, and change when instances come and go.
    fn share(&self, app: AppId, more: u64) -> Option<u64> {
        let instances = self.live.get(&app).copied().unwrap_or(0) + more;
        self.bandwidth.map(|rate| (rate / instances.max(1)).max(1))
    }

    /// The apps that network policies open to `app`: one for each of their processes that an
    /// internal route leads to.
    fn peers(&self, app: AppId) -> Vec<Peer> {
        let mut opened: BTreeMap<AppId, [BTreeSet<(u16, u16)>; 2]> = BTreeMap::new();
        for policy in self.state.policies_of(app) {
            if policy.source == app {
                let [tcp, udp] = opened.entry(policy.destination).or_default();
                let into = match policy.protocol {
                    PeerProtocol::Tcp => tcp,
                    PeerProtocol::Udp => udp,
                };
                into.insert((policy.ports.first, policy.ports.last));
            }
        }
        let mut peers = Vec::new();
        for (peer, [tcp, udp]) in opened {
            for (process_type, names) in internal_names(self.state, peer) {
                peers.push(Peer {
                    app: peer,
                    names: names.into_iter().collect(),
                    tcp: ranges(&tcp),
                    udp: ranges(&udp),
                    instances: self.instances(peer, process_type),
                });
            }
        }
        peers
    }

    /// The instances of a process that are ready, by index.
    fn instances(&self, app: AppId, process_type: &ProcessType) -> Vec<PeerInstance> {
        let ready = self.ready.get(&app).into_iter().flatten();
        let of_process = ready.filter(|instance| instance.process_type == *process_type);
        let found: BTreeSet<_> = of_process
            .filter_map(|instance| match &instance.backend {
                Some(Backend::Sandbox { dir }) => Some((instance.slot.index, dir)),
                // Files that the gateway serves listen on no port.
                Some(Backend::Static { .. }) | None => None,
            })
            .collect();
        let found = found.into_iter();
        found
            .map(|(index, dir)| PeerInstance {
                index,
                dir: dir.clone(),
            })
            .collect()
    }
}

/// What security groups open in `space`, in the order of their ids.
fn rules(state: &State, space: SpaceId, workload: Workload) -> Vec<EgressRule> {
    let groups = state.security_groups.values();
    groups
        .filter(|group| group.reach(workload).holds_in(space))
        .flat_map(|group| group.egress())
        .collect()
}

/// What the app's bindings open: the addresses that admins named, and the brokers that admins
/// registered for all.
fn grants(state: &State, app: AppId) -> Vec<Grant> {
    let named: BTreeSet<(String, u16)> = state
        .bindings_of_app(app)
        .filter(|(binding, service)| binding.is_there() && state.is_vouched(service))
        .flat_map(|(binding, service)| named_in(&binding.credentials(service).0))
        .map(|grant| (grant.host, grant.port))
        .collect();
    let named = named.into_iter();
    named.map(|(host, port)| Grant { host, port }).collect()
}

/// The names of `app` for other apps, by the process that they lead to.
fn internal_names(state: &State, app: AppId) -> BTreeMap<&ProcessType, BTreeSet<String>> {
    let mut names: BTreeMap<&ProcessType, BTreeSet<String>> = BTreeMap::new();
    for route in state.routes_of_app(app) {
        let Some(domain) = state.domains.get(&route.domain).filter(|d| d.internal) else {
            continue;
        };
        for destination in route.destinations.iter().filter(|to| to.app == app) {
            names
                .entry(&destination.process_type)
                .or_default()
                .insert(route.fqdn(&domain.name).to_lowercase());
        }
    }
    names
}

fn ranges(ports: &BTreeSet<(u16, u16)>) -> Vec<PortRange> {
    let each = ports.iter();
    each.map(|(first, last)| PortRange {
        first: *first,
        last: *last,
    })
    .collect()
}

//! The plan: what is named is open, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan::{policies, staging, starting};
use crate::{
    drivers::{Backend, Instance, Phase, Slot, Version},
    model::{
        AppId, AppProtocol, Binding, BindingId, Credentials, Destination, DestinationId, Domain,
        DomainId, DomainName, DropletId, EgressProtocol, Grant, InstanceId, Metadata,
        NetworkPolicy, Operation, OperationKind, PeerPolicy, PeerPolicyId, PeerProtocol, PortRange,
        ProcessId, ProcessType, Reach, Route, RouteHost, RouteId, RoutePath, RuleProtocol,
        SecurityGroup, SecurityGroupId, SecurityGroupName, SecurityRule, Service, ServiceId,
        ServiceKind, ServiceName, SpaceId, Usage,
    },
    reconcile::tests::samples::{AT, app, commit},
    stdx::clock::Moment,
    store::{State, Store},
};

/// A group with one rule that holds for what runs in `space`.
pub(in crate::reconcile) fn group(name: &str, space: SpaceId) -> SecurityGroup {
    opening(name, "1.0.0.9", only(space), Reach::default())
}

fn opening(name: &str, destination: &str, running: Reach, staging: Reach) -> SecurityGroup {
    SecurityGroup {
        id: SecurityGroupId::random(),
        name: SecurityGroupName::parse(name).unwrap(),
        rules: vec![SecurityRule {
            protocol: RuleProtocol::Tcp,
            destination: destination.to_owned(),
            ports: Some("443".to_owned()),
            kind: None,
            code: None,
            description: None,
            log: None,
        }],
        running,
        staging,
        created_at: AT,
        updated_at: AT,
    }
}

fn everywhere() -> Reach {
    Reach {
        everywhere: true,
        ..Reach::default()
    }
}

fn only(space: SpaceId) -> Reach {
    Reach {
        everywhere: false,
        spaces: BTreeSet::from([space]),
    }
}

fn service(space: SpaceId, vouched: bool, credentials: &Value) -> Service {
    Service {
        id: ServiceId::random(),
        space,
        name: ServiceName::parse(ServiceId::random().to_string()).unwrap(),
        kind: ServiceKind::UserProvided {
            credentials: Credentials(credentials.as_object().cloned().unwrap()),
            syslog_drain_url: Some("syslog://drain.example.kr:514".to_owned()),
            route_service_url: None,
            route_service_vouched: false,
        },
        vouched,
        tags: Vec::new(),
        shared_with: BTreeSet::new(),
        last_operation: Operation::done(OperationKind::Create, AT),
        errand: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn bind(service: &Service, app: AppId) -> Binding {
    Binding {
        id: BindingId::random(),
        service: service.id,
        app: Some(app),
        name: None,
        told: None,
        last_operation: Operation::done(OperationKind::Create, AT),
        errand: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn open(source: AppId, destination: AppId, protocol: PeerProtocol, port: u16) -> PeerPolicy {
    PeerPolicy {
        id: PeerPolicyId::random(),
        source,
        destination,
        protocol,
        ports: PortRange {
            first: port,
            last: port,
        },
        created_at: AT,
    }
}

fn domain(name: &str, internal: bool) -> Domain {
    Domain {
        id: DomainId::random(),
        name: DomainName::parse(name).unwrap(),
        org: None,
        shared_with: Vec::new(),
        internal,
        tcp: false,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn route(state: &State, app: AppId, domain: &Domain, host: &str, process_type: &str) -> Route {
    Route {
        id: RouteId::random(),
        space: state.apps[&app].space,
        domain: domain.id,
        shared_with: BTreeSet::new(),
        host: RouteHost::parse(host).unwrap(),
        path: RoutePath::parse("").unwrap(),
        port: None,
        destinations: vec![Destination {
            id: DestinationId::random(),
            app,
            process_type: ProcessType::parse(process_type).unwrap(),
            port: None,
            weight: None,
            protocol: AppProtocol::Http1,
        }],
        options: BTreeMap::new(),
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn instance(app: AppId, process_type: &str, index: u32, ready: bool) -> Instance {
    let since = Moment {
        steady_ms: 1,
        wall_ms: 1,
    };
    Instance {
        instance: InstanceId::random(),
        slot: Slot {
            process: ProcessId::from(app),
            index,
        },
        app,
        process_type: ProcessType::parse(process_type).unwrap(),
        version: Version {
            app: 1,
            process: 0,
            droplet: DropletId::random(),
        },
        crashes: 0,
        memory_mb: 64,
        phase: Phase::Running { since, ready },
        reported: false,
        backend: Some(Backend::Sandbox {
            dir: PathBuf::from(format!("/instances/{process_type}/{index}")),
        }),
        port: 8080,
        layers: Vec::new(),
        usage: Usage::default(),
        task: None,
    }
}

/// The first addresses of what rules open.
fn firsts(policy: &NetworkPolicy) -> BTreeSet<String> {
    let rules = policy.rules.iter();
    rules.map(|rule| rule.first.to_string()).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn instances_of_an_app_share_its_bandwidth() {
    let store = Store::in_memory();
    let (two, one) = (app(&store, "two", 2).await, app(&store, "one", 1).await);
    let state = store.state();
    let instances = [
        instance(two, "web", 0, true),
        instance(two, "web", 1, false),
        instance(one, "web", 0, true),
    ];
    let rates = |bandwidth| {
        let told = policies(&state, &instances, bandwidth);
        [two, one].map(|app| told[&app].bytes_per_second)
    };
    assert_eq!(rates(None), [None, None]);
    assert_eq!(rates(Some(900)), [Some(450), Some(900)]);
    // One more is about to be there.
    let third = starting(&state, &instances, Some(900), two);
    assert_eq!(third.bytes_per_second, Some(300));
    assert_eq!(rates(Some(1))[0], Some(1));
    let build = staging(&state, Some(900), two);
    assert_eq!(build.bytes_per_second, Some(900));
}

#[tokio::test]
async fn groups_hold_where_they_are_bound() {
    let store = Store::in_memory();
    let (here, there) = (app(&store, "here", 1).await, app(&store, "there", 1).await);
    let space = store.state().apps[&here].space;
    commit(&store, |tx| {
        tx.put(opening("all", "1.0.0.1", everywhere(), everywhere()));
        tx.put(opening("mine", "1.0.0.2", only(space), Reach::default()));
        tx.put(opening("builds", "1.0.0.3", Reach::default(), only(space)));
        tx.put(opening(
            "none",
            "1.0.0.4",
            Reach::default(),
            Reach::default(),
        ));
    })
    .await;
    let state = store.state();
    assert_eq!(
        firsts(&starting(&state, &[], None, here)),
        set(&["1.0.0.1", "1.0.0.2"])
    );
    assert_eq!(
        firsts(&starting(&state, &[], None, there)),
        set(&["1.0.0.1"])
    );
    assert_eq!(
        firsts(&staging(&state, None, here)),
        set(&["1.0.0.1", "1.0.0.3"])
    );
    assert_eq!(firsts(&staging(&state, None, there)), set(&["1.0.0.1"]));
    let rule = &starting(&state, &[], None, there).rules[0];
    let ports = PortRange {
        first: 443,
        last: 443,
    };
    assert_eq!(rule.protocol, EgressProtocol::Tcp(vec![ports]));
    // An app that is gone, and one that never was, may reach nothing.
    let nobody = AppId::random();
    assert_eq!(
        starting(&state, &[], None, nobody),
        NetworkPolicy::default()
    );
    assert_eq!(staging(&state, None, nobody), NetworkPolicy::default());
}

#[tokio::test]
async fn a_binding_opens_what_an_admin_named_to_its_app_alone() {
    let store = Store::in_memory();
    let (bound, other) = (app(&store, "bound", 1).await, app(&store, "other", 1).await);
    let space = store.state().apps[&bound].space;
    let credentials = json!({ "uri": "postgres://u:p@db.lan/x", "host": "db.lan", "port": 5432 });
    let vouched = service(space, true, &credentials);
    let claimed = service(space, false, &json!({ "uri": "http://127.0.0.1:80" }));
    let idle = service(space, true, &json!({ "uri": "http://idle.lan" }));
    commit(&store, |tx| {
        tx.put(bind(&vouched, bound));
        tx.put(bind(&claimed, bound));
        for service in [vouched, claimed, idle] {
            tx.put(service);
        }
    })
    .await;
    let state = store.state();
    let db = Grant {
        host: "db.lan".to_owned(),
        port: 5432,
    };
    assert_eq!(starting(&state, &[], None, bound).grants, [db]);
    assert_eq!(starting(&state, &[], None, other).grants, []);
    assert_eq!(staging(&state, None, bound).grants, []);
}

#[tokio::test]
async fn a_policy_opens_the_ready_instances_behind_internal_routes() {
    let store = Store::in_memory();
    let (shop, orders) = (app(&store, "shop", 1).await, app(&store, "orders", 2).await);
    let (internal, public) = (domain("apps.internal", true), domain("apps.test", false));
    let state = store.state();
    let routes = [
        route(&state, orders, &internal, "orders", "web"),
        route(&state, orders, &internal, "jobs", "worker"),
        route(&state, orders, &public, "orders", "web"),
        route(&state, shop, &internal, "shop", "web"),
    ];
    commit(&store, |tx| {
        tx.put(internal.clone());
        tx.put(public.clone());
        for route in routes {
            tx.put(route);
        }
        tx.put(open(shop, orders, PeerProtocol::Tcp, 8080));
        tx.put(open(shop, orders, PeerProtocol::Udp, 53));
    })
    .await;
    let instances = [
        instance(orders, "web", 1, true),
        instance(orders, "web", 0, true),
        instance(orders, "web", 2, false),
        instance(orders, "worker", 0, true),
        instance(orders, "console", 0, true),
        instance(shop, "web", 0, true),
    ];
    let state = store.state();
    let peers = starting(&state, &instances, None, shop).peers;
    let told: Vec<_> = peers
        .iter()
        .map(|peer| {
            let dirs = peer
                .instances
                .iter()
                .map(|one| one.dir.display().to_string());
            (peer.names.clone(), dirs.collect::<Vec<_>>())
        })
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            (
                texts(&["orders.apps.internal"]),
                texts(&["/instances/web/0", "/instances/web/1"])
            ),
            (
                texts(&["jobs.apps.internal"]),
                texts(&["/instances/worker/0"])
            ),
        ]
    );
    for peer in &peers {
        assert_eq!((peer.tcp[0].first, peer.udp[0].first), (8080, 53));
        assert_eq!((peer.app, peer.tcp.len(), peer.udp.len()), (orders, 1, 1));
    }
    // The way back is another policy.
    assert_eq!(starting(&state, &instances, None, orders).peers, []);
}

/// A state in which each of a few groups, services and policies is there or not.
async fn any_state(choices: &[bool]) -> (Store, Vec<AppId>) {
    let store = Store::in_memory();
    let apps = vec![
        app(&store, "one", 1).await,
        app(&store, "two", 1).await,
        app(&store, "three", 1).await,
    ];
    let mut choices = choices.iter().copied();
    for (number, one) in apps.iter().enumerate() {
        let space = store.state().apps[one].space;
        let reach = |chosen: bool| {
            if chosen {
                only(space)
            } else {
                Reach::default()
            }
        };
        let name = format!("g{number}");
        let address = format!("1.0.0.{number}");
        let (running, staging) = (choices.next().unwrap(), choices.next().unwrap());
        let group = opening(&name, &address, reach(running), reach(staging));
        let is_vouched = choices.next().unwrap();
        let service = service(
            space,
            is_vouched,
            &json!({ "uri": format!("http://{name}.lan") }),
        );
        let is_bound = choices.next().unwrap();
        let peer = apps[(number + 1) % apps.len()];
        let is_open = choices.next().unwrap();
        commit(&store, |tx| {
            tx.put(group);
            if is_bound {
                tx.put(bind(&service, *one));
            }
            tx.put(service);
            if is_open {
                tx.put(open(*one, peer, PeerProtocol::Tcp, 8080));
            }
        })
        .await;
    }
    let internal = domain("apps.internal", true);
    let state = store.state();
    commit(&store, |tx| {
        for (number, one) in apps.iter().enumerate() {
            let host = format!("app-{number}");
            tx.put(route(&state, *one, &internal, &host, "web"));
        }
        tx.put(internal.clone());
    })
    .await;
    (store, apps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_but_what_is_named_is_open_whatever_the_order(
        choices in prop::collection::vec(any::<bool>(), 15),
        order in Just((0_usize..6).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, apps) = runtime.block_on(any_state(&choices));
        let state = store.state();
        let instances: Vec<_> = apps
            .iter()
            .flat_map(|app| [instance(*app, "web", 0, true), instance(*app, "web", 1, true)])
            .collect();
        let shuffled: Vec<_> = order.iter().map(|at| instances[*at].clone()).collect();
        let told = policies(&state, &instances, None);
        prop_assert_eq!(&told, &policies(&state, &shuffled, None));
        for (number, app) in apps.iter().enumerate() {
            let chosen = &choices[number * 5..];
            let policy = &told[app];
            prop_assert_eq!(policy, &starting(&state, &instances, None, *app));
            let address: IpAddr = format!("1.0.0.{number}").parse().unwrap();
            prop_assert_eq!(policy.rules.len(), usize::from(chosen[0]));
            prop_assert!(policy.rules.iter().all(|rule| rule.first == address));
            prop_assert_eq!(staging(&state, None, *app).rules.len(), usize::from(chosen[1]));
            prop_assert_eq!(policy.grants.len(), usize::from(chosen[2] && chosen[3]));
            let peer = apps[(number + 1) % apps.len()];
            prop_assert_eq!(policy.peers.len(), usize::from(chosen[4]));
            prop_assert!(policy.peers.iter().all(|opened| opened.app == peer));
            prop_assert!(policy.peers.iter().all(|opened| opened.instances.len() == 2));
        }
    }
}

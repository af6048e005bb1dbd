//! What the table has of desired state.

use std::collections::BTreeSet;

use crate::{
    model::{
        Credentials, Metadata, Operation, OperationKind, OperationState, Route, RouteBinding,
        RouteBindingId, Service, ServiceId, ServiceKind, ServiceName,
    },
    reconcile::tests::samples::{AT, app, commit},
    routing::{Balance, Entry, RouteService},
    store::{Config, Store},
};

use super::plan::table;

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&Config::new(dir.path().join("store"))).unwrap();
    (dir, store)
}

fn only(store: &Store) -> Entry {
    let entries = table(&store.state(), &[], &[]);
    assert_eq!(entries.len(), 1);
    Entry::clone(&entries[0])
}

fn route(store: &Store) -> Route {
    let state = store.state();
    Route::clone(state.routes.values().next().unwrap())
}

fn gate(route: &Route, vouched: bool) -> (Service, RouteBinding) {
    let url = "https://gate.example.kr/x".to_owned();
    let service = Service {
        id: ServiceId::random(),
        space: route.space,
        name: ServiceName::parse("gate").unwrap(),
        kind: ServiceKind::UserProvided {
            credentials: Credentials::default(),
            syslog_drain_url: None,
            route_service_url: Some(url.clone()),
            route_service_vouched: vouched,
        },
        vouched: true,
        tags: Vec::new(),
        shared_with: BTreeSet::new(),
        last_operation: Operation::done(OperationKind::Create, AT),
        errand: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    };
    let binding = RouteBinding {
        id: RouteBindingId::random(),
        service: service.id,
        route: route.id,
        route_service_url: Some(url),
        last_operation: Operation::done(OperationKind::Create, AT),
        errand: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    };
    (service, binding)
}

#[tokio::test]
async fn a_route_has_the_service_that_was_made_for_it() {
    let (_dir, store) = store().await;
    app(&store, "shop", 1).await;
    assert_eq!(only(&store).service, None);
    for vouched in [false, true] {
        let (service, binding) = gate(&route(&store), vouched);
        let (service_id, binding_id) = (service.id, binding.id);
        let expected = Some(RouteService {
            url: "https://gate.example.kr/x".parse().ok(),
            vouched,
        });
        commit(&store, |tx| {
            tx.put(service);
            tx.put(binding.clone());
        })
        .await;
        assert_eq!(only(&store).service, expected);
        use OperationKind::{Create, Delete};
        use OperationState::{Failed, InProgress, Succeeded};
        for (kind, state, there) in [
            (Create, InProgress, false),
            (Create, Failed, false),
            (Create, Succeeded, true),
            (Delete, InProgress, false),
            (Delete, Failed, true),
        ] {
            let mut binding = binding.clone();
            binding.last_operation = Operation::begun(kind, AT).to(state, "", AT);
            commit(&store, |tx| tx.put(binding)).await;
            let found = only(&store).service;
            assert_eq!(found.is_some(), there, "{kind:?} {state:?}");
        }
        // What is no address lets nothing past.
        let mut binding = binding.clone();
        binding.route_service_url = Some("gate".to_owned());
        commit(&store, |tx| tx.put(binding)).await;
        let found = only(&store).service.unwrap();
        assert_eq!(found.url, None);
        commit(&store, |tx| {
            tx.delete(binding_id);
            tx.delete(service_id);
        })
        .await;
    }
}

#[tokio::test]
async fn an_entry_is_as_the_route_says() {
    let (_dir, store) = store().await;
    app(&store, "shop", 1).await;
    let mut route = route(&store);
    assert_eq!(only(&store).balance, Balance::RoundRobin);
    let option = ("loadbalancing".to_owned(), "least-connection".to_owned());
    route.options.extend([option]);
    route.port = Some(61_000);
    commit(&store, |tx| tx.put(route)).await;
    let entry = only(&store);
    assert_eq!(entry.balance, Balance::LeastConnections);
    assert_eq!(entry.port, Some(61_000));
}

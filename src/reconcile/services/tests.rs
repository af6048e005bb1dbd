//! What is planned, and what catalogs make of what is offered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    catalog::apply,
    plan::{Plan as Steps, Step, plan},
};
use crate::{
    brokers::{Catalog, read_catalog},
    model::{
        Actor, Binding, BindingId, Broker, BrokerId, BrokerLogin, BrokerState, Doomed, Errand, Job,
        JobId, JobState, Metadata, Operation, OperationKind, OperationState, OrgId, Orphan,
        OrphanId, Service, ServiceId, ServiceKind, ServiceName, Space, SpaceId, SpaceName, Stage,
        Timestamp, Work,
    },
    store::{Key, Store, StoreError, Tx},
};

const AT: Timestamp = Timestamp::from_millis(1_000_000);

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(AT.millis() + seconds * 1000)
}

fn by() -> Actor {
    Actor {
        guid: "u".to_owned(),
        kind: "user".to_owned(),
        name: "admin".to_owned(),
    }
}

fn broker() -> Broker {
    Broker {
        id: BrokerId::random(),
        name: "broker".to_owned(),
        url: "http://broker".to_owned(),
        login: BrokerLogin {
            username: "u".to_owned(),
            password: "p".to_owned(),
        },
        space: None,
        vouched: true,
        state: BrokerState::Available,
        sync: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn catalog(plans: &[&str]) -> Catalog {
    let plans: Vec<Value> = plans
        .iter()
        .map(|name| json!({ "id": name, "name": name, "description": "x" }))
        .collect();
    read_catalog(&json!({ "services": [{
        "id": "db", "name": "db", "description": "x", "bindable": true, "plans": plans,
    }] }))
    .unwrap()
}

struct World {
    store: Store,
    broker: Broker,
    space: SpaceId,
}

impl World {
    /// A broker with a plan, and a space.
    async fn new() -> Self {
        let (store, broker) = (Store::in_memory(), broker());
        let space = Space {
            id: SpaceId::random(),
            org: OrgId::random(),
            name: SpaceName::parse("dev").unwrap(),
            allow_ssh: true,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let world = Self {
            store,
            broker: broker.clone(),
            space: space.id,
        };
        world
            .change(|tx| {
                tx.put(broker.clone());
                tx.put(space.clone());
                apply(tx, &broker, &catalog(&["small"]), AT);
            })
            .await;
        world
    }

    async fn change(&self, change: impl Fn(&mut Tx)) {
        let done = self.store.commit(|tx| {
            change(tx);
            Ok::<_, StoreError>(())
        });
        done.await.unwrap();
    }

    fn service(&self, name: &str) -> Service {
        let plan = self.store.state().plans.keys().next().copied().unwrap();
        Service {
            id: ServiceId::random(),
            space: self.space,
            name: ServiceName::parse(name).unwrap(),
            kind: ServiceKind::Managed {
                plan,
                dashboard_url: None,
                maintenance_info: None,
                broker_metadata: Map::new(),
            },
            vouched: false,
            tags: Vec::new(),
            shared_with: BTreeSet::new(),
            last_operation: Operation::done(OperationKind::Create, AT),
            errand: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        }
    }

    fn plan(&self, now: Timestamp) -> Steps {
        plan(&self.store.state(), &BTreeMap::new(), now)
    }

    fn call(&self, key: impl Into<Key>) -> Step {
        Step::Call(key.into(), self.broker.id)
    }
}

fn key_of(service: &Service) -> Binding {
    Binding {
        id: BindingId::random(),
        service: service.id,
        app: None,
        name: Some("key".to_owned()),
        told: None,
        last_operation: Operation::done(OperationKind::Create, AT),
        errand: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

fn polled(next_at: Timestamp) -> Errand {
    Errand {
        stage: Stage::Poll {
            operation: None,
            next_at,
            until: seconds(3600),
            polls: 0,
        },
        ..Errand::new(None, by())
    }
}

#[tokio::test]
async fn a_broker_is_asked_when_it_is_due_and_not_twice_at_a_time() {
    let world = World::new().await;
    assert_eq!(world.plan(AT), Steps::default());
    let mut service = world.service("db");
    service.errand = Some(Errand::new(None, by()));
    service.last_operation = Operation::begun(OperationKind::Create, AT);
    world.change(|tx| tx.put(service.clone())).await;
    assert_eq!(world.plan(AT).steps, [world.call(service.id)]);
    let busy = BTreeMap::from([(service.id.into(), world.broker.id)]);
    assert!(plan(&world.store.state(), &busy, AT).steps.is_empty());
    service.errand = Some(polled(seconds(10)));
    world.change(|tx| tx.put(service.clone())).await;
    let steps = world.plan(AT);
    assert!(steps.steps.is_empty());
    assert_eq!(steps.next_at, Some(seconds(10)));
    assert_eq!(world.plan(seconds(10)).steps, [world.call(service.id)]);
}

#[tokio::test]
async fn one_broker_gets_only_so_many_calls_at_a_time() {
    let world = World::new().await;
    for number in 0..20 {
        let mut service = world.service(&format!("db{number}"));
        service.errand = Some(Errand::new(None, by()));
        world.change(|tx| tx.put(service.clone())).await;
    }
    assert_eq!(world.plan(AT).steps.len(), 8);
}

#[tokio::test]
async fn an_instance_goes_after_what_is_bound_to_it() {
    let world = World::new().await;
    let service = world.service("db");
    let mut key = key_of(&service);
    world
        .change(|tx| {
            tx.put(key.clone());
            tx.begin_to_delete(&service, &by(), None, AT);
        })
        .await;
    assert_eq!(world.plan(AT).steps, [Step::Unbind(service.id)]);
    world
        .change(|tx| tx.begin_to_unbind(&key, &by(), None, AT))
        .await;
    assert_eq!(world.plan(AT).steps, [world.call(key.id)]);
    // The binding stays, and so does the instance.
    key.last_operation =
        Operation::begun(OperationKind::Delete, AT).to(OperationState::Failed, "no", seconds(1));
    world.change(|tx| tx.put(key.clone())).await;
    assert_eq!(world.plan(AT).steps, [Step::GiveUp(service.id)]);
    world.change(|tx| tx.delete(key.id)).await;
    assert_eq!(world.plan(AT).steps, [world.call(service.id)]);
}

#[tokio::test]
async fn a_space_goes_after_its_instances_or_stays() {
    let world = World::new().await;
    let service = world.service("db");
    let job = Job {
        id: JobId::random(),
        operation: "space.delete".to_owned(),
        state: JobState::Processing,
        errors: Vec::new(),
        warnings: Vec::new(),
        resource: None,
        work: Some(Work::Delete {
            doomed: Doomed::Space(world.space),
            by: by(),
        }),
        created_at: AT,
        updated_at: AT,
    };
    world
        .change(|tx| {
            tx.put(service.clone());
            tx.put(job.clone());
        })
        .await;
    assert_eq!(world.plan(AT).steps, [Step::Begin(job.id)]);
    let mut going = service.clone();
    going.last_operation = Operation::begun(OperationKind::Delete, AT);
    going.errand = Some(polled(seconds(10)));
    world.change(|tx| tx.put(going.clone())).await;
    assert!(world.plan(AT).steps.is_empty());
    going.errand = None;
    going.last_operation = going
        .last_operation
        .to(OperationState::Failed, "no", seconds(1));
    world.change(|tx| tx.put(going.clone())).await;
    assert_eq!(world.plan(AT).steps, [Step::Fail(job.id)]);
    world.change(|tx| tx.delete(service.id)).await;
    assert_eq!(world.plan(AT).steps, [Step::Finish(job.id)]);
}

#[tokio::test]
async fn orphans_wait_for_their_time() {
    let world = World::new().await;
    let orphan = Orphan {
        id: OrphanId::random(),
        instance: ServiceId::random(),
        binding: false,
        broker: world.broker.id,
        service_id: "db".to_owned(),
        plan_id: "small".to_owned(),
        by: by(),
        tries: 0,
        next_at: seconds(5),
        created_at: AT,
    };
    world.change(|tx| tx.put(orphan.clone())).await;
    assert_eq!(world.plan(AT).next_at, Some(seconds(5)));
    assert_eq!(world.plan(seconds(5)).steps, [world.call(orphan.id)]);
}

#[tokio::test]
async fn plans_that_a_catalog_drops_go_or_are_closed() {
    let world = World::new().await;
    let broker = &world.broker;
    let names = || {
        let state = world.store.state();
        let plans = state.plans.values();
        plans
            .map(|plan| (plan.terms.name.clone(), plan.available))
            .collect::<BTreeMap<_, _>>()
    };
    let service = world.service("db");
    world
        .change(|tx| {
            tx.put(service.clone());
            let warnings = apply(tx, broker, &catalog(&["large"]), AT);
            assert!(
                warnings[0].ends_with("Service Offering: db\nPlans deactivated: small\n"),
                "{warnings:?}"
            );
        })
        .await;
    let closed = [("large".to_owned(), true), ("small".to_owned(), false)];
    assert_eq!(names(), BTreeMap::from(closed));
    world
        .change(|tx| {
            tx.delete(service.id);
            assert!(apply(tx, broker, &catalog(&["small", "tiny"]), AT).is_empty());
        })
        .await;
    let open = [("small".to_owned(), true), ("tiny".to_owned(), true)];
    assert_eq!(names(), BTreeMap::from(open));
}

//! Records of services and their brokers, and how they are found.

use std::path::Path;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fixture::{AT, metadata, uuid};
use crate::{
    model::{
        Actor, AppId, Binding, BindingId, Broker, BrokerChange, BrokerId, BrokerLogin, BrokerState,
        BrokerSync, Change, Credentials, Doomed, Errand, Job, JobId, JobState, MaintenanceInfo,
        Offering, OfferingId, OfferingTerms, Operation, OperationKind, OperationState, OrgId,
        Orphan, OrphanId, Plan, PlanId, PlanTerms, RouteBinding, RouteBindingId, RouteId, Schemas,
        Service, ServiceId, ServiceKind, ServiceName, ServiceUsage, ServiceUsageId, SpaceId, Stage,
        Told, UsageState, Work,
    },
    store::{Key, Record, State, codec},
};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn by() -> Actor {
    Actor {
        guid: "b".to_owned(),
        kind: "user".to_owned(),
        name: "admin".to_owned(),
    }
}

fn errand(stage: Stage) -> Errand {
    Errand {
        job: Some(JobId::from_uuid(uuid(60, 1))),
        by: by(),
        parameters: Some(Credentials(object(&json!({ "size": 1 })))),
        told: json!({ "request": {} }),
        change: Some(Change {
            name: Some(ServiceName::parse("other").unwrap()),
            tags: Some(vec!["t".to_owned()]),
            plan: Some(PlanId::from_uuid(uuid(53, 1))),
            maintenance_info: None,
        }),
        stage,
    }
}

/// One record of each kind that came with brokers.
pub(super) fn records(number: u64, space: SpaceId, route: RouteId) -> Vec<Record> {
    let broker = BrokerId::from_uuid(uuid(51, number));
    let offering = OfferingId::from_uuid(uuid(52, number));
    let plan = PlanId::from_uuid(uuid(53, number));
    let service = ServiceId::from_uuid(uuid(54, number));
    let version = MaintenanceInfo {
        version: "1.2.3".to_owned(),
        description: Some("faster".to_owned()),
    };
    let last = Operation {
        state: OperationState::InProgress,
        ..Operation::begun(OperationKind::Update, AT)
    };
    vec![
        Broker {
            id: broker,
            name: format!("broker-{number}"),
            url: "https://broker.example.kr".to_owned(),
            login: BrokerLogin {
                username: "u".to_owned(),
                password: "p".to_owned(),
            },
            space: Some(space),
            vouched: true,
            state: BrokerState::Synchronizing,
            sync: Some(BrokerSync {
                job: JobId::from_uuid(uuid(60, number)),
                by: by(),
                change: Some(BrokerChange {
                    name: Some("new".to_owned()),
                    url: Some(("http://new".to_owned(), false)),
                    login: None,
                    metadata: Some(metadata()),
                }),
                before: BrokerState::Available,
            }),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Offering {
            id: offering,
            broker,
            available: true,
            terms: OfferingTerms {
                id: "o".to_owned(),
                name: "mysql".to_owned(),
                description: "a database".to_owned(),
                bindable: true,
                tags: vec!["sql".to_owned()],
                requires: vec!["syslog_drain".to_owned()],
                metadata: object(&json!({ "shareable": true })),
                ..OfferingTerms::default()
            },
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Plan {
            id: plan,
            offering,
            available: true,
            public: false,
            orgs: [OrgId::from_uuid(uuid(1, number))].into(),
            terms: PlanTerms {
                id: "p".to_owned(),
                name: "small".to_owned(),
                description: "10 MB".to_owned(),
                free: true,
                bindable: Some(true),
                plan_updateable: None,
                maximum_polling_duration: Some(60),
                maintenance_info: Some(version),
                metadata: object(&json!({ "bullets": [] })),
                schemas: Schemas::default(),
            },
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        RouteBinding {
            id: RouteBindingId::from_uuid(uuid(57, number)),
            service,
            route,
            route_service_url: Some("https://filter.example.kr".to_owned()),
            last_operation: last,
            errand: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Orphan {
            id: OrphanId::from_uuid(uuid(58, number)),
            instance: service,
            binding: true,
            broker,
            service_id: "o".to_owned(),
            plan_id: "p".to_owned(),
            by: by(),
            tries: 2,
            next_at: AT,
            created_at: AT,
        }
        .into(),
        ServiceUsage {
            id: ServiceUsageId::from_uuid(uuid(59, number)),
            state: UsageState::Created,
            org: OrgId::from_uuid(uuid(1, number)),
            space,
            space_name: "space".to_owned(),
            instance: service,
            instance_name: "managed".to_owned(),
            instance_type: "managed_service_instance".to_owned(),
            plan: Some((plan.to_string(), "small".to_owned())),
            offering: Some((offering.to_string(), "mysql".to_owned())),
            broker: Some((broker.to_string(), "broker".to_owned())),
            created_at: AT,
        }
        .into(),
    ]
}

/// Records of older kinds, as they are with brokers.
fn at_brokers(space: SpaceId, app: AppId) -> Vec<Record> {
    let number = 1;
    let broker = BrokerId::from_uuid(uuid(51, number));
    let plan = PlanId::from_uuid(uuid(53, number));
    let service = ServiceId::from_uuid(uuid(54, number));
    let last = Operation {
        state: OperationState::InProgress,
        ..Operation::begun(OperationKind::Update, AT)
    };
    let polled = errand(Stage::Poll {
        operation: Some("task 7".to_owned()),
        next_at: AT,
        until: AT,
        polls: 3,
    });
    let version = MaintenanceInfo {
        version: "1.2.3".to_owned(),
        description: None,
    };
    vec![
        Service {
            id: service,
            space,
            name: ServiceName::parse("managed").unwrap(),
            kind: ServiceKind::Managed {
                plan,
                dashboard_url: Some("https://d".to_owned()),
                maintenance_info: Some(version),
                broker_metadata: object(&json!({ "labels": {} })),
            },
            vouched: false,
            tags: Vec::new(),
            shared_with: [space].into(),
            last_operation: last,
            errand: Some(polled),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Binding {
            id: BindingId::from_uuid(uuid(55, number)),
            service,
            app: Some(app),
            name: None,
            told: Some(Told {
                credentials: Credentials(object(&json!({ "uri": "mysql://u:p@db/x" }))),
                syslog_drain_url: None,
            }),
            last_operation: Operation::done(OperationKind::Create, AT),
            errand: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Binding {
            id: BindingId::from_uuid(uuid(56, number)),
            service,
            app: None,
            name: Some("key".to_owned()),
            told: None,
            last_operation: Operation::begun(OperationKind::Create, AT),
            errand: Some(errand(Stage::Ask)),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Job {
            id: JobId::from_uuid(uuid(60, number)),
            operation: "space.delete".to_owned(),
            state: JobState::Polling,
            errors: Vec::new(),
            warnings: Vec::new(),
            resource: Some(("service_brokers".to_owned(), broker.to_string())),
            work: Some(Work::Delete {
                doomed: Doomed::Space(space),
                by: by(),
            }),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
    ]
}

#[test]
fn what_is_at_brokers_is_read_as_it_was_written() {
    let space = SpaceId::from_uuid(uuid(2, 1));
    for record in at_brokers(space, AppId::from_uuid(uuid(6, 1))) {
        let json = serde_json::to_vec(&record).unwrap();
        let read = codec::decode_record(&json, Path::new("record"), 0);
        assert_eq!(read.unwrap(), record);
    }
}

#[test]
fn what_is_under_way_is_found() {
    let space = SpaceId::from_uuid(uuid(2, 1));
    let app = AppId::from_uuid(uuid(6, 1));
    let mut state = State::default();
    let mut records = records(1, space, RouteId::from_uuid(Uuid::nil()));
    records.extend(at_brokers(space, app));
    for record in &records {
        state.apply(&crate::store::Change::Put(record.clone()));
    }
    let open = |state: &State| state.errands().map(Key::kind).collect::<Vec<_>>();
    assert_eq!(open(&state).len(), 5, "{:?}", open(&state));
    let service = ServiceId::from_uuid(uuid(54, 1));
    assert_eq!(state.keys_of_service(service).count(), 1);
    assert_eq!(state.services_shared_with(space).count(), 1);
    let found = state.services[&service].clone();
    assert!(state.origin_of(&found).is_some());
    // A broker of one space speaks for nobody.
    assert!(!state.is_vouched(&found));
    for record in &records {
        state.apply(&crate::store::Change::Delete(record.key()));
    }
    assert!(open(&state).is_empty() && state.is_empty());
    assert_eq!(state.indexes, crate::store::Indexes::default());
}

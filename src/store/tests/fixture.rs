//! Records and stores to test with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::json;
use uuid::Uuid;

use crate::{
    model::{
        Actor, App, AppId, AppName, AppProtocol, AppState, Binding, BindingId, Build, BuildId,
        BuildState, Client, ClientId, Credentials, Destination, DestinationId, Domain, DomainId,
        DomainName, Droplet, DropletBuildpack, DropletId, DropletKind, DropletState, EnvGroup,
        EnvGroupId, Event, EventId, EventTarget, Failure, FeatureFlag, Flag, FlagId, Group,
        GroupId, HealthCheck, HealthKind, IsolationSegment, Job, JobError, JobId, JobState,
        KnownTo, Lifecycle, LifecycleKind, Limits, Megabytes, Metadata, Operation, OperationKind,
        Org, OrgId, OrgName, OrgQuota, OrgQuotaId, Package, PackageId, PackageState, PeerPolicy,
        PeerPolicyId, PeerProtocol, PortRange, Process, ProcessId, ProcessType, Profile, QuotaName,
        Reach, ReadinessCheck, RefreshToken, Role, RoleId, RoleKind, RoleScope, Route, RouteHost,
        RouteId, RoutePath, RuleProtocol, SecurityGroup, SecurityGroupId, SecurityGroupName,
        SecurityRule, Seed, SeedId, SegmentId, SegmentName, Service, ServiceId, ServiceKind,
        ServiceName, Space, SpaceId, SpaceName, SpaceQuota, SpaceQuotaId, Stack, StackId,
        StackState, Timestamp, TokenId, User, UserId, Username,
    },
    store::{Config, Opened, Record, Store, StoreError},
};

/// A store in `dir` that takes a checkpoint every few kilobytes.
pub(super) fn open(dir: &Path) -> (Store, Opened) {
    Store::open(&small(dir)).unwrap()
}

pub(super) fn small(dir: &Path) -> Config {
    Config {
        checkpoint_bytes: 16 * 1024,
        ..Config::new(dir)
    }
}

/// Runs a future to its end.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Commits records.
pub(super) async fn put(
    store: &Store,
    records: impl IntoIterator<Item = Record>,
) -> Result<(), StoreError> {
    store
        .commit(|tx| {
            for record in records {
                tx.change(crate::store::Change::Put(record));
            }
            Ok(())
        })
        .await
}

pub(super) fn uuid(kind: u8, number: u64) -> Uuid {
    Uuid::from_u64_pair(u64::from(kind) << 56 | 0x4000, number | 0x8000 << 48)
}

pub(super) fn metadata() -> Metadata {
    Metadata {
        labels: BTreeMap::from([("team".to_owned(), "검색".to_owned())]),
        annotations: BTreeMap::from([("note".to_owned(), "a \"quoted\" note".to_owned())]),
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.apps.total_memory_in_mb = Some(1024);
    limits.services.paid_services_allowed = false;
    limits.routes.total_reserved_ports = Some(0);
    limits
}

pub(super) const AT: Timestamp = Timestamp::from_millis(1_767_323_045_678);

/// An organization, `number` of many.
pub(super) fn org(number: u64) -> Org {
    Org {
        id: OrgId::from_uuid(uuid(1, number)),
        name: OrgName::parse(format!("org {number}")).unwrap(),
        suspended: false,
        quota: None,
        isolation_segment: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

/// An event with `bytes` of data.
pub(super) fn event(number: u64, bytes: usize) -> Event {
    Event {
        id: EventId::from_uuid(uuid(13, number)),
        kind: "audit.app.create".to_owned(),
        actor: Actor::system(),
        target: EventTarget {
            guid: uuid(7, number).to_string(),
            kind: "app".to_owned(),
            name: "shop".to_owned(),
        },
        data: json!({ "request": "x".repeat(bytes), "first": 1, "a": null }),
        space: Some(SpaceId::from_uuid(uuid(2, number))),
        org: None,
        created_at: AT,
    }
}

/// One record of every kind, as an app with everything has them; they refer to each other.
pub(super) fn every_kind(number: u64) -> Vec<Record> {
    let (org, space) = (org(number), SpaceId::from_uuid(uuid(2, number)));
    let (user, app) = (
        UserId::from_uuid(uuid(3, number)),
        AppId::from_uuid(uuid(7, number)),
    );
    let domain = DomainId::from_uuid(uuid(6, number));
    let package = PackageId::from_uuid(uuid(9, number));
    let build = BuildId::from_uuid(uuid(10, number));
    let droplet = DropletId::from_uuid(uuid(11, number));
    let service = ServiceId::from_uuid(uuid(18, number));
    let lifecycle = Lifecycle {
        kind: LifecycleKind::Buildpack,
        buildpacks: vec!["python_buildpack".to_owned()],
        stack: Some("cflinuxfs4".to_owned()),
        credentials: BTreeMap::new(),
    };
    let org_id = org.id;
    let mut records: Vec<Record> = vec![
        OrgQuota {
            id: OrgQuotaId::from_uuid(uuid(22, number)),
            name: QuotaName::parse(format!("small {number}")).unwrap(),
            limits: limits(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        org.into(),
        SpaceQuota {
            id: SpaceQuotaId::from_uuid(uuid(23, number)),
            org: org_id,
            name: QuotaName::parse("student").unwrap(),
            limits: limits(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Space {
            id: space,
            org: org_id,
            name: SpaceName::parse("개발").unwrap(),
            allow_ssh: true,
            quota: None,
            isolation_segment: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        User {
            id: user,
            username: Username::parse(format!("user{number}@example.kr")).unwrap(),
            origin: "uaa".to_owned(),
            external_id: None,
            known_to: KnownTo::default(),
            password_hash: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
            admin: true,
            profile: Profile::default(),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Role {
            id: RoleId::from_uuid(uuid(4, number)),
            user,
            kind: RoleKind::SpaceDeveloper,
            scope: RoleScope::Space(space),
            created_at: AT,
        }
        .into(),
        RefreshToken {
            id: TokenId::from_uuid(uuid(5, number)),
            user,
            digest: "00ff".repeat(16),
            client: None,
            scope: None,
            grant: None,
            expires_at: AT,
        }
        .into(),
        Domain {
            id: domain,
            name: DomainName::parse(format!("apps{number}.example.kr")).unwrap(),
            org: Some(org_id),
            shared_with: vec![org_id],
            internal: false,
            tcp: false,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        App {
            id: app,
            space,
            name: AppName::parse(format!("shop-{number}")).unwrap(),
            state: AppState::Started,
            lifecycle: lifecycle.clone(),
            env: BTreeMap::from([("KEY".to_owned(), "값".to_owned())]),
            current_droplet: Some(droplet),
            generation: 7,
            features: BTreeMap::from([("ssh".to_owned(), false)]),
            uid_range: Some(200_000),
            cache_cleared_at: None,
            git_source: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Process {
            id: ProcessId::from(app),
            app,
            process_type: ProcessType::web(),
            command: Some("python app.py".to_owned()),
            instances: 2,
            memory: Megabytes(256),
            disk: Megabytes(1024),
            log_rate_limit: -1,
            health: HealthCheck {
                kind: HealthKind::Http {
                    endpoint: "/health".to_owned(),
                },
                timeout: Some(90),
                invocation_timeout: None,
                interval: Some(10),
            },
            readiness: ReadinessCheck::default(),
            generation: 3,
            revision: None,
            pin: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Package {
            id: package,
            app,
            state: PackageState::Ready {
                sha256: "ab".repeat(32),
            },
            image: None,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Build {
            id: build,
            app,
            package,
            state: BuildState::Failed {
                failure: Failure {
                    id: "BuildpackCompileFailed".to_owned(),
                    detail: "pip ended with 1".to_owned(),
                },
            },
            lifecycle,
            memory: Some(Megabytes(1024)),
            created_by: Actor::system(),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Droplet {
            id: droplet,
            app,
            package: Some(package),
            build: Some(build),
            state: DropletState::Staged {
                sha256: "cd".repeat(32),
                size: 12_345,
            },
            kind: DropletKind::Process,
            process_types: BTreeMap::from([(ProcessType::web(), "python app.py".to_owned())]),
            env: BTreeMap::from([("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]),
            static_root: String::new(),
            image: None,
            launch: None,
            buildpacks: vec![DropletBuildpack {
                name: "python_buildpack".to_owned(),
                detect_output: "Python 3.11".to_owned(),
                version: Some("3.11.2".to_owned()),
            }],
            stack: "cflinuxfs4".to_owned(),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Route {
            id: RouteId::from_uuid(uuid(12, number)),
            space,
            domain,
            shared_with: BTreeSet::new(),
            host: RouteHost::parse("shop").unwrap(),
            path: RoutePath::parse("/v1").unwrap(),
            port: None,
            destinations: vec![Destination {
                id: DestinationId::from_uuid(uuid(15, number)),
                app,
                process_type: ProcessType::web(),
                port: Some(8080),
                weight: None,
                protocol: AppProtocol::Http2,
            }],
            options: BTreeMap::from([("loadbalancing".to_owned(), "round-robin".to_owned())]),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        SecurityGroup {
            id: SecurityGroupId::from_uuid(uuid(16, number)),
            name: SecurityGroupName::parse(format!("db-{number}")).unwrap(),
            rules: vec![SecurityRule {
                protocol: RuleProtocol::Tcp,
                destination: "10.0.0.0/8,2001:db8::1-2001:db8::9".to_owned(),
                ports: Some("5432,6432".to_owned()),
                kind: None,
                code: None,
                description: Some("databases".to_owned()),
                log: Some(true),
            }],
            running: Reach {
                everywhere: true,
                spaces: BTreeSet::from([space]),
            },
            staging: Reach::default(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        PeerPolicy {
            id: PeerPolicyId::from_uuid(uuid(17, number)),
            source: app,
            destination: app,
            protocol: PeerProtocol::Udp,
            ports: PortRange {
                first: 53,
                last: 5353,
            },
            created_at: AT,
        }
        .into(),
        Service {
            id: service,
            space,
            name: ServiceName::parse("주문 DB").unwrap(),
            kind: ServiceKind::UserProvided {
                credentials: Credentials(
                    json!({ "uri": "postgres://u:p@db:5432/x" })
                        .as_object()
                        .cloned()
                        .unwrap(),
                ),
                syslog_drain_url: Some("syslog-tls://logs.example.kr:6514".to_owned()),
                route_service_url: None,
                route_service_vouched: false,
            },
            vouched: true,
            tags: vec!["sql".to_owned()],
            shared_with: BTreeSet::new(),
            errand: None,
            last_operation: Operation::done(OperationKind::Create, AT),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Binding {
            id: BindingId::from_uuid(uuid(19, number)),
            service,
            app: Some(app),
            told: None,
            errand: None,
            name: Some("orders".to_owned()),
            last_operation: Operation::done(OperationKind::Update, AT),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        FeatureFlag {
            id: FlagId::from_uuid(uuid(24, number)),
            name: Flag::AppScaling.name().to_owned(),
            enabled: false,
            custom_error_message: Some("Ask the teacher.".to_owned()),
            updated_at: AT,
        }
        .into(),
        EnvGroup {
            id: EnvGroupId::from_uuid(uuid(25, number)),
            var: BTreeMap::from([("PROXY".to_owned(), "http://proxy".to_owned())]),
            updated_at: AT,
        }
        .into(),
        IsolationSegment {
            id: SegmentId::from_uuid(uuid(26, number)),
            name: SegmentName::parse(format!("gpu {number}")).unwrap(),
            orgs: BTreeSet::from([org_id]),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Group {
            id: GroupId::from_uuid(uuid(27, number)),
            name: format!("teachers.{number}"),
            description: "Who teaches".to_owned(),
            members: BTreeSet::from([user]),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Client {
            id: ClientId::from_uuid(uuid(28, number)),
            name: format!("deployer{number}"),
            title: "The deployer".to_owned(),
            secrets: vec!["$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()],
            grant_types: vec!["client_credentials".to_owned()],
            scope: vec!["uaa.none".to_owned()],
            authorities: vec!["cloud_controller.admin".to_owned()],
            redirect_uris: vec!["https://deployer.example.kr/back".to_owned()],
            autoapprove: vec!["true".to_owned()],
            access_seconds: Some(600),
            refresh_seconds: None,
            revoked_at: Some(AT),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Stack {
            id: StackId::from_uuid(uuid(41, number)),
            name: format!("stack{number}"),
            description: Some("the next one".to_owned()),
            state: StackState::Restricted,
            state_reason: Some("Not yet.".to_owned()),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Seed {
            id: SeedId::from_uuid(uuid(20, number)),
            name: "security groups".to_owned(),
            at: AT,
        }
        .into(),
        super::usage::of_app(number, app, (space, org_id)).into(),
        event(number, 40).into(),
        Job {
            id: JobId::from_uuid(uuid(14, number)),
            operation: "app.delete".to_owned(),
            state: JobState::Failed,
            errors: vec![JobError {
                code: 10_008,
                title: "CF-UnprocessableEntity".to_owned(),
                detail: "no".to_owned(),
            }],
            warnings: vec!["careful".to_owned()],
            resource: None,
            work: None,
            created_at: AT,
            updated_at: AT,
        }
        .into(),
    ];
    let route = RouteId::from_uuid(uuid(12, number));
    records.extend(super::runs::records(number, app, droplet));
    records.extend(super::services::records(number, space, route));
    records
}

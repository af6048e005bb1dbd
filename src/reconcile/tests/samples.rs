//! Small desired states.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{
        App, AppId, AppName, AppProtocol, AppState, Build, BuildId, BuildState, Destination,
        DestinationId, Domain, DomainId, DomainName, Droplet, DropletId, DropletKind, DropletState,
        HealthCheck, Lifecycle, Megabytes, Metadata, Org, OrgId, OrgName, Package, PackageId,
        PackageState, Process, ProcessId, ProcessType, ReadinessCheck, Route, RouteHost, RouteId,
        RoutePath, Space, SpaceId, SpaceName, Timestamp,
    },
    store::{Store, StoreError, Tx},
};

pub(in crate::reconcile) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// An app that is started with `instances` instances, and all that it needs around it.
pub(in crate::reconcile) async fn app(store: &Store, name: &str, instances: u32) -> AppId {
    let id = AppId::random();
    commit(store, |tx| {
        let org = Org {
            id: OrgId::random(),
            name: OrgName::parse(format!("org of {name}")).unwrap(),
            suspended: false,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let space = Space {
            id: SpaceId::random(),
            org: org.id,
            name: SpaceName::parse("dev").unwrap(),
            allow_ssh: false,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let domain = Domain {
            id: DomainId::random(),
            name: DomainName::parse(format!("{name}.example.kr")).unwrap(),
            org: None,
            shared_with: Vec::new(),
            internal: false,
            tcp: false,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let droplet = droplet(id, "d0");
        let route = Route {
            id: RouteId::random(),
            space: space.id,
            domain: domain.id,
            shared_with: BTreeSet::new(),
            host: RouteHost::parse("www").unwrap(),
            path: RoutePath::parse("").unwrap(),
            port: None,
            destinations: vec![Destination {
                id: DestinationId::random(),
                app: id,
                process_type: ProcessType::web(),
                port: None,
                weight: None,
                protocol: AppProtocol::Http1,
            }],
            options: BTreeMap::new(),
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        tx.put(App {
            id,
            space: space.id,
            name: AppName::parse(name).unwrap(),
            state: AppState::Started,
            lifecycle: Lifecycle::default(),
            env: BTreeMap::from([("GREETING".to_owned(), "hi".to_owned())]),
            current_droplet: Some(droplet.id),
            generation: 1,
            features: BTreeMap::new(),
            uid_range: None,
            cache_cleared_at: None,
            git_source: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        });
        tx.put(process(id, instances));
        tx.put(org);
        tx.put(space);
        tx.put(domain);
        tx.put(droplet);
        tx.put(route);
    })
    .await;
    id
}

pub(in crate::reconcile) fn process(app: AppId, instances: u32) -> Process {
    Process {
        id: ProcessId::from(app),
        app,
        process_type: ProcessType::web(),
        command: Some("run".to_owned()),
        instances,
        memory: Megabytes(64),
        disk: Megabytes(128),
        log_rate_limit: -1,
        health: HealthCheck::default_for(true),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

pub(in crate::reconcile) fn droplet(app: AppId, sha256: &str) -> Droplet {
    Droplet {
        id: DropletId::random(),
        app,
        package: None,
        build: None,
        state: DropletState::Staged {
            sha256: sha256.to_owned(),
            size: 1,
        },
        kind: DropletKind::Process,
        process_types: BTreeMap::new(),
        env: BTreeMap::from([("RUNTIME".to_owned(), "yes".to_owned())]),
        static_root: String::new(),
        image: None,
        launch: None,
        buildpacks: Vec::new(),
        stack: "pastina".to_owned(),
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

pub(in crate::reconcile) fn package(app: AppId, sha256: &str, at: Timestamp) -> Package {
    Package {
        id: PackageId::random(),
        app,
        state: PackageState::Ready {
            sha256: sha256.to_owned(),
        },
        image: None,
        metadata: Metadata::default(),
        created_at: at,
        updated_at: at,
    }
}

pub(in crate::reconcile) fn build(app: AppId, package: PackageId, at: Timestamp) -> Build {
    Build {
        id: BuildId::random(),
        app,
        package,
        state: BuildState::Staging,
        lifecycle: Lifecycle::default(),
        memory: None,
        created_by: crate::model::Actor::system(),
        metadata: Metadata::default(),
        created_at: at,
        updated_at: at,
    }
}

/// Commits what `change` puts.
pub(in crate::reconcile) async fn commit(store: &Store, change: impl FnOnce(&mut Tx)) {
    let done: Result<(), StoreError> = store
        .commit(|tx| {
            change(tx);
            Ok(())
        })
        .await;
    done.unwrap();
}

/// Changes an app.
pub(in crate::reconcile) async fn change(store: &Store, id: AppId, change: impl FnOnce(&mut App)) {
    commit(store, |tx| {
        let mut app = App::clone(&tx.apps[&id]);
        change(&mut app);
        tx.put(app);
    })
    .await;
}

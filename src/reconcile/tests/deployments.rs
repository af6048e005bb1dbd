//! Deployments from outside: the loops lead one on to its end.

use std::time::Duration;

use super::{samples, start};
use crate::{
    drivers::fake::World,
    model::{
        AppId, Deployment, DeploymentId, DeploymentOptions, DeploymentState, DropletId, Metadata,
        Pin, Process, ProcessId, ProcessType, Strategy,
    },
    store::Store,
};

/// Puts in what `POST /v3/deployments` puts in.
async fn deploy(store: &Store, app: AppId, strategy: Strategy) -> DeploymentId {
    let id = DeploymentId::random();
    samples::commit(store, |tx| {
        let old: DropletId = tx.apps[&app].current_droplet.unwrap();
        let droplet = samples::droplet(app, &"ef".repeat(32));
        let new = ProcessId::random();
        let web = Process::clone(tx.process_by_type(app, "web").unwrap());
        let mut changed = crate::model::App::clone(&tx.apps[&app]);
        changed.current_droplet = Some(droplet.id);
        let worker = Process {
            id: ProcessId::random(),
            process_type: ProcessType::parse("worker").unwrap(),
            instances: 1,
            ..web.clone()
        };
        for process in [web.clone(), worker] {
            tx.put(Process {
                pin: Some(Pin {
                    generation: changed.generation,
                    droplet: old,
                    env: changed.env.clone(),
                    command: web.command.clone(),
                    sidecars: Vec::new(),
                }),
                ..process
            });
        }
        tx.put(Process {
            id: new,
            instances: 1,
            created_at: crate::model::Timestamp::from_millis(web.created_at.millis() + 1),
            ..web.clone()
        });
        tx.put(changed);
        tx.put(Deployment {
            id,
            app,
            strategy,
            state: match strategy {
                Strategy::Rolling => DeploymentState::Deploying,
                Strategy::Canary => DeploymentState::Prepaused,
            },
            options: DeploymentOptions {
                max_in_flight: 1,
                ..DeploymentOptions::default()
            },
            step: 1,
            original: web.instances,
            droplet: droplet.id,
            previous_droplet: Some(old),
            process: Some(new),
            revision: None,
            rollback: false,
            healthy_at: samples::AT,
            state_at: samples::AT,
            metadata: Metadata::default(),
            created_at: samples::AT,
            updated_at: samples::AT,
        });
        tx.put(droplet);
    })
    .await;
    id
}

async fn until(store: &Store, id: DeploymentId, state: DeploymentState) {
    let mut changes = store.watch();
    let wait = async {
        while store.state().deployments[&id].state != state {
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("still {:?}", store.state().deployments[&id]));
}

#[tokio::test]
async fn a_rolling_deployment_leads_to_the_new_process_with_a_route_all_along() {
    let (store, world) = (Store::in_memory(), World::default());
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = start(&store, &world, dir.path());
    let app = samples::app(&store, "shop", 2).await;
    daemon.running(app, 2).await;
    let table = std::sync::Arc::clone(&daemon.table);
    let watcher = tokio::spawn(async move {
        let mut fewest = usize::MAX;
        loop {
            let table = table.load_full();
            if let Some(entry) = table.lookup("shop.example.kr", "/") {
                fewest = fewest.min(entry.backends.len());
            }
            assert!(fewest >= 2, "{fewest} backends");
            tokio::task::yield_now().await;
        }
    });
    let deployment = deploy(&store, app, Strategy::Rolling).await;
    until(&store, deployment, DeploymentState::Deployed).await;
    watcher.abort();
    assert!(watcher.await.unwrap_err().is_cancelled());
    let state = store.state();
    let webs: Vec<&Process> = state.processes_of_type(app, "web").collect();
    assert_eq!(webs.len(), 1);
    assert_eq!((webs[0].instances, webs[0].pin.is_none()), (2, true));
    assert_ne!(webs[0].id, ProcessId::from(app));
    // Last of all, the others.
    let worker = state.process_by_type(app, "worker").unwrap();
    assert_eq!((worker.generation, worker.pin.is_none()), (1, true));
}

#[tokio::test]
async fn a_canary_waits_for_a_word_and_gives_way_when_it_is_cancelled() {
    let (store, world) = (Store::in_memory(), World::default());
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = start(&store, &world, dir.path());
    let app = samples::app(&store, "shop", 2).await;
    let slots = daemon.running(app, 2).await;
    let deployment = deploy(&store, app, Strategy::Canary).await;
    until(&store, deployment, DeploymentState::Paused).await;
    samples::commit(&store, |tx| {
        let mut found = Deployment::clone(&tx.deployments[&deployment]);
        let mut app = crate::model::App::clone(&tx.apps[&app]);
        app.current_droplet = found.previous_droplet;
        found.state = DeploymentState::Canceling;
        tx.put(app);
        tx.put(found);
    })
    .await;
    until(&store, deployment, DeploymentState::Canceled).await;
    // What ran goes on as it did.
    assert_eq!(
        super::ids(&daemon.running(app, 2).await),
        super::ids(&slots)
    );
    assert_eq!(store.state().processes_of_type(app, "web").count(), 1);
}

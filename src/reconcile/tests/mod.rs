//! The loops from outside: desired state goes in, and what runs and is routed follows.

mod chance;
mod deployments;
pub(in crate::reconcile) mod samples;
mod tasks;

use std::{path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub(in crate::reconcile) use self::chance::Chance;
use self::samples::{app, build, change, commit, package, process};
use super::{Config, Deps, Handle, Reconciler, network};
use crate::{
    blobs::{self, Blobs},
    brokers::{self, Brokers},
    build::{self as staging, Builder},
    drivers::fake::World,
    images::{self, Images},
    logs::Logs,
    model::{
        AppId, AppState, BuildState, Exit, InstanceId, InstanceState, InstanceView, Megabytes,
        Observed, ProcessId,
    },
    routing::RouteTable,
    sandbox::Disks,
    stdx::clock::Clock,
    store::Store,
};

struct Daemon {
    handle: Handle,
    observed: watch::Receiver<Arc<Observed>>,
    table: Arc<ArcSwap<RouteTable>>,
}

fn start(store: &Store, world: &World, dir: &Path) -> Daemon {
    let limits = blobs::Limits {
        upload: 1 << 20,
        unpacked: 1 << 20,
        entries: 100,
    };
    let blobs = Blobs::open(&dir.join("blobs"), limits).unwrap();
    let logs = Logs::default();
    let (_, runtimes) = watch::channel(Arc::default());
    let disks = Disks::of_folders("nothing is built");
    let config = staging::Config::new(dir.join("builds"), disks, []);
    let images = Images::open(
        images::Config {
            dir: dir.join("images"),
            limits: images::Limits::default(),
            policy: images::Policy::default(),
            proxies: crate::net::Proxies::default(),
        },
        false,
    )
    .unwrap();
    let builder = Builder::new(config, (blobs.clone(), images), logs.clone(), runtimes);
    let table: Arc<ArcSwap<RouteTable>> = Arc::default();
    let (handle, observed) = Reconciler::start(Deps {
        store: store.clone(),
        drivers: world.drivers(&dir.join("instances")),
        builder,
        brokers: Brokers::try_new(brokers::Config::default()).unwrap(),
        blobs,
        logs,
        table: Arc::clone(&table),
        tabled: watch::Sender::new(()),
        clock: Clock::system(),
        config: Config::for_machine(2, Megabytes(256)),
        bandwidth: watch::channel(None).1,
    });
    Daemon {
        handle,
        observed,
        table,
    }
}

impl Daemon {
    /// Waits until the slots of the app's web process hold `law`.
    async fn until(
        &mut self,
        app: AppId,
        law: impl Fn(&[InstanceView]) -> bool,
    ) -> Vec<InstanceView> {
        let process = ProcessId::from(app);
        let slots = |observed: &Observed| {
            observed
                .processes
                .get(&process)
                .cloned()
                .unwrap_or_default()
        };
        let mut told = self.observed.clone();
        let waited = told.wait_for(|observed| law(&slots(observed)));
        match tokio::time::timeout(Duration::from_secs(20), waited).await {
            Ok(observed) => slots(&observed.unwrap()),
            Err(_) => panic!("still {:#?}", self.observed.borrow()),
        }
    }

    async fn running(&mut self, app: AppId, count: usize) -> Vec<InstanceView> {
        let running = |slots: &[InstanceView]| {
            slots.len() == count
                && slots
                    .iter()
                    .all(|slot| slot.state == InstanceState::Running)
        };
        self.until(app, running).await
    }

    fn routed(&self, host: &str) -> Vec<InstanceId> {
        let table = self.table.load();
        let entry = table.lookup(host, "/").unwrap();
        entry
            .backends
            .iter()
            .map(|backend| backend.instance)
            .collect()
    }
}

fn ids(slots: &[InstanceView]) -> Vec<InstanceId> {
    slots.iter().map(|slot| slot.id.unwrap()).collect()
}

#[tokio::test]
async fn what_should_run_runs_and_is_routed_and_what_should_not_is_gone() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 2).await;
    let slots = daemon.running(app, 2).await;
    assert_eq!(daemon.routed("www.shop.example.kr"), ids(&slots));

    // Scaling down takes the highest index.
    commit(&store, |tx| tx.put(process(app, 1))).await;
    let fewer = daemon.running(app, 1).await;
    assert_eq!(ids(&fewer), ids(&slots)[..1]);

    // A restart replaces it.
    change(&store, app, |app| app.generation += 1).await;
    let other = |slots: &[InstanceView]| {
        slots.len() == 1 && slots[0].state == InstanceState::Running && slots[0].id != fewer[0].id
    };
    let slots = daemon.until(app, other).await;
    assert_eq!(daemon.routed("www.shop.example.kr"), ids(&slots));
    assert_eq!(world.live(), 1);

    change(&store, app, |app| app.state = AppState::Stopped).await;
    daemon.until(app, <[_]>::is_empty).await;
    assert!(daemon.routed("www.shop.example.kr").is_empty());
    daemon.handle.stop().await;
    assert_eq!(world.live(), 0);
}

#[tokio::test]
async fn a_crash_is_told_and_followed_by_a_start() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 1).await;
    let mut last = daemon.running(app, 1).await[0].id.unwrap();
    for _ in 0..2 {
        world.end(last, Exit::Code { code: 3 });
        let next = |slots: &[InstanceView]| {
            slots[0].state == InstanceState::Running && slots[0].id != Some(last)
        };
        last = daemon.until(app, next).await[0].id.unwrap();
    }
    // The third waits.
    world.end(last, Exit::OutOfMemory);
    let slots = daemon
        .until(app, |slots| slots[0].state == InstanceState::Crashed)
        .await;
    assert_eq!(
        slots[0].details.as_deref(),
        Some("Exit status 137 (out of memory)")
    );
    let mut revisions = store.watch();
    let told = async {
        while store.state().events_of(&app.to_string()).count() < 6 {
            revisions.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap();
    let state = store.state();
    let kinds: Vec<_> = state
        .events_of(&app.to_string())
        .map(|event| &*event.kind)
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "app.crash").count(), 3);
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "audit.app.process.crash")
            .count(),
        3
    );

    // Somebody who does not want to wait asks for another one.
    daemon
        .handle
        .terminate(ProcessId::from(app), 0)
        .await
        .unwrap();
    daemon.running(app, 1).await;
    assert!(
        daemon
            .handle
            .terminate(ProcessId::from(app), 7)
            .await
            .is_err()
    );
    daemon.handle.stop().await;
}

#[tokio::test]
async fn the_next_daemon_takes_over_what_runs_and_hears_of_what_ended() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 3).await;
    let before = ids(&daemon.running(app, 3).await);
    daemon.handle.stop().await;
    assert_eq!(world.live(), 3);
    world.end(before[2], Exit::Signal { signal: 9 });

    let mut daemon = start(&store, &world, dir.path());
    let after = |slots: &[InstanceView]| {
        slots.len() == 3
            && slots
                .iter()
                .all(|slot| slot.state == InstanceState::Running)
            && slots[2].id != Some(before[2])
    };
    let slots = daemon.until(app, after).await;
    assert_eq!(ids(&slots)[..2], before[..2]);
    assert_eq!(daemon.routed("www.shop.example.kr"), ids(&slots));
    assert_eq!(world.live(), 3);
    daemon.handle.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_waits_and_says_so() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 5).await;
    let full = |slots: &[InstanceView]| {
        slots.len() == 5
            && slots[..4]
                .iter()
                .all(|slot| slot.state == InstanceState::Running)
    };
    let slots = daemon.until(app, full).await;
    assert_eq!(slots[4].state, InstanceState::Down);
    assert_eq!(
        slots[4].details.as_deref(),
        Some("insufficient resources: memory")
    );
    daemon.handle.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    *world.refuse.lock().unwrap() = Some("the moon is full".to_owned());
    let mut daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 1).await;
    let crashed = |slots: &[InstanceView]| {
        slots
            .first()
            .is_some_and(|slot| slot.state == InstanceState::Crashed)
    };
    let slots = daemon.until(app, crashed).await;
    assert_eq!(
        slots[0].details.as_deref(),
        Some("could not be started: the moon is full")
    );
    daemon.handle.stop().await;
}

#[tokio::test]
async fn a_build_without_a_package_fails_with_a_word() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let daemon = start(&store, &world, dir.path());
    let app = app(&store, "shop", 0).await;
    let gone = package(app, "x", samples::AT);
    let build = build(app, gone.id, samples::AT);
    commit(&store, |tx| tx.put(build.clone())).await;
    let mut revisions = store.watch();
    let failed = async {
        loop {
            if let BuildState::Failed { failure } = &store.state().builds[&build.id].state {
                return failure.detail.clone();
            }
            revisions.changed().await.unwrap();
        }
    };
    let detail = tokio::time::timeout(Duration::from_secs(20), failed)
        .await
        .unwrap();
    assert!(detail.contains("upload the app again"), "{detail}");
    let state = store.state();
    let event = state.events_of(&app.to_string()).next().unwrap();
    assert_eq!(event.kind, "audit.app.build.failed");
    daemon.handle.stop().await;
}

#[tokio::test]
async fn builds_wait_for_their_turn_and_one_app_has_one() {
    let store = Store::in_memory();
    let apps = [
        app(&store, "a", 0).await,
        app(&store, "b", 0).await,
        app(&store, "c", 0).await,
    ];
    let at = |ms| crate::model::Timestamp::from_millis(ms);
    let builds: Vec<_> = [(0, 1), (0, 2), (1, 3), (2, 4)]
        .map(|(app, ms)| build(apps[app], package(apps[app], "x", at(ms)).id, at(ms)))
        .into();
    commit(&store, |tx| {
        builds.iter().cloned().for_each(|build| tx.put(build))
    })
    .await;
    let state = store.state();
    let plan = |running: &[_], limit| super::builds::plan::plan(&state, running, limit);
    assert_eq!(plan(&[], 2).begin, [builds[0].id, builds[2].id]);
    assert_eq!(
        plan(&[(builds[0].id, apps[0])], 3).begin,
        [builds[2].id, builds[3].id]
    );
    let gone = crate::model::BuildId::random();
    let plan = plan(&[(gone, apps[1])], 1);
    assert_eq!((plan.cancel, plan.begin), (vec![gone], vec![builds[0].id]));
}

#[tokio::test]
async fn old_packages_and_droplets_go_but_never_the_current_one() {
    let store = Store::in_memory();
    let app = app(&store, "shop", 0).await;
    let at = crate::model::Timestamp::from_millis;
    let current = store.state().apps[&app].current_droplet.unwrap();
    let packages: Vec<_> = (0..4).map(|n| package(app, "p", at(10 + n))).collect();
    let droplets: Vec<_> = (0..3_u64)
        .map(|n| crate::model::Droplet {
            created_at: at(samples::AT.millis() + 1 + n),
            ..samples::droplet(app, "d")
        })
        .collect();
    let staging = build(app, packages[0].id, at(50));
    let done: Vec<_> = (0..25)
        .map(|n| crate::model::Build {
            state: BuildState::Staged { droplet: current },
            ..build(app, packages[3].id, at(100 + n))
        })
        .collect();
    commit(&store, |tx| {
        packages.iter().cloned().for_each(|package| tx.put(package));
        droplets.iter().cloned().for_each(|droplet| tx.put(droplet));
        done.iter().cloned().for_each(|build| tx.put(build));
        tx.put(staging.clone());
    })
    .await;
    let plan = super::cleanup::plan::plan(&store.state(), 2, samples::AT);
    assert_eq!(plan.packages, [packages[1].id]);
    assert_eq!(plan.droplets, [droplets[0].id]);
    let old: Vec<_> = done[..5]
        .iter()
        .rev()
        .map(|b| crate::store::Key::Build(b.id))
        .collect();
    assert_eq!(plan.records, old);
}

#[tokio::test]
async fn an_unchanged_route_stays_the_same_object() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let shop = app(&store, "shop", 1).await;
    daemon.running(shop, 1).await;
    let entry = |daemon: &Daemon| {
        Arc::clone(
            daemon
                .table
                .load()
                .lookup("www.shop.example.kr", "/")
                .unwrap(),
        )
    };
    let before = entry(&daemon);
    let blog = app(&store, "blog", 1).await;
    daemon.running(blog, 1).await;
    assert!(Arc::ptr_eq(&before, &entry(&daemon)));
    daemon.handle.stop().await;
}

#[tokio::test]
async fn instances_are_told_what_they_may_reach_once_and_whenever_it_changes() {
    let (store, world, dir) = (
        Store::in_memory(),
        World::default(),
        tempfile::tempdir().unwrap(),
    );
    let mut daemon = start(&store, &world, dir.path());
    let (shop, other) = (app(&store, "shop", 1).await, app(&store, "other", 1).await);
    let ids = [
        daemon.running(shop, 1).await[0].id.unwrap(),
        daemon.running(other, 1).await[0].id.unwrap(),
    ];
    let times =
        |world: &World| ids.map(|id| world.told.lock().unwrap().get(&id).map(|told| told.1));
    let until = async |law: &dyn Fn(&World) -> bool| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !law(&world) {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", world.told);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(&|world| times(world) == [Some(1), Some(1)]).await;

    // What concerns one of them is told to it alone; what changes nothing, to nobody.
    let space = store.state().apps[&shop].space;
    let mut group = network::tests::group("mine", space);
    commit(&store, |tx| tx.put(group.clone())).await;
    until(&|world| times(world) == [Some(2), Some(1)]).await;
    let rules = |world: &World| world.told.lock().unwrap()[&ids[0]].0.rules.len();
    assert_eq!(rules(&world), 1);
    change(&store, shop, |app| {
        app.env.insert("A".to_owned(), "b".to_owned());
    })
    .await;
    group.rules.clear();
    commit(&store, |tx| tx.put(group)).await;
    until(&|world| times(world) == [Some(3), Some(1)]).await;
    assert_eq!(rules(&world), 0);

    // The next daemon cannot know what its predecessor told.
    daemon.handle.stop().await;
    let next = start(&store, &world, dir.path());
    until(&|world| times(world) == [Some(4), Some(2)]).await;
    next.handle.stop().await;
}

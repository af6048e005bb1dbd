//! Tasks from outside.

use std::time::Duration;

use super::{samples, start};
use crate::{
    drivers::fake::World,
    model::{AppId, DropletId, Exit, Megabytes, Metadata, Task, TaskId, TaskState, Timestamp},
    store::Store,
};

async fn ask(store: &Store, app: AppId, memory: u32) -> TaskId {
    let id = TaskId::random();
    samples::commit(store, |tx| {
        let droplet: DropletId = tx.apps[&app].current_droplet.unwrap();
        tx.put(Task {
            id,
            app,
            sequence: 1,
            name: "migrate".to_owned(),
            command: "migrate".to_owned(),
            state: TaskState::Pending,
            droplet,
            memory: Megabytes(memory),
            disk: Megabytes(64),
            log_rate_limit: -1,
            metadata: Metadata::default(),
            created_at: samples::AT,
            updated_at: samples::AT,
        });
    })
    .await;
    id
}

async fn until(store: &Store, id: TaskId, law: impl Fn(&TaskState) -> bool) -> TaskState {
    let mut changes = store.watch();
    let wait = async {
        loop {
            changes.borrow_and_update();
            let state = store.state().tasks[&id].state.clone();
            if law(&state) {
                return state;
            }
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("still {:?}", store.state().tasks[&id]))
}

#[tokio::test]
async fn a_task_outlives_the_daemon_that_started_it_and_its_end_is_told_once() {
    let (store, world) = (Store::in_memory(), World::default());
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = start(&store, &world, dir.path());
    let app = samples::app(&store, "shop", 0).await;
    let task = ask(&store, app, 64).await;
    until(&store, task, |state| *state == TaskState::Running).await;
    assert_eq!(world.live(), 1);
    // It is no instance of the app.
    daemon.until(app, <[_]>::is_empty).await;
    daemon.handle.stop().await;
    world.end_all(&Exit::Code { code: 3 });
    let _daemon = start(&store, &world, dir.path());
    let state = until(&store, task, TaskState::is_final).await;
    let reason = "APP/TASK/migrate: Exited with status 3".to_owned();
    assert_eq!(state, TaskState::Failed { reason });
}

#[tokio::test]
async fn a_task_that_is_not_wanted_any_more_is_ended_and_one_that_cannot_fit_fails() {
    let (store, world) = (Store::in_memory(), World::default());
    let dir = tempfile::tempdir().unwrap();
    let _daemon = start(&store, &world, dir.path());
    let app = samples::app(&store, "shop", 1).await;
    let large = ask(&store, app, 10_000).await;
    let state = until(&store, large, TaskState::is_final).await;
    let reason = "insufficient resources: memory".to_owned();
    assert_eq!(state, TaskState::Failed { reason });
    let task = ask(&store, app, 64).await;
    until(&store, task, |state| *state == TaskState::Running).await;
    samples::commit(&store, |tx| {
        let mut found = Task::clone(&tx.tasks[&task]);
        found.state = TaskState::Canceling;
        tx.put(found);
    })
    .await;
    let state = until(&store, task, TaskState::is_final).await;
    let reason = "task was cancelled".to_owned();
    assert_eq!(state, TaskState::Failed { reason });
}

#[tokio::test]
async fn old_tasks_go_and_the_newest_stays() {
    let store = Store::in_memory();
    let app = samples::app(&store, "shop", 1).await;
    let (first, second) = (ask(&store, app, 64).await, ask(&store, app, 64).await);
    samples::commit(&store, |tx| {
        for (id, at) in [(first, 1), (second, 2)] {
            let mut task = Task::clone(&tx.tasks[&id]);
            task.state = TaskState::Succeeded;
            task.created_at = Timestamp::from_millis(at);
            task.updated_at = task.created_at;
            tx.put(task);
        }
    })
    .await;
    let month = 31 * 24 * 60 * 60 * 1000;
    let records = |now| {
        let now = Timestamp::from_millis(now);
        crate::reconcile::cleanup::plan::plan(&store.state(), 5, now).records
    };
    assert_eq!(records(month), []);
    assert_eq!(records(month + 2), [first.into()]);
}

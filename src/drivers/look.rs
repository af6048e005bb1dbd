//! Watches one instance's health while it runs.

use std::path::Path;

use tokio::{sync::watch, time::sleep};

use super::{
    Drivers, Happening,
    health::{Check, pause},
    record::Record,
    runtime::Backend,
    voice::Voice,
};
use crate::{model::HealthKind, sandbox::Status};

/// Watches until the instance is found unhealthy; else never ends.
pub(super) async fn watch(
    drivers: &Drivers,
    record: &Record,
    backend: Backend,
    mut status: watch::Receiver<Status>,
    voice: &Voice,
) {
    if status
        .wait_for(|status| matches!(status, Status::Running { .. }))
        .await
        .is_err()
    {
        return;
    }
    let instance = record.instance;
    let Backend::Sandbox { dir } = backend else {
        drivers.happens(instance, Happening::Healthy { ready: true });
        return;
    };
    let (health, readiness) = (
        Check::health(&record.health, record.port),
        Check::readiness(&record.readiness, record.port),
    );
    let always_ready = readiness.kind == HealthKind::Process;
    if !drivers.is_healthy(instance) {
        voice.monitor("Starting health monitoring of container");
        start(drivers, record, &health, &dir).await;
        voice.monitor("Container became healthy");
        let ready = always_ready || readiness.look(&dir).await.is_ok();
        drivers.happens(instance, Happening::Healthy { ready });
    }
    let live = async {
        if health.kind == HealthKind::Process {
            std::future::pending::<()>().await;
        }
        let why = unhealthy(&health, &dir).await;
        voice.health(&why);
        let cause = format!("Instance became unhealthy: {why}");
        drivers.happens(instance, Happening::Unhealthy(cause.into()));
    };
    let ready = async {
        if always_ready {
            std::future::pending::<()>().await;
        }
        readiness_of(drivers, record, &readiness, &dir, voice).await;
    };
    tokio::select! {
        () = live => {}
        () = ready => {}
    }
}

/// Looks until the first success.
async fn start(drivers: &Drivers, record: &Record, check: &Check, dir: &Path) {
    let mut attempt = 0;
    while let Err(why) = check.look(dir).await {
        drivers.note_failure(record.instance, why);
        sleep(pause(attempt)).await;
        attempt += 1;
    }
}

/// Looks until one look failed, as Cloud Foundry does; why it did. Who wants patience gives the
/// check a longer invocation timeout.
async fn unhealthy(check: &Check, dir: &Path) -> String {
    loop {
        sleep(check.interval).await;
        if let Err(why) = check.look(dir).await {
            return why;
        }
    }
}

/// Keeps telling whether requests should reach the instance. One that is not ready is looked
/// at as often as one that starts, so that it is back soon.
async fn readiness_of(
    drivers: &Drivers,
    record: &Record,
    check: &Check,
    dir: &Path,
    voice: &Voice,
) {
    let mut attempt = 0;
    let mut was = None;
    loop {
        let look = check.look(dir).await;
        let ready = look.is_ok();
        if was != Some(ready) {
            match &look {
                Ok(()) => voice.monitor("Container became ready"),
                Err(why) => voice.health(&format!("Container became not ready: {why}")),
            }
            attempt = 0;
            was = Some(ready);
        }
        drivers.happens(record.instance, Happening::Healthy { ready });
        sleep(if ready {
            check.interval
        } else {
            pause(attempt).min(check.interval)
        })
        .await;
        attempt += 1;
    }
}

//! One task an instance: starts it, watches it, follows its log, stops it, cleans up.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    Drivers, Happening, Order, look,
    record::Record,
    runtime::Running,
    table::{Stop, Wish},
    tail,
    voice::Voice,
};
use crate::{model::Exit, sandbox::Status};

/// How often it is asked whether an instance still answers requests.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What an instance's task begins with.
#[derive(Debug)]
pub(super) enum Begin {
    /// It has to be started.
    Start(Box<Order>),
    /// A daemon before this one started it.
    Adopted(Arc<dyn Running>),
    /// It has ended, and nothing but its record is left.
    Ended,
}

/// Sees an instance through to the end.
pub(super) struct Supervisor {
    drivers: Drivers,
    /// As it was at the beginning; the table has the newest.
    record: Record,
    voice: Voice,
    wish: watch::Receiver<Wish>,
    written: Option<Record>,
}

impl Supervisor {
    pub(super) fn new(drivers: Drivers, record: Record, wish: watch::Receiver<Wish>) -> Self {
        let voice = drivers.voice(&record);
        Self {
            drivers,
            record,
            voice,
            wish,
            written: None,
        }
    }

    /// Runs until the instance is forgotten.
    pub(super) async fn run(mut self, begin: Begin) {
        let running = match begin {
            Begin::Start(order) => self.start(&order).await,
            Begin::Adopted(running) => Some(running),
            Begin::Ended => None,
        };
        if let Some(running) = running {
            self.drivers.began(self.record.instance, &running);
            self.live(&running).await;
        }
        loop {
            self.persist().await;
            if self.wish.borrow_and_update().forget {
                break;
            }
            if self.wish.changed().await.is_err() {
                return;
            }
        }
        self.drivers.remove(&self.record).await;
    }

    async fn start(&self, order: &Order) -> Option<Arc<dyn Running>> {
        let instance = self.record.instance;
        if self.wish.borrow().stop.is_some() {
            let exit = Exit::Stopped { killed: false };
            self.drivers.happens(instance, Happening::Exited(exit));
            return None;
        }
        self.voice.cell("creating container for");
        match self.drivers.begin(order).await {
            Ok(running) => {
                self.voice.cell("successfully created container for");
                Some(running)
            }
            Err(reason) => {
                self.voice.health(&reason);
                self.drivers
                    .happens(instance, Happening::Exited(Exit::NotStarted { reason }));
                None
            }
        }
    }

    /// From the start to the end, and until nothing is left of it but its record.
    async fn live(&mut self, running: &Arc<dyn Running>) {
        let drivers = self.drivers.clone();
        let record = self.record.clone();
        let voice = self.voice.clone();
        let instance = record.instance;
        let mut status = running.status();
        let mut tail = pin!(self.follow_log(running));
        let mut tail_runs = true;
        let mut look = pin!(look::watch(
            &drivers,
            &record,
            running.backend(),
            running.status(),
            &voice
        ));
        let mut look_runs = true;
        let mut stopping: Option<BoxFuture<'static, ()>> = None;
        let mut asked: Option<Stop> = None;
        // An instance that is forgotten has no wishes any more.
        let mut hears = true;

        let exit = loop {
            if let Status::Ended(exit) = &*status.borrow_and_update() {
                break exit.clone();
            }
            let wish = self.wish.borrow_and_update().stop.clone();
            self.persist().await;
            if let Some(stop) = wish.filter(|stop| asked.as_ref() != Some(stop)) {
                stopping = Some(drain(stop.clone(), Arc::clone(running)));
                asked = Some(stop);
            }
            // Every branch can be dropped half-way: they are either kept for the next round or
            // only wait for a value that stays.
            tokio::select! {
                changed = status.changed() => if changed.is_err() {
                    break Exit::Lost;
                },
                changed = self.wish.changed(), if hears => hears = changed.is_ok(),
                () = &mut tail, if tail_runs => tail_runs = false,
                () = &mut look, if look_runs => look_runs = false,
                () = async { if let Some(stopping) = &mut stopping { stopping.await } },
                    if stopping.is_some() => stopping = None,
            }
        };
        drivers.happens(instance, Happening::Exited(exit));
        self.persist().await;
        if tail_runs {
            tail.await;
        }
        voice.cell("destroying container for");
        if let Err(error) = running.remove().await {
            tracing::error!(%instance, %error, "cannot remove what an instance left behind");
        } else {
            voice.cell("successfully destroyed container for");
        }
    }

    /// Follows the instance's log to its end.
    fn follow_log(&self, running: &Arc<dyn Running>) -> impl Future<Output = ()> + use<> {
        let drivers = self.drivers.clone();
        let (app, instance) = (self.record.app, self.record.instance);
        let follow = tail::follow(
            drivers.logs().clone(),
            app,
            Arc::clone(running),
            self.voice.clone(),
            move |bytes| drivers.wrote(instance, bytes),
        );
        async move {
            if let Err(error) = follow.await {
                tracing::error!(%app, %instance, %error, "cannot follow an instance's log");
            }
        }
    }

    /// Writes the record, if it is another one than was written last.
    async fn persist(&mut self) {
        let record = self.drivers.record(self.record.instance);
        if let Some(record) = record.filter(|record| self.written.as_ref() != Some(record)) {
            self.drivers.write(record.clone()).await;
            self.written = Some(record);
        }
    }
}

/// Waits until the instance answers no request any more, but not for long; then stops it.
fn drain(stop: Stop, running: Arc<dyn Running>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let deadline = Instant::now() + stop.drain;
        while (stop.busy)() && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
        }
        running.stop(stop.grace);
    })
}

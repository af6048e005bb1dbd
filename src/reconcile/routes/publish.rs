//! Hands routing tables over.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::plan::{backends_of, table};
use crate::{
    drivers::{Busy, Instance},
    model::InstanceId,
    routing::{Backend, RouteTable},
    store::State,
};

/// The place where the gateway finds the newest table.
#[derive(Debug)]
pub(in crate::reconcile) struct Routes {
    table: Arc<ArcSwap<RouteTable>>,
    /// Tells that there is another one.
    changed: watch::Sender<()>,
}

impl Routes {
    pub(in crate::reconcile) fn new(
        table: Arc<ArcSwap<RouteTable>>,
        changed: watch::Sender<()>,
    ) -> Self {
        Self { table, changed }
    }

    /// Publishes the table of this state, where it is another one.
    pub(in crate::reconcile) fn publish(&self, state: &State, instances: &[Instance]) {
        let before = self.table.load();
        let entries = table(state, instances, before.entries());
        let same = entries.len() == before.entries().len()
            && entries
                .iter()
                .zip(before.entries())
                .all(|(new, old)| Arc::ptr_eq(new, old));
        if !same {
            drop(before);
            self.table.store(Arc::new(RouteTable::new(entries)));
            self.changed.send_replace(());
        }
    }

    /// Tells whether the table or a request still has a hold on the instance: both keep its
    /// backends alive.
    pub(in crate::reconcile) fn busy(&self, instance: InstanceId) -> Busy {
        let table = self.table.load();
        let holds: Vec<Weak<Backend>> = backends_of(table.entries(), instance)
            .map(Arc::downgrade)
            .collect();
        Arc::new(move || holds.iter().any(|hold| hold.strong_count() > 0))
    }
}

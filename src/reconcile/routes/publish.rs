//! Hands routing tables over.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

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
}

impl Routes {
    pub(in crate::reconcile) fn new(table: Arc<ArcSwap<RouteTable>>) -> Self {
        Self { table }
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

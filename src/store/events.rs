//! Audit events: added in one place, so that they stay bounded in one place.

use super::Tx;
use crate::model::Event;

/// Audit events that are kept in all; some 10 MB in memory.
const ALL: usize = 10_000;
/// Audit events that are kept of one target, so that one app that crashes all day does not
/// push out everybody else's.
const PER_TARGET: usize = 200;

impl Tx {
    /// Adds an audit event. The oldest of its target, then of all, make room.
    pub fn record_event(&mut self, event: Event) {
        let target = event.target.guid.clone();
        self.put(event);
        let count = self.events_of(&target).count();
        let excess = count.saturating_sub(PER_TARGET);
        let mut gone: Vec<_> = self
            .events_of(&target)
            .take(excess)
            .map(|event| event.id)
            .collect();
        let excess = self.events.len().saturating_sub(ALL + gone.len());
        gone.extend(self.events_by_time().take(excess).map(|event| event.id));
        for id in gone {
            self.delete(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Actor, EventId, EventTarget, Timestamp},
        store::{Store, StoreError},
    };

    fn event(at: u64, target: &str) -> Event {
        Event {
            id: EventId::random(),
            kind: "app.crash".to_owned(),
            actor: Actor::system(),
            target: EventTarget {
                guid: target.to_owned(),
                kind: "app".to_owned(),
                name: target.to_owned(),
            },
            data: serde_json::Value::Null,
            space: None,
            org: None,
            created_at: Timestamp::from_millis(at),
        }
    }

    #[tokio::test]
    async fn one_noisy_target_keeps_its_newest_and_nobody_elses_go() {
        let store = Store::in_memory();
        let done: Result<(), StoreError> = store
            .commit(|tx| {
                tx.record_event(event(1, "quiet"));
                for at in 2..=501 {
                    tx.record_event(event(at, "noisy"));
                }
                Ok(())
            })
            .await;
        done.unwrap();
        let state = store.state();
        assert_eq!(state.events_of("quiet").count(), 1);
        let noisy: Vec<u64> = state
            .events_of("noisy")
            .map(|event| event.created_at.millis())
            .collect();
        assert_eq!(noisy, (302..=501).collect::<Vec<_>>());
    }
}

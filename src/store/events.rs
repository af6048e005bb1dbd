//! Audit events and how many of them are kept.

use super::Tx;
use crate::model::Event;

/// Events that are kept in all. They are of use to people for days, and a crash loop makes
/// them without end, so the newest win.
const MOST: usize = 10_000;
/// Events that are kept of one target, so that one restless app does not push out the rest.
const MOST_OF_A_TARGET: usize = 200;

impl Tx {
    /// Records an event, and forgets the oldest ones past what is kept.
    pub fn record_event(&mut self, event: Event) {
        let target = event.target.guid.clone();
        self.put(event);
        let surplus = self
            .events_of(&target)
            .count()
            .saturating_sub(MOST_OF_A_TARGET);
        let mut old: Vec<_> = self
            .events_of(&target)
            .take(surplus)
            .map(|event| event.id)
            .collect();
        let left = self.events.len() - old.len();
        if left > MOST {
            let oldest = self.events_by_time().map(|event| event.id);
            old.extend(oldest.take(left - MOST));
        }
        for id in old {
            self.delete(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{
        model::{Actor, Event, EventId, EventTarget, Timestamp},
        store::{Store, StoreError},
    };

    fn event(target: usize, at: u64) -> Event {
        Event {
            id: EventId::random(),
            kind: "app.crash".to_owned(),
            actor: Actor::system(),
            target: EventTarget {
                guid: target.to_string(),
                kind: "app".to_owned(),
                name: String::new(),
            },
            data: Value::Null,
            space: None,
            org: None,
            created_at: Timestamp::from_millis(at),
        }
    }

    #[tokio::test]
    async fn the_newest_events_are_kept() {
        let store = Store::in_memory();
        store
            .commit(|tx| {
                for n in 0..300 {
                    tx.record_event(event(0, n));
                }
                for n in 0..10_000 {
                    tx.record_event(event(1 + n % 100, 1_000 + n as u64));
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let state = store.state();
        assert_eq!(state.events.len(), 10_000);
        assert_eq!(state.events_of("0").count(), 0);
        assert_eq!(state.events_of("1").count(), 100);
    }

    #[tokio::test]
    async fn a_restless_target_keeps_its_newest_only() {
        let store = Store::in_memory();
        store
            .commit(|tx| {
                (0..300).for_each(|n| tx.record_event(event(0, n)));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let state = store.state();
        let oldest = state.events_of("0").next().unwrap().created_at;
        assert_eq!(state.events_of("0").count(), 200);
        assert_eq!(oldest, Timestamp::from_millis(100));
    }
}

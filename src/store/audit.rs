//! Telling the audit trail what was done.

use std::fmt::Display;

use serde_json::Value;

use super::Tx;
use crate::{
    authz::Place,
    model::{Actor, Event, EventId, EventTarget, Timestamp},
};

/// Records in the change itself that `by` did `kind` (such as `audit.space.create`) to
/// `target` at `place`.
pub fn audit(
    tx: &mut Tx,
    by: &Actor,
    kind: &str,
    target: EventTarget,
    place: Place,
    data: Value,
    now: Timestamp,
) {
    let (space, org) = match place {
        Place::Platform => (None, None),
        Place::Org(org) => (None, Some(org)),
        Place::Space { space, org } => (Some(space), Some(org)),
    };
    // What one change did to a target is told in the order in which it was done.
    let newest = tx.events_of(&target.guid).next_back();
    let created_at = newest.map_or(now, |newest| {
        now.max(Timestamp::from_millis(newest.created_at.millis() + 1))
    });
    tx.record_event(Event {
        id: EventId::random(),
        kind: kind.to_owned(),
        actor: by.clone(),
        target,
        data,
        space,
        org,
        created_at,
    });
}

/// The target of an event: a `kind` such as `space`, its guid and its name.
#[must_use]
pub fn target(kind: &str, guid: impl Display, name: &str) -> EventTarget {
    EventTarget {
        guid: guid.to_string(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

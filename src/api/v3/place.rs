//! Filters by where the app of something lives.

use crate::{model::AppId, store::State, wire::Filter};

/// Whether the space and the organization of `app` pass their filters.
pub(super) fn passes(state: &State, app: AppId, spaces: &Filter, orgs: &Filter) -> bool {
    if spaces.is_open() && orgs.is_open() {
        return true;
    }
    let space = state
        .apps
        .get(&app)
        .and_then(|app| state.spaces.get(&app.space));
    space.is_some_and(|space| {
        (spaces.is_open() || spaces.passes_id(space.id))
            && (orgs.is_open() || orgs.passes_id(space.org))
    })
}

//! What organizations and spaces use.

use crate::{
    model::{AppState, OrgId, QuotaUsage, SpaceId},
    store::State,
};

/// What a space uses.
pub(super) fn of_space(state: &State, space: SpaceId) -> QuotaUsage {
    let mut usage = QuotaUsage::default();
    for app in state.apps_of(space) {
        let tasks = state.tasks_of(app.id);
        for task in tasks.filter(|task| !task.state.is_final()) {
            usage.add_task(u64::from(task.memory.0), task.log_rate_limit);
        }
        if app.state == AppState::Stopped {
            continue;
        }
        for process in state.processes_of(app.id) {
            usage.add_process(process);
        }
    }
    for route in state.routes_of_space(space) {
        usage.add_route(route);
    }
    // What somebody runs elsewhere costs the platform nothing.
    for service in state.services_of(space).filter(|found| found.is_managed()) {
        usage.services += 1;
        usage.service_keys += count(state.keys_of_service(service.id));
    }
    usage
}

/// What an organization uses.
pub(super) fn of_org(state: &State, org: OrgId) -> QuotaUsage {
    let mut usage = QuotaUsage {
        domains: count(
            state
                .domains
                .values()
                .filter(|domain| domain.org == Some(org)),
        ),
        ..QuotaUsage::default()
    };
    for space in state.spaces_of(org) {
        usage += of_space(state, space.id);
    }
    usage
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

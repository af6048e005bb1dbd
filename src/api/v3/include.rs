//! `included`: the resources that others of an answer refer to, each once.

use std::collections::BTreeSet;

use serde_json::Value;

use super::domains::sees;
use crate::{
    actions::Caller,
    model::{DomainId, OrgId, SpaceId, UserId},
    store::State,
    wire::{self, Base},
};

/// Organizations.
pub(super) fn organizations(
    state: &State,
    ids: impl IntoIterator<Item = OrgId>,
    base: &Base,
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.orgs.get(id));
    found
        .map(|org| wire::organization::present(org, base))
        .collect()
}

/// Spaces.
pub(super) fn spaces(
    state: &State,
    ids: impl IntoIterator<Item = SpaceId>,
    base: &Base,
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.spaces.get(id));
    found
        .map(|space| wire::space::present(space, base))
        .collect()
}

/// Users.
pub(super) fn users(
    state: &State,
    ids: impl IntoIterator<Item = UserId>,
    base: &Base,
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.users.get(id));
    found.map(|user| wire::user::present(user, base)).collect()
}

/// Domains.
pub(super) fn domains(
    state: &State,
    ids: impl IntoIterator<Item = DomainId>,
    base: &Base,
    caller: &Caller,
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.domains.get(id));
    found
        .map(|domain| wire::domain::present(domain, base, &sees(caller)))
        .collect()
}

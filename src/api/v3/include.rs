//! `included`: the resources that others of an answer refer to, each once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::domains::sees;
use crate::{
    actions::Caller,
    model::{BrokerId, DomainId, OrgId, ServiceId, SpaceId, UserId},
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

/// Service instances.
pub(super) fn services(
    state: &State,
    ids: impl IntoIterator<Item = ServiceId>,
    base: &Base,
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.services.get(id));
    found
        .map(|service| {
            let plan = state.origin_of(service).map(|(plan, ..)| plan);
            wire::service::present(service, plan, base)
        })
        .collect()
}

/// Guids and names of brokers, as far as `fields` asks for them: more is for who may see them.
pub(super) fn brokers(
    state: &State,
    ids: impl IntoIterator<Item = BrokerId>,
    fields: &[String],
) -> Vec<Value> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let found = ids.iter().filter_map(|id| state.brokers.get(id));
    found
        .map(|broker| {
            let whole = json!({ "guid": broker.id.to_string(), "name": broker.name });
            trimmed(whole, fields)
        })
        .collect()
}

/// What of a resource `fields` asks for.
pub(super) fn trimmed(mut whole: Value, fields: &[String]) -> Value {
    if let Value::Object(members) = &mut whole {
        let wanted = |key: &str| {
            fields
                .iter()
                .any(|field| field.split('.').next() == Some(key))
        };
        members.retain(|key, _| wanted(key));
        if let Some(Value::Object(relations)) = members.get_mut("relationships") {
            relations.retain(|key, _| {
                let whole = format!("relationships.{key}");
                fields.contains(&whole)
            });
        }
    }
    whole
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

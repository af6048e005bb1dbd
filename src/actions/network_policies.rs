//! Network policies: which app may reach which other.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{ActionError, Actions, Caller, apps};
use crate::{
    authz::{Place, Verb, may},
    model::{AppId, PeerPolicy, PeerPolicyId, Timestamp},
    store::{State, Tx},
    wire::network_policy::Wanted,
};

/// Most policies that one app may be the source of: each is a part of what its instances are
/// told. Cloud Foundry's default for space developers is 50.
const MOST: usize = 150;

impl Actions {
    /// The network policies between apps that are both the caller's to develop.
    #[must_use]
    pub fn network_policies(&self, caller: &Caller) -> Vec<Arc<PeerPolicy>> {
        let state = self.store.state();
        let mut policies: Vec<_> = state
            .peer_policies
            .values()
            .filter(|policy| may_write(&state, caller, policy.source))
            .filter(|policy| may_write(&state, caller, policy.destination))
            .cloned()
            .collect();
        policies.sort_by_key(|policy| (policy.created_at, policy.id));
        policies
    }

    /// Opens apps to others or closes them. What is so already stays so.
    ///
    /// # Errors
    /// [`ActionError::Forbidden`] where an app is none or not the caller's to develop;
    /// [`ActionError::Unprocessable`] where an app would have too many policies.
    pub async fn change_network_policies(
        &self,
        caller: &Caller,
        change: PolicyChange,
        wanted: Vec<Wanted>,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                check_all(tx, caller, &wanted, change)?;
                // Ascending, so that lists have them in the order of the request.
                let mut ids: Vec<_> = wanted.iter().map(|_| PeerPolicyId::random()).collect();
                ids.sort_unstable();
                for (one, id) in wanted.into_iter().zip(ids) {
                    match (change, existing(tx, &one)) {
                        (PolicyChange::Open, None) => open(tx, caller, &one, id, now)?,
                        (PolicyChange::Close, Some(policy)) => {
                            tx.delete(policy.id);
                            note(tx, caller, "audit.app.network_policy.delete", &policy, now);
                        }
                        (PolicyChange::Open, Some(_)) | (PolicyChange::Close, None) => {}
                    }
                }
                Ok(())
            })
            .await
    }
}

/// What is done to network policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyChange {
    /// They are made.
    Open,
    /// They are removed.
    Close,
}

fn open(
    tx: &mut Tx,
    caller: &Caller,
    wanted: &Wanted,
    id: PeerPolicyId,
    now: Timestamp,
) -> Result<(), ActionError> {
    let policy = PeerPolicy {
        id,
        source: wanted.source,
        destination: wanted.destination,
        protocol: wanted.protocol,
        ports: wanted.ports,
        created_at: now,
    };
    tx.put(policy.clone());
    note(tx, caller, "audit.app.network_policy.create", &policy, now);
    let of_source = tx.policies_of(wanted.source);
    if of_source.filter(|all| all.source == wanted.source).count() > MOST {
        return Err(ActionError::Unprocessable(format!(
            "policy quota exceeded: an app may be the source of at most {MOST} policies"
        )));
    }
    Ok(())
}

fn may_write(state: &State, caller: &Caller, app: AppId) -> bool {
    let app = state.apps.get(&app);
    app.is_some_and(|app| caller.may_in_space(state, Verb::ConnectApps, app.space))
}

/// Passes where all apps are there and the caller's to develop; which one is not is not told. Who
/// may connect all apps may close what is gone already, as a plan does that replaces an app.
fn check_all(
    state: &State,
    caller: &Caller,
    wanted: &[Wanted],
    change: PolicyChange,
) -> Result<(), ActionError> {
    let all = may(&caller.grants, Verb::ConnectApps, Place::Platform);
    let apps: BTreeSet<AppId> = wanted
        .iter()
        .flat_map(|one| [one.source, one.destination])
        .collect();
    for app in apps {
        match state.apps.get(&app) {
            Some(found) if caller.may_in_space(state, Verb::ConnectApps, found.space) => {
                let space = state.spaces.get(&found.space);
                space.map_or(Ok(()), |space| caller.need_active(state, space.org))?;
            }
            None if all && change == PolicyChange::Close => {}
            _ => return Err(ActionError::Forbidden),
        }
    }
    Ok(())
}

fn existing(state: &State, wanted: &Wanted) -> Option<PeerPolicy> {
    let same = |policy: &&PeerPolicy| {
        let Wanted {
            source,
            destination,
            protocol,
            ports,
        } = wanted;
        policy.source == *source
            && policy.destination == *destination
            && policy.protocol == *protocol
            && policy.ports == *ports
    };
    state.policies_of(wanted.source).find(same).cloned()
}

fn note(tx: &mut Tx, caller: &Caller, kind: &str, policy: &PeerPolicy, now: Timestamp) {
    let Some(source) = tx.apps.get(&policy.source).cloned() else {
        return;
    };
    let data = json!({ "request": {
        "destination_guid": policy.destination.to_string(),
        "protocol": policy.protocol,
        "ports": { "start": policy.ports.first, "end": policy.ports.last },
    } });
    apps::note(tx, caller, kind, &source, data, now);
}

//! Service brokers. What they offer is read by the loop of services; here is who may register
//! them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    cascade, flags,
    jobs::{finished_job, open_job},
    roles::readable_space,
};
use crate::{
    authz::Verb,
    model::{
        Broker, BrokerChange, BrokerId, BrokerState, BrokerSync, Flag, Job, Metadata, SpaceId,
        Timestamp,
    },
    store::{
        State, Tx,
        service_events::{HIDDEN, place},
    },
    wire::{
        self, Error,
        broker::{Create, Update},
    },
};

const WHAT: &str = "Service broker";

/// What a change of a broker comes to.
#[derive(Debug)]
pub enum Changed {
    /// It is done.
    Done(Box<Broker>),
    /// The broker has to be asked first.
    Begun(Box<Job>),
}

impl Actions {
    /// The brokers that the caller may see: all for admins, for others those of their spaces.
    #[must_use]
    pub fn service_brokers(&self, caller: &Caller) -> Vec<Arc<Broker>> {
        let state = self.store.state();
        let brokers = state.brokers.values();
        brokers
            .filter(|broker| sees(&state, caller, broker))
            .cloned()
            .collect()
    }

    /// The broker, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn service_broker(
        &self,
        caller: &Caller,
        id: BrokerId,
    ) -> Result<Arc<Broker>, ActionError> {
        let state = self.store.state();
        let broker = state.brokers.get(&id);
        let broker = broker.filter(|broker| sees(&state, caller, broker));
        broker.cloned().ok_or(ActionError::NotFound(WHAT))
    }

    /// Registers a broker, whose catalog is then read.
    ///
    /// # Errors
    /// Where the caller may not, or something about it is wrong.
    pub async fn create_service_broker(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Job, ActionError> {
        let data = told(&body.name, Some(&body.url), true, &body.metadata);
        let name = wire::broker::name(body.name).map_err(ActionError::Unprocessable)?;
        let url = wire::broker::url(&body.url).map_err(ActionError::Unprocessable)?;
        let login = body.authentication.login();
        let login = login.map_err(ActionError::Unprocessable)?;
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let space = body.relationships.and_then(|to| to.space);
        let now = self.now();
        self.store
            .commit(move |tx| {
                let space: Option<SpaceId> = match &space {
                    Some(named) => {
                        let space = readable_space(tx, caller, named.id())?;
                        caller.need_in_space(tx, Verb::WriteApps, space, "Space")?;
                        flags::need(tx, caller, Flag::SpaceScopedPrivateBrokerCreation)?;
                        Some(space)
                    }
                    None => {
                        caller.need_admin()?;
                        None
                    }
                };
                free(tx, &name, None)?;
                let id = BrokerId::random();
                let job = open_job(
                    tx,
                    "service_broker.catalog.synchronize",
                    ("service_brokers", id),
                    now,
                );
                let broker = Broker {
                    id,
                    name,
                    url,
                    login,
                    space,
                    vouched: caller.grants.admin,
                    state: BrokerState::Synchronizing,
                    sync: Some(BrokerSync {
                        job: job.id,
                        by: caller.actor(),
                        change: None,
                        before: BrokerState::Failed,
                    }),
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                note(tx, caller, "create", &broker, data, now);
                tx.put(broker);
                Ok(job)
            })
            .await
    }

    /// Changes a broker. Unless only labels and annotations change, its catalog is read anew, and
    /// nothing changes where that fails.
    ///
    /// # Errors
    /// Where the caller may not, or something about it is wrong.
    pub async fn update_service_broker(
        &self,
        caller: &Caller,
        id: BrokerId,
        body: Update,
    ) -> Result<Changed, ActionError> {
        let unprocessable = ActionError::Unprocessable;
        let shown = body.name.as_deref().unwrap_or_default();
        let said = body.authentication.is_some();
        let data = told(shown, body.url.as_deref(), said, &body.metadata);
        let name = body.name.map(wire::broker::name).transpose();
        let name = name.map_err(unprocessable)?;
        let url = body.url.as_deref().map(wire::broker::url).transpose();
        let url = url.map_err(unprocessable)?;
        let login = body.authentication.map(wire::broker::Authentication::login);
        let login = login.transpose().map_err(unprocessable)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut broker = writable(tx, caller, id)?;
                let mut metadata = broker.metadata.clone();
                body.metadata
                    .apply(&mut metadata)
                    .map_err(ActionError::Unprocessable)?;
                if name.is_none() && url.is_none() && login.is_none() {
                    broker.metadata = metadata;
                    broker.updated_at = now;
                    tx.put(broker.clone());
                    return Ok(Changed::Done(Box::new(broker)));
                }
                if let Some(name) = &name {
                    free(tx, name, Some(id))?;
                }
                if broker.sync.is_some() {
                    return Err(ActionError::Unprocessable(
                        "Cannot update a broker when other operation is already in progress"
                            .to_owned(),
                    ));
                }
                let about = ("service_brokers", id);
                let job = open_job(tx, "service_broker.update", about, now);
                let change = BrokerChange {
                    name,
                    url: url.map(|url| (url, caller.grants.admin)),
                    login,
                    metadata: Some(metadata),
                };
                broker.sync = Some(BrokerSync {
                    job: job.id,
                    by: caller.actor(),
                    change: Some(change),
                    before: broker.state,
                });
                broker.state = BrokerState::Synchronizing;
                note(tx, caller, "update", &broker, data, now);
                tx.put(broker);
                Ok(Changed::Begun(Box::new(job)))
            })
            .await
    }

    /// Deletes a broker with all that it offers.
    ///
    /// # Errors
    /// Where the caller may not, or there are instances.
    pub async fn delete_service_broker(
        &self,
        caller: &Caller,
        id: BrokerId,
    ) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let broker = writable(tx, caller, id)?;
                if tx.services_of_broker(id).next().is_some() {
                    return Err(ActionError::Listed(Error::broker_not_removable(format!(
                        "Can not remove brokers that have associated service instances: {}",
                        broker.name
                    ))));
                }
                note(tx, caller, "delete", &broker, json!({}), now);
                cascade::delete_broker(tx, id);
                Ok(finished_job(tx, "service_broker.delete", now))
            })
            .await
    }
}

/// Whether the caller sees a broker.
pub(super) fn sees(state: &State, caller: &Caller, broker: &Broker) -> bool {
    caller.grants.admin
        || broker
            .space
            .is_some_and(|space| caller.may_in_space(state, Verb::ReadSpace, space))
}

/// Passes where the caller may change what a broker offers.
pub(super) fn need_write(
    state: &State,
    caller: &Caller,
    broker: &Broker,
) -> Result<(), ActionError> {
    match broker.space {
        Some(space) => caller.need_in_space(state, Verb::WriteApps, space, WHAT),
        None => caller.need_admin(),
    }
}

fn writable(state: &State, caller: &Caller, id: BrokerId) -> Result<Broker, ActionError> {
    let broker = state.brokers.get(&id);
    let broker = broker.filter(|broker| sees(state, caller, broker));
    let broker = broker.ok_or(ActionError::NotFound(WHAT))?;
    need_write(state, caller, broker)?;
    Ok(Broker::clone(broker))
}

fn free(state: &State, name: &str, but: Option<BrokerId>) -> Result<(), ActionError> {
    match state.broker_by_name(name) {
        Some(other) if Some(other.id) != but => {
            Err(ActionError::Unprocessable("Name must be unique".to_owned()))
        }
        _ => Ok(()),
    }
}

/// What the audit trail is told of a request.
fn told(name: &str, url: Option<&str>, login: bool, metadata: &wire::MetadataPatch) -> Value {
    let mut request = json!({ "metadata": metadata });
    if !name.is_empty() {
        request["name"] = name.into();
    }
    if let Some(url) = url {
        request["url"] = url.into();
    }
    if login {
        request["authentication"] = HIDDEN.into();
    }
    json!({ "request": request })
}

fn note(tx: &mut Tx, caller: &Caller, verb: &str, broker: &Broker, data: Value, now: Timestamp) {
    let kind = format!("audit.service_broker.{verb}");
    let target = target("service_broker", broker.id, &broker.name);
    let place = place(tx, broker.space);
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}

//! Sharing service instances with other spaces.

use std::time::Duration;

use serde_json::json;

use super::{find, jobs::waiting_job, refuse};
use crate::{
    actions::{ActionError, Actions, Caller, flags, offerings::usable_in, targets::targets},
    authz::Verb,
    model::{
        BindingId, Doomed, Flag, JobId, JobState, OperationKind, OperationState, Service,
        ServiceId, SpaceId, Timestamp,
    },
    store::{State, Tx, service_events::note_service},
    wire::{Error, ToMany},
};

/// How long the end of sharing waits for brokers to end bindings.
const PATIENCE: Duration = Duration::from_secs(60);

/// What whoever shares an instance needs in the other space.
const NEEDED: &str =
    "Write permission is required in order to share a service instance with a space.";

impl Actions {
    /// Shares a managed instance with other spaces, whose apps can then be bound to it.
    ///
    /// # Errors
    /// Where the caller may not, or it cannot be shared.
    pub async fn share_service(
        &self,
        caller: &Caller,
        id: ServiceId,
        with: ToMany,
    ) -> Result<Service, ActionError> {
        flags::need(&self.store.state(), caller, Flag::ServiceInstanceSharing)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut service = Service::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                let what = format!("service instance {}", service.name);
                let spaces = targets(tx, caller, &with, &what, NEEDED)?;
                check(tx, &service, &spaces)?;
                service.shared_with.extend(&spaces);
                service.updated_at = now;
                tx.put(service.clone());
                let guids: Vec<_> = spaces.iter().map(ToString::to_string).collect();
                let data = json!({ "target_space_guids": guids });
                note_service(tx, &caller.actor(), "share", &service, data, now);
                Ok(service)
            })
            .await
    }

    /// Ends the sharing of an instance with a space; bindings of that space's apps end first.
    ///
    /// # Errors
    /// Where the caller may not, or a binding does not end.
    pub async fn unshare_service(
        &self,
        caller: &Caller,
        id: ServiceId,
        space: &str,
    ) -> Result<(), ActionError> {
        let now = self.now();
        let job = self
            .store
            .commit(move |tx| {
                let service = Service::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                let known: Option<SpaceId> = space.parse().ok();
                let known = known.filter(|space| service.shared_with.contains(space));
                let Some(space) = known else {
                    return refuse(format!(
                        "Unable to unshare service instance from space {space}. Ensure the space \
                         exists and the service instance has been shared to this space."
                    ));
                };
                if bound_in(tx, id, space).is_empty() {
                    end(tx, caller, service, space, now);
                    return Ok(None);
                }
                let doomed = Doomed::Share(id, space);
                let job = waiting_job(tx, "service_instance.unshare", caller, doomed, now);
                Ok::<_, ActionError>(Some(job.id))
            })
            .await?;
        match job {
            Some(job) => self.unshared(id, space, job).await,
            None => Ok(()),
        }
    }

    /// Waits for brokers to end the bindings that stand against the end of sharing.
    async fn unshared(&self, id: ServiceId, space: &str, job: JobId) -> Result<(), ActionError> {
        let failed = |text: String| {
            Err(ActionError::Listed(Error::unshare_failed(format!(
                "Unshare of service instance failed: \n\nUnshare of service instance failed \
                 because one or more bindings could not be deleted.\n\n \t{text}"
            ))))
        };
        let mut changes = self.store.watch();
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            changes.borrow_and_update();
            let state = self.store.state();
            let state_of = state
                .jobs
                .get(&job)
                .map(|job| (job.state, job.errors.first()));
            match state_of {
                None | Some((JobState::Complete, _)) => return Ok(()),
                Some((JobState::Failed, error)) => {
                    return failed(error.map(|error| error.detail.clone()).unwrap_or_default());
                }
                Some((JobState::Polling, _)) => break,
                Some((JobState::Processing, _)) => {}
            }
            let changed = tokio::time::timeout_at(until, changes.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                break;
            }
        }
        let state = self.store.state();
        let name = state
            .services
            .get(&id)
            .map(|service| service.name.to_string());
        let space: Option<SpaceId> = space.parse().ok();
        let space = space.and_then(|id| state.spaces.get(&id));
        failed(format!(
            "The binding between an application and service instance {} in space {} is being \
             deleted asynchronously.",
            name.unwrap_or_default(),
            space
                .map(|space| space.name.to_string())
                .unwrap_or_default()
        ))
    }
}

/// The bindings of an instance to apps of `space`.
fn bound_in(state: &State, service: ServiceId, space: SpaceId) -> Vec<BindingId> {
    let bindings = state.bindings_of_service(service);
    bindings
        .filter(|binding| {
            let app = binding.app.and_then(|app| state.apps.get(&app));
            app.is_some_and(|app| app.space == space)
        })
        .map(|binding| binding.id)
        .collect()
}

fn end(tx: &mut Tx, caller: &Caller, mut service: Service, space: SpaceId, now: Timestamp) {
    service.shared_with.remove(&space);
    service.updated_at = now;
    tx.put(service.clone());
    let data = json!({ "target_space_guid": space.to_string() });
    note_service(tx, &caller.actor(), "unshare", &service, data, now);
}

fn check(state: &State, service: &Service, spaces: &[SpaceId]) -> Result<(), ActionError> {
    let name = &service.name;
    let Some((plan, offering, broker)) = state.origin_of(service) else {
        return refuse(if service.route_service_url().is_some() {
            "Route services cannot be shared."
        } else {
            "User-provided services cannot be shared."
        });
    };
    if offering.terms.requires("route_forwarding") {
        return refuse("Route services cannot be shared.");
    }
    if !offering.terms.shareable() {
        return refuse(format!(
            "The {} service does not support service instance sharing.",
            offering.terms.name
        ));
    }
    if spaces.contains(&service.space) {
        return refuse(format!(
            "Unable to share service instance '{name}' with space '{}'. Service instances cannot \
             be shared into the space where they were created.",
            service.space
        ));
    }
    if !plan.available {
        return refuse(format!(
            "The service instance could not be shared as the {} plan is inactive.",
            plan.terms.name
        ));
    }
    for id in spaces {
        let Some(space) = state.spaces.get(id) else {
            continue;
        };
        if !usable_in(state, plan, broker, *id) {
            let org = state.orgs.get(&space.org).map(|org| org.name.to_string());
            return refuse(format!(
                "Access to service {} and plan {} is not enabled in {}/{}.",
                offering.terms.name,
                plan.terms.name,
                org.unwrap_or_default(),
                space.name
            ));
        }
        if state.service_by_name(*id, name).is_some() {
            return refuse(format!(
                "A service instance called {name} already exists in {}.",
                space.name
            ));
        }
        if state
            .services_shared_with(*id)
            .any(|other| other.name == *name)
        {
            return refuse(format!(
                "A service instance called {name} has already been shared with {}.",
                space.name
            ));
        }
    }
    let last = &service.last_operation;
    match last.kind {
        OperationKind::Create if last.state == OperationState::Failed => {
            Err(ActionError::Listed(Error::service_instance_gone(format!(
                "The service instance could not be found: {name}"
            ))))
        }
        OperationKind::Create if last.is_open() => refuse(
            "Service instance is currently being created. It can be shared after its creation \
             succeeded.",
        ),
        OperationKind::Delete if last.is_open() => {
            refuse("The service instance is getting deleted.")
        }
        _ => Ok(()),
    }
}

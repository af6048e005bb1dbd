//! What was used of services: for who bills, and whoever else sees everything.

use std::sync::Arc;

use super::{ActionError, Actions, Caller};
use crate::{
    model::{Service, ServiceUsage, ServiceUsageId, UsageState},
    store::service_events::use_service,
};

impl Actions {
    /// The records of usage, for whoever sees everything; those after the record `after`.
    ///
    /// # Errors
    /// [`ActionError::Unprocessable`] where there is no record `after` any more.
    pub fn service_usage(
        &self,
        caller: &Caller,
        after: Option<&str>,
    ) -> Result<Vec<Arc<ServiceUsage>>, ActionError> {
        if !caller.sees_all() {
            return Ok(Vec::new());
        }
        let state = self.store.state();
        let place = |usage: &ServiceUsage| (usage.created_at, usage.id);
        let after = match after {
            None => None,
            Some(guid) => {
                let found = guid.parse().ok();
                let found = found.and_then(|id: ServiceUsageId| state.service_usage.get(&id));
                let missing = || {
                    ActionError::Unprocessable(
                        "After guid filter must be a valid service usage event guid.".to_owned(),
                    )
                };
                Some(place(found.ok_or_else(missing)?))
            }
        };
        let all = state.service_usage.values();
        Ok(all
            .filter(|usage| after.is_none_or(|after| place(usage) > after))
            .cloned()
            .collect())
    }

    /// One record of usage, for whoever sees everything.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn one_service_usage(
        &self,
        caller: &Caller,
        id: ServiceUsageId,
    ) -> Result<Arc<ServiceUsage>, ActionError> {
        let state = self.store.state();
        let usage = state.service_usage.get(&id).filter(|_| caller.sees_all());
        let missing = ActionError::NotFound("Service usage event");
        usage.cloned().ok_or(missing)
    }

    /// Forgets all records of usage and begins anew with the instances that there are.
    ///
    /// # Errors
    /// Where the caller is no admin.
    pub async fn reseed_service_usage(&self, caller: &Caller) -> Result<(), ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let old: Vec<ServiceUsageId> = tx.service_usage.keys().copied().collect();
                for id in old {
                    tx.delete(id);
                }
                let services: Vec<Arc<Service>> = tx.services.values().cloned().collect();
                for service in services {
                    use_service(tx, UsageState::Created, &service, now);
                }
                Ok(())
            })
            .await
    }
}

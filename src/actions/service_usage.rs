//! What was used of services: for who bills, which are admins.

use std::sync::Arc;

use super::{ActionError, Actions, Caller};
use crate::model::{ServiceUsage, ServiceUsageId};

impl Actions {
    /// The records of usage, for admins.
    #[must_use]
    pub fn service_usage(&self, caller: &Caller) -> Vec<Arc<ServiceUsage>> {
        if !caller.grants.admin {
            return Vec::new();
        }
        self.store.state().service_usage.values().cloned().collect()
    }

    /// One record of usage, for admins.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn one_service_usage(
        &self,
        caller: &Caller,
        id: ServiceUsageId,
    ) -> Result<Arc<ServiceUsage>, ActionError> {
        let state = self.store.state();
        let usage = state.service_usage.get(&id).filter(|_| caller.grants.admin);
        let missing = ActionError::NotFound("Service usage event");
        usage.cloned().ok_or(missing)
    }
}

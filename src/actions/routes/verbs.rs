//! What can be asked for with routes.

use std::{iter::once, sync::Arc};

use serde_json::json;

use super::{
    new::{NewRoute, no_domain, put_new},
    notes::note,
};
use crate::{
    actions::{
        ActionError, Actions, Caller, cascade,
        jobs::{finished_job, waiting_job},
        roles::readable_space,
    },
    authz::Verb,
    model::{AppId, DomainId, Doomed, Job, Route, RouteId, Timestamp},
    store::{State, Tx},
    wire::route::{Create, Update, apply_options},
};

impl Actions {
    /// The routes that the caller may see.
    #[must_use]
    pub fn routes(&self, caller: &Caller) -> Vec<Arc<Route>> {
        let state = self.store.state();
        let routes = state.routes.values();
        routes
            .filter(|route| {
                let mut spaces = once(&route.space).chain(&route.shared_with);
                spaces.any(|space| caller.may_in_space(&state, Verb::ReadRoutes, *space))
            })
            .cloned()
            .collect()
    }

    /// The routes that lead to an app that the caller may see.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn routes_of_app(
        &self,
        caller: &Caller,
        app: AppId,
    ) -> Result<Vec<Arc<Route>>, ActionError> {
        let state = self.store.state();
        let found = state.apps.get(&app).ok_or(ActionError::NotFound("App"))?;
        caller.need_in_space(&state, Verb::ReadSpace, found.space, "App")?;
        let routes = state.routes_of_app(app);
        Ok(routes
            .filter_map(|route| state.routes.get(&route.id))
            .cloned()
            .collect())
    }

    /// The route, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn route(&self, caller: &Caller, id: RouteId) -> Result<Arc<Route>, ActionError> {
        let state = self.store.state();
        let route = state.routes.get(&id).cloned();
        let route = route.ok_or(ActionError::NotFound("Route"))?;
        need(caller, &state, Verb::ReadRoutes, &route)?;
        Ok(route)
    }

    /// Makes a route.
    ///
    /// # Errors
    /// Where the caller may not, or host or path are bad or taken.
    pub async fn create_route(&self, caller: &Caller, body: Create) -> Result<Route, ActionError> {
        let port = body.port.map(u16::try_from).transpose();
        let port = port.map_err(|_| {
            let text = "Port must be less than or equal to 65535";
            ActionError::Unprocessable(text.to_owned())
        })?;
        let now = self.now();
        let mut route = NewRoute {
            host: body.host.unwrap_or_default(),
            path: body.path.unwrap_or_default(),
            port,
            ..NewRoute::default()
        };
        body.metadata
            .apply(&mut route.metadata)
            .map_err(ActionError::Unprocessable)?;
        apply_options(&mut route.options, &body.options).map_err(ActionError::Several)?;
        let relationships = body.relationships;
        self.store
            .commit(move |tx| {
                let space = readable_space(tx, caller, relationships.space.id())?;
                let domain: Option<DomainId> = relationships.domain.id();
                let domain = domain
                    .and_then(|domain| tx.domains.get(&domain))
                    .cloned()
                    .ok_or_else(no_domain)?;
                put_new(tx, self, caller, space, &domain, route, now)
            })
            .await
    }

    /// Changes a route's options, labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_route(
        &self,
        caller: &Caller,
        id: RouteId,
        body: Update,
    ) -> Result<Route, ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            apply_options(&mut route.options, &body.options).map_err(ActionError::Several)?;
            body.metadata
                .apply(&mut route.metadata)
                .map_err(ActionError::Unprocessable)?;
            let data = json!({ "request": {
                "options": body.options, "metadata": body.metadata,
            } });
            note(tx, caller, "audit.route.update", route, data, now);
            Ok(())
        };
        self.change_route(caller, id, now, change).await
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_route(&self, caller: &Caller, id: RouteId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                writable(tx, caller, id)?;
                let doomed = Doomed::Route(id);
                if !tx.parts_of(doomed).is_empty() {
                    return Ok(waiting_job(tx, "route.delete", caller, doomed, now));
                }
                remove(tx, caller, id, now);
                Ok(finished_job(tx, "route.delete", now))
            })
            .await
    }

    pub(super) async fn change_route(
        &self,
        caller: &Caller,
        id: RouteId,
        now: Timestamp,
        change: impl FnOnce(&mut Tx, &mut Route) -> Result<(), ActionError>,
    ) -> Result<Route, ActionError> {
        self.store
            .commit(move |tx| {
                let mut route = writable(tx, caller, id)?;
                change(tx, &mut route)?;
                route.updated_at = now;
                tx.put(route.clone());
                Ok(route)
            })
            .await
    }
}

/// Passes where the caller may do `verb` to the route, which more people see than its space.
fn need(caller: &Caller, state: &State, verb: Verb, route: &Route) -> Result<(), ActionError> {
    caller.need_seen(state, Verb::ReadRoutes, verb, route.space, "Route")
}

/// The route, where the caller may change it.
fn writable(state: &State, caller: &Caller, id: RouteId) -> Result<Route, ActionError> {
    allowed(state, caller, Verb::OperateApps, id)
}

/// The route, where the caller may do `verb` to it.
pub(super) fn allowed(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: RouteId,
) -> Result<Route, ActionError> {
    let route = state
        .routes
        .get(&id)
        .ok_or(ActionError::NotFound("Route"))?;
    need(caller, state, verb, route)?;
    Ok(Route::clone(route))
}

/// Deletes a route and tells the audit trail.
pub(in crate::actions) fn remove(tx: &mut Tx, caller: &Caller, id: RouteId, now: Timestamp) {
    let Some(route) = tx.routes.get(&id).map(|route| Route::clone(route)) else {
        return;
    };
    cascade::delete_route(tx, id);
    let data = json!({ "request": { "recursive": true } });
    note(tx, caller, "audit.route.delete-request", &route, data, now);
}

//! `/v3/security_groups`, and those of a space.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Listing, Resource, View, create, delete, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Body, Id, Ids, RawQuery, parameters},
        openapi::{Router, delete as delete_at, get, post},
    },
    authz::Verb,
    model::{SecurityGroup, SecurityGroupId, SpaceId, Workload},
    wire::{Error, Order, Query, ToMany, by_name, security_group},
};

pub(super) fn router() -> Router {
    let one = get(show::<SecurityGroup>).patch(update::<SecurityGroup>);
    let mut router = Router::new()
        .route(
            "/security_groups",
            get(list::<SecurityGroup>).post(create::<SecurityGroup>),
        )
        .route(
            "/security_groups/{guid}",
            one.delete(delete::<SecurityGroup>),
        );
    for (name, workload) in [
        ("running", Workload::Running),
        ("staging", Workload::Staging),
    ] {
        let path = format!("/security_groups/{{guid}}/relationships/{name}_spaces");
        router = router
            .route(
                &path,
                post(move |api, auth, base, id, body| bind(workload, api, auth, base, id, body)),
            )
            .route(
                &format!("{path}/{{space}}"),
                delete_at(move |api, auth, ids| unbind(workload, api, auth, ids)),
            )
            .route(
                &format!("/spaces/{{guid}}/{name}_security_groups"),
                get(move |api, auth, base, id, query| {
                    list_of_space(workload, api, auth, base, id, query)
                }),
            );
    }
    router
}

parameters! {
    /// What the lists of a space take.
    OfSpace(true, labels: false): "names";
}

impl Resource for SecurityGroup {
    type Id = SecurityGroupId;
    const PATH: &'static str = "/v3/security_groups";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "globally_enabled_running",
        "globally_enabled_staging",
        "running_space_guids",
        "staging_space_guids",
    ];
    // More than Cloud Foundry takes; our own client asks for it.
    const ORDERS: &'static [Order<Self>] = &[by_name()];
    const LABELS: bool = false;

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.security_groups(caller)
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: SecurityGroupId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.security_group(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_switches(&["globally_enabled_running", "globally_enabled_staging"])
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let names = query.filter("names");
        let everywhere =
            ["globally_enabled_running", "globally_enabled_staging"].map(|key| query.filter(key));
        let spaces = ["running_space_guids", "staging_space_guids"].map(|key| query.filter(key));
        items.retain(|group| {
            let reaches = [&group.running, &group.staging];
            let mut each = reaches.into_iter().zip(everywhere.iter().zip(&spaces));
            names.passes_name(&group.name)
                && each.all(|(reach, (everywhere, spaces))| {
                    // What one may not see selects nothing.
                    let mut seen = reach.spaces.iter().filter(|space| view.sees(**space));
                    everywhere.passes(if reach.everywhere { "true" } else { "false" })
                        && (spaces.is_open() || seen.any(|space| spaces.passes_id(space)))
                })
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        security_group::present(self, |space| view.sees(space), view.base)
    }
}

verbs!(
    SecurityGroup,
    create(security_group::Create): create_security_group,
    update(security_group::Update): update_security_group,
    delete: delete_security_group
);

impl View<'_> {
    /// Whether the caller may see the space.
    fn sees(&self, space: SpaceId) -> bool {
        self.caller
            .may_in_space(&self.state, Verb::ReadSpace, space)
    }
}

async fn bind(
    workload: Workload,
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SecurityGroupId>,
    Body(body): Body<ToMany>,
) -> Answer {
    let bound = api
        .actions
        .bind_security_group(&caller, id, workload, body)
        .await?;
    let view = View::new(&api, &caller, &base);
    let sees = |space| view.sees(space);
    Ok(Json(security_group::present_spaces(
        &bound, workload, sees, &base,
    )))
}

async fn unbind(
    workload: Workload,
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, space): Ids<SecurityGroupId, SpaceId>,
) -> Result<NoContent, Failure> {
    api.actions
        .unbind_security_group(&caller, id, workload, space)
        .await?;
    Ok(NoContent)
}

async fn list_of_space(
    workload: Workload,
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery<OfSpace>,
) -> Listing {
    let query = query.parse()?;
    let groups = api.actions.security_groups_of(&caller, id, workload)?;
    let name = match workload {
        Workload::Running => "running",
        Workload::Staging => "staging",
    };
    let path = format!("/v3/spaces/{id}/{name}_security_groups");
    View::new(&api, &caller, &base).page(&query, groups, &path)
}

//! `/v3/isolation_segments`, and those of organizations and spaces.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Listing, Resource, View, create, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Body, Id, Ids, RawQuery, parameters},
        openapi::{Router, delete as delete_at, get},
    },
    authz::Verb,
    model::{IsolationSegment, Org, OrgId, SegmentId, SpaceId},
    wire::{Order, Query, ToMany, ToOne, by_name, isolation_segment},
};

pub(super) fn router() -> Router {
    type Segment = IsolationSegment;
    Router::new()
        .route(
            "/isolation_segments",
            get(list::<Segment>).post(create::<Segment>),
        )
        .route(
            "/isolation_segments/{guid}",
            get(show::<Segment>).patch(update::<Segment>).delete(delete),
        )
        .route("/isolation_segments/{guid}/organizations", get(orgs))
        .route(
            "/isolation_segments/{guid}/relationships/organizations",
            get(related_orgs).post(entitle),
        )
        .route(
            "/isolation_segments/{guid}/relationships/organizations/{org}",
            delete_at(revoke),
        )
        .route(
            "/isolation_segments/{guid}/relationships/spaces",
            get(related_spaces),
        )
        .route(
            "/organizations/{guid}/relationships/default_isolation_segment",
            get(of_org).patch(set_of_org),
        )
        .route(
            "/spaces/{guid}/relationships/isolation_segment",
            get(of_space).patch(set_of_space),
        )
}

parameters! {
    /// What the list of organizations takes.
    Orgs(true): "names";
}

impl Resource for IsolationSegment {
    type Id = SegmentId;
    const PATH: &'static str = "/v3/isolation_segments";
    const FILTERS: &'static [&'static str] = &["names", "organization_guids"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.isolation_segments(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: SegmentId) -> Result<Arc<Self>, ActionError> {
        actions.isolation_segment(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
        items.retain(|segment| {
            let mut entitled = view.entitled(segment).into_iter();
            names.passes_name(&segment.name)
                && (orgs.is_open() || entitled.any(|org| orgs.passes_id(org)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        isolation_segment::present(self, view.base)
    }
}

verbs!(
    IsolationSegment,
    create(isolation_segment::Create): create_isolation_segment,
    update(isolation_segment::Update): update_isolation_segment
);

impl View<'_> {
    /// The organizations that may use the segment, as far as the caller may see them.
    fn entitled(&self, segment: &IsolationSegment) -> Vec<OrgId> {
        let orgs = segment.orgs.iter().copied();
        orgs.filter(|org| self.caller.may_in_org(Verb::ReadOrg, *org))
            .collect()
    }
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SegmentId>,
) -> Result<NoContent, Failure> {
    api.actions.delete_isolation_segment(&caller, id).await?;
    Ok(NoContent)
}

async fn orgs(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SegmentId>,
    query: RawQuery<Orgs>,
) -> Listing {
    let query = query.parse()?;
    let segment = api.actions.isolation_segment(&caller, id)?;
    let mut orgs: Vec<Arc<Org>> = api.actions.organizations(&caller);
    orgs.retain(|org| segment.orgs.contains(&org.id));
    let path = format!("{}/organizations", isolation_segment::path(id));
    View::new(&api, &caller, &base).page(&query, orgs, &path)
}

async fn related_orgs(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SegmentId>,
) -> Answer {
    let segment = api.actions.isolation_segment(&caller, id)?;
    let orgs = View::new(&api, &caller, &base).entitled(&segment);
    Ok(Json(isolation_segment::related(
        id,
        orgs,
        "organizations",
        &base,
    )))
}

async fn related_spaces(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SegmentId>,
) -> Answer {
    api.actions.isolation_segment(&caller, id)?;
    let spaces = api.actions.spaces(&caller);
    let spaces = spaces
        .iter()
        .filter(|space| space.isolation_segment == Some(id));
    let ids = spaces.map(|space| space.id);
    Ok(Json(isolation_segment::related(id, ids, "spaces", &base)))
}

async fn entitle(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SegmentId>,
    Body(body): Body<ToMany>,
) -> Answer {
    let segment = api.actions.entitle_organizations(&caller, id, body).await?;
    let orgs = View::new(&api, &caller, &base).entitled(&segment);
    Ok(Json(isolation_segment::related(
        id,
        orgs,
        "organizations",
        &base,
    )))
}

async fn revoke(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, org): Ids<SegmentId, OrgId>,
) -> Result<NoContent, Failure> {
    api.actions.revoke_organization(&caller, id, org).await?;
    Ok(NoContent)
}

fn path_of_org(id: OrgId) -> String {
    format!("/v3/organizations/{id}/relationships/default_isolation_segment")
}

async fn of_org(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Answer {
    let org = api.actions.organization(&caller, id)?;
    let segment = org.isolation_segment;
    Ok(Json(isolation_segment::relation(
        segment,
        &path_of_org(id),
        &base,
    )))
}

async fn set_of_org(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    Body(body): Body<ToOne>,
) -> Answer {
    let segment = api.actions.set_default_segment(&caller, id, body).await?;
    Ok(Json(isolation_segment::relation(
        segment,
        &path_of_org(id),
        &base,
    )))
}

fn path_of_space(id: SpaceId) -> String {
    format!("/v3/spaces/{id}/relationships/isolation_segment")
}

async fn of_space(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
) -> Answer {
    let space = api.actions.space(&caller, id)?;
    let segment = space.isolation_segment;
    Ok(Json(isolation_segment::relation(
        segment,
        &path_of_space(id),
        &base,
    )))
}

async fn set_of_space(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    Body(body): Body<ToOne>,
) -> Answer {
    let segment = api.actions.set_space_segment(&caller, id, body).await?;
    Ok(Json(isolation_segment::relation(
        segment,
        &path_of_space(id),
        &base,
    )))
}

//! Manifests of a space: what they change and what they would change.

use axum::{extract::State, http::header};
use serde_json::json;

use crate::{
    api::{
        Api, Failure,
        answer::{Accepted, Created, accepted},
        extract::{Auth, Base, Id, read},
        openapi::{Router, post},
        raw::Yaml,
    },
    model::SpaceId,
    wire::{self, manifest::Document},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/spaces/{guid}/actions/apply_manifest", post(apply))
        .route("/spaces/{guid}/manifest_diff", post(diff))
}

async fn document(Yaml { headers, body }: Yaml) -> Result<Document, Failure> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !kind.contains("yaml") {
        return Err(wire::Error::bad_request(
            "Bad request: Content-Type must be yaml, such as application/x-yaml",
        )
        .into());
    }
    Ok(Document::parse(&read(body).await?)?)
}

async fn apply(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    yaml: Yaml,
) -> Result<Accepted, Failure> {
    let document = document(yaml).await?;
    let job = api.actions.apply_manifest(&caller, id, &document).await?;
    Ok(accepted(&base, &job))
}

async fn diff(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SpaceId>,
    yaml: Yaml,
) -> Result<Created, Failure> {
    let document = document(yaml).await?;
    let changes = api.actions.diff_manifest(&caller, id, &document)?;
    Ok(Created(json!({ "diff": changes })))
}

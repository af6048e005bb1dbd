//! Jobs.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::Job;

/// One job.
#[must_use]
pub fn present(job: &Job, base: &Base) -> Value {
    let mut links = Links::new(base).to("self", &path(job));
    if let Some((kind, guid)) = &job.resource {
        links = links.to(kind, &format!("/v3/{kind}/{guid}"));
    }
    json!({
        "guid": job.id.to_string(),
        "created_at": job.created_at.to_string(),
        "updated_at": job.updated_at.to_string(),
        "operation": job.operation,
        "state": job.state,
        "errors": job.errors,
        "warnings": job.warnings.iter().map(|text| json!({ "detail": text })).collect::<Vec<_>>(),
        "links": links.json(),
    })
}

/// Where a job is polled.
#[must_use]
pub fn path(job: &Job) -> String {
    format!("/v3/jobs/{}", job.id)
}

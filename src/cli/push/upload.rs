//! Sends an app's code: first which files there are, then those that the platform lacks.

use std::{collections::BTreeSet, fs::File, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cli::{
        api::{Package, Resources, guid},
        context::Context,
        failure::{Failure, Outcome},
        output::bytes,
    },
    net::{Part, Upload},
};

use super::{
    archive,
    files::{self, Entry, Files, Kind},
};

/// How many files are asked about at once, as the API allows.
const AT_ONCE: usize = 5000;

/// How soon a package is looked at again while the platform takes it in.
const LOOK: Duration = Duration::from_millis(100);

/// A file as resource matching knows it.
#[derive(Debug, Clone, Serialize)]
struct Resource {
    path: String,
    mode: String,
    checksum: Checksum,
    size_in_bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
struct Checksum {
    value: String,
}

/// What of the platform's answer matters: the rest is what we said.
#[derive(Deserialize)]
struct Known {
    path: String,
}

/// Uploads the code of an app; gives the package's id once it is ready.
pub(super) async fn upload(context: &Context<'_>, app: &str, files: &Files) -> Outcome<String> {
    let (matched, zip) = match files {
        Files::Archive(path) => {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            (Vec::new(), Some(file))
        }
        Files::Tree(entries) => missing(context, entries).await?,
    };
    let body = json!({"type": "bits", "relationships": {"app": guid(app)}});
    let package: Package = context.api.post("/v3/packages", &body).await?.json()?;
    let (form, boundary) = form(context, &matched, zip)?;
    let path = format!("/v3/packages/{}/upload", package.guid);
    let kind = format!("multipart/form-data; boundary={boundary}");
    context.api.upload(&path, &kind, form).await?;
    ready(context, &package.guid).await?;
    Ok(package.guid)
}

/// What the platform has already, and a zip of the rest, if there is a rest.
async fn missing(
    context: &Context<'_>,
    entries: &[Entry],
) -> Outcome<(Vec<Resource>, Option<File>)> {
    let asked = resources(entries)?;
    let mut matched = Vec::new();
    for some in asked.chunks(AT_ONCE) {
        let answer = context
            .api
            .post("/v3/resource_matches", &json!({"resources": some}))
            .await?;
        let found: Resources<Known> = answer.json()?;
        let known: BTreeSet<String> = found.resources.into_iter().map(|one| one.path).collect();
        matched.extend(some.iter().filter(|one| known.contains(&one.path)).cloned());
    }
    let known: BTreeSet<&str> = matched
        .iter()
        .map(|resource| resource.path.as_str())
        .collect();
    let total = entries
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::File { .. }))
        .count();
    if !known.is_empty() {
        let left = total.saturating_sub(known.len());
        context
            .output
            .note(format!("{left} of {total} files have changed"));
    }
    let nothing_left = entries
        .iter()
        .all(|entry| known.contains(entry.path.as_str()));
    if nothing_left {
        return Ok((matched, None));
    }
    let zip = archive::zip(entries, &known).context("cannot pack the app")?;
    Ok((matched, Some(zip)))
}

fn resources(entries: &[Entry]) -> Outcome<Vec<Resource>> {
    let mut resources = Vec::new();
    for entry in entries {
        // Empty files have nothing that could be matched.
        let Kind::File {
            source,
            size: size @ 1..,
        } = &entry.kind
        else {
            continue;
        };
        let sha1 =
            files::sha1(source).with_context(|| format!("cannot read {}", source.display()))?;
        resources.push(Resource {
            path: entry.path.clone(),
            mode: format!("{:04o}", entry.mode),
            checksum: Checksum { value: sha1 },
            size_in_bytes: *size,
        });
    }
    Ok(resources)
}

/// The upload as a form, and the boundary between its parts.
fn form(
    context: &Context<'_>,
    matched: &[Resource],
    zip: Option<File>,
) -> Outcome<(Upload, String)> {
    let boundary = Uuid::new_v4().simple().to_string();
    let resources = serde_json::to_string(matched).context("cannot describe the files")?;
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"resources\"\r\n\
         Content-Type: application/json\r\n\r\n{resources}\r\n"
    );
    let mut parts = vec![Part::Bytes(head.into())];
    if let Some(zip) = zip {
        let length = zip.metadata().context("cannot read the packed app")?.len();
        context.output.note(format!("Uploading {}", bytes(length)));
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"bits\"; \
             filename=\"package.zip\"\r\nContent-Type: application/zip\r\n\r\n"
        );
        parts.push(Part::Bytes(head.into()));
        parts.push(Part::File(zip.into(), length));
        parts.push(Part::Bytes("\r\n".into()));
    }
    parts.push(Part::Bytes(format!("--{boundary}--\r\n").into()));
    Ok((
        Upload::new(parts, context.output.meter("Uploaded")),
        boundary,
    ))
}

/// Waits until the platform has taken the package in.
async fn ready(context: &Context<'_>, package: &str) -> Outcome<()> {
    loop {
        let found: Package = context.api.get(&format!("/v3/packages/{package}")).await?;
        match found.state.as_str() {
            "READY" => return Ok(()),
            "FAILED" | "EXPIRED" => {
                let reason = match &found.data["error"] {
                    Value::String(reason) => reason.clone(),
                    _ => "the platform does not say why".to_owned(),
                };
                return Err(Failure::Job("the upload", reason));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

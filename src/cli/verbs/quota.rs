//! `quota`: how much organizations and spaces use, and may use.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        args::QuotaLimits,
        context::{Context, name_query},
        failure::{Failure, Outcome},
        output::Table,
    },
    model::{Megabytes, parse_bytes},
};

const ORGS: &str = "/v3/organization_quotas";
const SPACES: &str = "/v3/space_quotas";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Quota {
    guid: String,
    name: String,
    apps: Value,
    services: Value,
    routes: Value,
    #[serde(default)]
    domains: Value,
}

/// A limit: what people call it, where it stands in a quota, and what of the usage it bounds.
struct Dimension {
    title: &'static str,
    part: &'static str,
    key: &'static str,
    used: Option<&'static str>,
    unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Number,
    Megabytes,
    Bytes,
}

const fn dimension(
    title: &'static str,
    part: &'static str,
    key: &'static str,
    used: Option<&'static str>,
    unit: Unit,
) -> Dimension {
    Dimension {
        title,
        part,
        key,
        used,
        unit,
    }
}

/// Every limit, in the order of [`given`].
const DIMENSIONS: [Dimension; 10] = [
    dimension(
        "memory",
        "apps",
        "total_memory_in_mb",
        Some("memory_in_mb"),
        Unit::Megabytes,
    ),
    dimension(
        "instance memory",
        "apps",
        "per_process_memory_in_mb",
        None,
        Unit::Megabytes,
    ),
    dimension(
        "instances",
        "apps",
        "total_instances",
        Some("started_instances"),
        Unit::Number,
    ),
    dimension(
        "tasks of an app",
        "apps",
        "per_app_tasks",
        None,
        Unit::Number,
    ),
    dimension(
        "log rate",
        "apps",
        "log_rate_limit_in_bytes_per_second",
        None,
        Unit::Bytes,
    ),
    dimension(
        "routes",
        "routes",
        "total_routes",
        Some("routes"),
        Unit::Number,
    ),
    dimension(
        "ports",
        "routes",
        "total_reserved_ports",
        Some("reserved_ports"),
        Unit::Number,
    ),
    dimension(
        "services",
        "services",
        "total_service_instances",
        Some("service_instances"),
        Unit::Number,
    ),
    dimension(
        "service keys",
        "services",
        "total_service_keys",
        Some("service_keys"),
        Unit::Number,
    ),
    dimension(
        "domains",
        "domains",
        "total_domains",
        Some("domains"),
        Unit::Number,
    ),
];

/// What was said of each dimension.
fn given(limits: &QuotaLimits) -> [Option<&String>; 10] {
    [
        &limits.memory,
        &limits.instance_memory,
        &limits.instances,
        &limits.tasks,
        &limits.log_rate,
        &limits.routes,
        &limits.ports,
        &limits.services,
        &limits.keys,
        &limits.domains,
    ]
    .map(Option::as_ref)
}

impl Quota {
    fn limit(&self, dimension: &Dimension) -> &Value {
        let part = match dimension.part {
            "apps" => &self.apps,
            "services" => &self.services,
            "routes" => &self.routes,
            _ => &self.domains,
        };
        &part[dimension.key]
    }
}

fn shown(value: &Value, unit: Unit) -> String {
    match (value.as_u64(), unit) {
        (None, _) => "-".to_owned(),
        (Some(megabytes), Unit::Megabytes) => format!("{megabytes}M"),
        (Some(number), Unit::Number | Unit::Bytes) => number.to_string(),
    }
}

/// The limit in `text`; null for `none`.
fn parsed(text: &str, unit: Unit) -> Outcome<Value> {
    if text == "none" {
        return Ok(Value::Null);
    }
    let number = match unit {
        Unit::Megabytes => text.parse::<Megabytes>().ok().map(|size| u64::from(size.0)),
        Unit::Bytes => parse_bytes(text).or_else(|| text.parse().ok()),
        Unit::Number => text.parse().ok(),
    };
    let wanted = match unit {
        Unit::Number => "a whole number",
        Unit::Megabytes | Unit::Bytes => "a size such as 64M or 1G",
    };
    number
        .map(|number: u64| json!(number))
        .ok_or_else(|| Failure::Usage(format!("{text:?} is neither {wanted} nor `none`")))
}

/// The body that sets what was said.
fn body(limits: &QuotaLimits) -> Outcome<Map<String, Value>> {
    let mut body = Map::new();
    for (dimension, text) in DIMENSIONS.iter().zip(given(limits)) {
        let Some(text) = text else { continue };
        let part = body.entry(dimension.part).or_insert_with(|| json!({}));
        part[dimension.key] = parsed(text, dimension.unit)?;
    }
    Ok(body)
}

async fn find(context: &Context<'_>, name: &str, spaces: bool) -> Outcome<Option<Quota>> {
    let path = path(context, spaces)?;
    let joint = if spaces { '&' } else { '?' };
    let path = format!("{path}{joint}names={}", name_query(name));
    let found: Vec<Quota> = context.api.all(&path).await?;
    Ok(found.into_iter().next())
}

/// Where the list is.
fn path(context: &Context<'_>, spaces: bool) -> Outcome<String> {
    if spaces {
        let org = context.org()?.guid;
        Ok(format!("{SPACES}?organization_guids={org}"))
    } else {
        Ok(ORGS.to_owned())
    }
}

async fn need(context: &Context<'_>, name: &str, spaces: bool) -> Outcome<Quota> {
    let found = find(context, name, spaces).await?;
    found.ok_or_else(|| Failure::NotFound {
        what: "quota",
        name: name.to_owned(),
    })
}

pub(crate) async fn list(context: &Context<'_>, spaces: bool) -> Outcome<()> {
    let quotas: Vec<Quota> = context.api.all(&path(context, spaces)?).await?;
    context.output.result(&quotas, |quotas| {
        if quotas.is_empty() {
            return "There is no quota; `pastina quota set NAME` makes one.\n".to_owned();
        }
        let columns = [0, 1, 2, 5, 7].map(|at| &DIMENSIONS[at]);
        let mut titles = vec!["name"];
        titles.extend(columns.map(|dimension| dimension.title));
        let mut table = Table::new(&titles);
        for quota in quotas {
            let mut row = vec![quota.name.clone()];
            row.extend(columns.map(|of| shown(quota.limit(of), of.unit)));
            table.row(row);
        }
        table.render()
    });
    Ok(())
}

#[derive(Deserialize)]
struct Usage {
    usage_summary: Value,
}

#[derive(Deserialize)]
struct Holder {
    relationships: Relationships,
}

#[derive(Deserialize)]
struct Relationships {
    quota: Relation,
}

#[derive(Deserialize)]
struct Relation {
    data: Option<Related>,
}

#[derive(Deserialize)]
struct Related {
    guid: String,
}

#[derive(Serialize)]
struct Row {
    what: &'static str,
    used: Option<u64>,
    limit: Value,
    space_used: Option<u64>,
    space_limit: Value,
    #[serde(skip)]
    unit: Unit,
}

/// What something at `path` uses, and its quota, of those at `quotas`.
async fn look(context: &Context<'_>, path: &str, quotas: &str) -> Outcome<(Value, Option<Quota>)> {
    let usage: Usage = context.api.get(&format!("{path}/usage_summary")).await?;
    let holder: Holder = context.api.get(path).await?;
    let quota = match holder.relationships.quota.data {
        Some(quota) => Some(context.api.get(&format!("{quotas}/{}", quota.guid)).await?),
        None => None,
    };
    Ok((usage.usage_summary, quota))
}

pub(crate) async fn usage(context: &Context<'_>) -> Outcome<()> {
    let (org, space) = (context.org()?, context.space()?);
    let (of_org, quota) = look(context, &format!("/v3/organizations/{}", org.guid), ORGS).await?;
    let path = format!("/v3/spaces/{}", space.guid);
    let (of_space, space_quota) = look(context, &path, SPACES).await?;
    let limit = |quota: &Option<Quota>, of: &Dimension| {
        let quota = quota.as_ref();
        quota.map_or(Value::Null, |quota| quota.limit(of).clone())
    };
    let rows = DIMENSIONS.iter().map(|of| {
        let used = |usage: &Value| of.used.and_then(|key| usage[key].as_u64());
        Row {
            what: of.title,
            used: used(&of_org),
            limit: limit(&quota, of),
            space_used: used(&of_space).filter(|_| of.part != "domains"),
            space_limit: limit(&space_quota, of),
            unit: of.unit,
        }
    });
    let rows: Vec<Row> = rows.collect();
    context.output.result(&rows, |rows| {
        let (org, space) = (org.name.as_str(), space.name.as_str());
        let titles = ["", org, "limit", space, "limit"];
        let mut table = Table::new(&titles);
        for row in rows {
            let used = |used: Option<u64>| shown(&json!(used), row.unit);
            table.row([
                row.what.to_owned(),
                used(row.used),
                shown(&row.limit, row.unit),
                used(row.space_used),
                shown(&row.space_limit, row.unit),
            ]);
        }
        table.render()
    });
    Ok(())
}

pub(crate) async fn set(
    context: &Context<'_>,
    name: &str,
    spaces: bool,
    limits: &QuotaLimits,
) -> Outcome<()> {
    let mut body = body(limits)?;
    let path = if spaces { SPACES } else { ORGS };
    let (answer, done) = match find(context, name, spaces).await? {
        Some(quota) => {
            let path = format!("{path}/{}", quota.guid);
            (
                context.api.patch(&path, &Value::Object(body)).await?,
                "is changed",
            )
        }
        None => {
            body.insert("name".to_owned(), json!(name));
            if spaces {
                let org = context.org()?.guid;
                let relationships = json!({ "organization": { "data": { "guid": org } } });
                body.insert("relationships".to_owned(), relationships);
            }
            (
                context.api.post(path, &Value::Object(body)).await?,
                "is made",
            )
        }
    };
    let quota: Quota = answer.json()?;
    context
        .output
        .result(&quota, |_| format!("{name} {done}.\n"));
    Ok(())
}

pub(crate) async fn apply(context: &Context<'_>, name: &str, space: bool) -> Outcome<()> {
    let quota = need(context, name, space).await?;
    let (path, kind, whose) = if space {
        (SPACES, "spaces", context.space()?)
    } else {
        (ORGS, "organizations", context.org()?)
    };
    let path = format!("{path}/{}/relationships/{kind}", quota.guid);
    let body = json!({ "data": [{ "guid": whose.guid }] });
    context.api.post(&path, &body).await?;
    let whose = whose.name;
    context
        .output
        .result(&quota, |_| format!("{whose} has the quota {name}.\n"));
    Ok(())
}

pub(crate) async fn delete(
    context: &Context<'_>,
    name: &str,
    spaces: bool,
    force: bool,
) -> Outcome<()> {
    let quota = need(context, name, spaces).await?;
    context.confirm(&format!("Delete the quota {name}?"), force)?;
    let path = if spaces { SPACES } else { ORGS };
    context
        .api
        .delete(&format!("{path}/{}", quota.guid))
        .await?;
    context
        .output
        .result(&quota, |_| format!("{name} is deleted.\n"));
    Ok(())
}

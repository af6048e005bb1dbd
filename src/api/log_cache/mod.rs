//! log-cache: how clients read the logs of apps.

mod query;

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::{
    Api, Failure,
    extract::{Auth, Id},
    openapi::{Answers, Operation, Router, Takes, get},
};
use crate::{
    actions::Caller,
    api::streams::envelope::{Source, batch, names},
    authz::Verb,
    logs::{Entry, Kinds, Logs, Query},
    model::AppId,
};

/// The log-cache release whose interface this is; clients choose their paths by it.
const VERSION: &str = "2.11.4";
/// Lines where the client does not say.
const LIMIT: usize = 100;
/// Bytes that a pattern for names may become.
const PATTERN: usize = 64 << 10;
/// Most lines in one answer.
const MOST: usize = 1000;

/// Every endpoint under `/api/v1`.
pub(super) fn router() -> Router {
    Router::new()
        .route("/info", get(info))
        .route("/meta", get(meta))
        .route("/query", get(query::at_once))
        .route("/query_range", get(query::over))
        .route("/read/{guid}", get(read))
}

async fn info() -> Json<Value> {
    Json(json!({ "version": VERSION, "vm_uptime": "0" }))
}

async fn read(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
    asked: Asked,
) -> Result<Json<Value>, Refused> {
    let Some(source) = source(&api, &caller, id) else {
        return Err(Refused::Failed(crate::wire::Error::not_found("App").into()));
    };
    let wanted = match Wanted::parse(&asked.0) {
        Ok(wanted) => wanted,
        // Readers of this interface look at the status alone.
        Err(text) => return Err(Refused::Words(text)),
    };
    let logs = api.actions.logs.clone();
    let entries = tokio::task::spawn_blocking(move || wanted.read(&logs, id))
        .await
        .map_err(|_| {
            Refused::Failed(crate::wire::Error::unknown("An unknown error occurred.").into())
        })?;
    let batch = batch(entries.iter().map(|entry| (&*source, entry)));
    Ok(Json(json!({ "envelopes": batch })))
}

/// What the query of a read says.
struct Asked(String);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

impl Takes for Asked {
    fn describe(operation: &mut Operation) {
        let number = json!({ "type": "integer", "format": "int64" });
        operation.query("start_time", &number);
        operation.query("end_time", &number);
        let limit = json!({ "type": "integer", "minimum": 0, "maximum": MOST });
        operation.query("limit", &limit);
        operation.query(
            "name_filter",
            &json!({ "type": "string", "format": "regex" }),
        );
        operation.query("descending", &json!({ "type": "boolean" }));
        let kinds = ["ANY", "LOG", "COUNTER", "GAUGE", "TIMER", "EVENT"];
        operation.query(
            "envelope_types",
            &json!({ "type": "string", "enum": kinds }),
        );
    }
}

/// Why nothing is read.
enum Refused {
    Failed(Failure),
    Words(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Failed(failure) => failure.into_response(),
            Self::Words(text) => (StatusCode::BAD_REQUEST, text).into_response(),
        }
    }
}

impl Answers for Refused {
    fn describe(operation: &mut Operation) {
        let words = json!({ "type": "string" });
        operation.answer(400, Some(("text/plain", words)));
        operation.refuse("Errors");
    }
}

async fn meta(State(api): State<Api>, Auth(caller): Auth) -> Result<Json<Value>, Failure> {
    let state = api.actions.store.state();
    let visible = state.apps.values();
    let visible: Vec<AppId> = visible
        .filter(|app| caller.may_in_space(&state, Verb::ReadLogs, app.space))
        .map(|app| app.id)
        .collect();
    let logs = api.actions.logs.clone();
    let meta = tokio::task::spawn_blocking(move || {
        let entries = visible.into_iter().filter_map(|app| {
            let line = |descending| {
                let query = Query {
                    start_ns: i64::MIN,
                    end_ns: i64::MAX,
                    limit: 1,
                    descending,
                };
                logs.read(app, &query).first().cloned()
            };
            let (oldest, newest) = (line(false)?, line(true)?);
            let entry = json!({
                "oldestTimestamp": oldest.at_ns.to_string(),
                "newestTimestamp": newest.at_ns.to_string(),
            });
            Some((app.to_string(), entry))
        });
        entries.collect::<Map<String, Value>>()
    });
    let meta = meta
        .await
        .map_err(|_| crate::wire::Error::unknown("An unknown error occurred."))?;
    Ok(Json(json!({ "meta": meta })))
}

/// What the tags of an app's lines say, if the caller may read its log.
fn source(api: &Api, caller: &Caller, id: AppId) -> Option<Arc<Source>> {
    let state = api.actions.store.state();
    let app = state.apps.get(&id)?;
    if !caller.may_in_space(&state, Verb::ReadLogs, app.space) {
        return None;
    }
    Source::of(&state, id)
}

/// What a read asks for.
#[derive(Debug)]
struct Wanted {
    query: Query,
    logs: bool,
    kinds: Kinds,
    /// What the name of a metric has to match; lines have no name.
    name: Option<Regex>,
}

impl Wanted {
    fn parse(query: &str) -> Result<Self, String> {
        let mut wanted = Self {
            query: Query {
                start_ns: i64::MIN,
                end_ns: i64::MAX,
                limit: LIMIT,
                descending: false,
            },
            logs: true,
            kinds: Kinds::default(),
            name: None,
        };
        let mut types = Vec::new();
        for (key, value) in query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        {
            let wrong = || format!("{key}={value} is not a valid parameter\n");
            match key {
                "start_time" => wanted.query.start_ns = value.parse().map_err(|_| wrong())?,
                "end_time" => wanted.query.end_ns = value.parse().map_err(|_| wrong())?,
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| wrong())?;
                    if limit > MOST {
                        return Err(wrong());
                    }
                    wanted.query.limit = if limit == 0 { LIMIT } else { limit };
                }
                "descending" => wanted.query.descending = value == "true",
                "envelope_types" => types.push(value.to_ascii_uppercase()),
                "name_filter" => {
                    let (_, pattern) = crate::wire::query::pair(&format!("{key}={value}"));
                    let pattern = RegexBuilder::new(&pattern).size_limit(PATTERN).build();
                    wanted.name = Some(pattern.map_err(|_| wrong())?);
                }
                _ => {}
            }
        }
        let has = |kind: &str| types.is_empty() || types.iter().any(|t| t == kind || t == "ANY");
        wanted.logs = has("LOG") && wanted.name.is_none();
        wanted.kinds = Kinds {
            gauges: has("GAUGE"),
            counters: has("COUNTER"),
            timers: has("TIMER"),
        };
        Ok(wanted)
    }

    /// What there is of it, by time. Blocks on the disk.
    fn read(&self, logs: &Logs, app: AppId) -> Vec<Entry> {
        let mut found = Vec::new();
        if self.logs {
            found.extend(logs.read(app, &self.query).into_iter().map(Entry::Line));
        }
        let named = Query {
            // What does not match must not take the place of what does.
            limit: self.name.as_ref().map_or(self.query.limit, |_| usize::MAX),
            ..self.query
        };
        let measured = logs.measured(app, self.kinds, &named);
        found.extend(measured.into_iter().map(Entry::Measured).filter(|entry| {
            let name = self.name.as_ref();
            name.is_none_or(|name| names(entry).iter().any(|known| name.is_match(known)))
        }));
        // Stable, so lines of one time keep the order in which they came.
        found.sort_by_key(|entry| {
            let at_ns = i128::from(entry.at_ns());
            if self.query.descending { -at_ns } else { at_ns }
        });
        found.truncate(self.query.limit);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_cli_asks() {
        let wanted = Wanted::parse(
            "envelope_types=LOG&start_time=-6795364578871345152&descending=true&limit=1000",
        )
        .unwrap();
        assert_eq!(wanted.query.start_ns, -6_795_364_578_871_345_152);
        assert_eq!(wanted.query.limit, 1000);
        assert!(wanted.query.descending && wanted.logs);
        let gauges = Wanted::parse("envelope_types=GAUGE&name_filter=cpu%7Cmem").unwrap();
        assert!(!gauges.logs && gauges.kinds.gauges && !gauges.kinds.timers);
        assert!(gauges.name.unwrap().is_match("memory"));
        assert!(Wanted::parse("name_filter=(").is_err());
        assert!(Wanted::parse("limit=1001").is_err());
        assert!(Wanted::parse("start_time=now").is_err());
    }
}

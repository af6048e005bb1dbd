//! log-cache: how clients read the logs of apps.

mod present;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    Api, Failure,
    extract::{Auth, Id},
    openapi::{Answers, Operation, Router, Takes, get},
};
use crate::{actions::Caller, authz::Verb, logs::Query, model::AppId};

/// The log-cache release whose interface this is; clients choose their paths by it.
const VERSION: &str = "2.11.4";
/// Lines where the client does not say.
const LIMIT: usize = 100;
/// Most lines in one answer.
const MOST: usize = 1000;

/// Every endpoint under `/api/v1`.
pub(super) fn router() -> Router {
    Router::new()
        .route("/info", get(info))
        .route("/meta", get(meta))
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
    if !wanted.logs {
        return Ok(Json(present::batch(&source, [])));
    }
    let logs = api.actions.logs.clone();
    let lines = tokio::task::spawn_blocking(move || logs.read(id, &wanted.query))
        .await
        .map_err(|_| {
            Refused::Failed(crate::wire::Error::unknown("An unknown error occurred.").into())
        })?;
    let lines = lines.iter().map(AsRef::as_ref);
    Ok(Json(present::batch(&source, lines)))
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
        .filter(|app| caller.may_in_space(&state, Verb::ReadEvents, app.space))
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
fn source(api: &Api, caller: &Caller, id: AppId) -> Option<present::Source> {
    let state = api.actions.store.state();
    let app = state.apps.get(&id)?;
    if !caller.may_in_space(&state, Verb::ReadEvents, app.space) {
        return None;
    }
    let space = state.spaces.get(&app.space)?;
    let org = state.orgs.get(&space.org)?;
    Some(present::Source {
        app: (app.id.to_string(), app.name.to_string()),
        space: (space.id.to_string(), space.name.to_string()),
        org: (org.id.to_string(), org.name.to_string()),
    })
}

/// What a read asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    query: Query,
    /// Whether lines are asked for at all: of the other kinds of envelope there are none.
    logs: bool,
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
                _ => {}
            }
        }
        wanted.logs = types.is_empty() || types.iter().any(|t| t == "LOG" || t == "ANY");
        Ok(wanted)
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
        assert!(!Wanted::parse("envelope_types=GAUGE").unwrap().logs);
        assert!(Wanted::parse("limit=1001").is_err());
        assert!(Wanted::parse("start_time=now").is_err());
    }
}

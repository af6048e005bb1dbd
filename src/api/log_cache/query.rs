//! PromQL over what log-cache has: `/api/v1/query` and `/api/v1/query_range`, as Prometheus's own
//! HTTP API has them, for apps that are named by `source_id`.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

use crate::{
    api::{
        Api,
        extract::{Auth, RawQuery, parameters},
        openapi::{Answers, Operation},
        streams::envelope::{Source, tags},
    },
    logs::{Entry, Kinds, Logs, Measure, Query},
    model::AppId,
    promql::{self, Answer, Expr, Labels, QueryError, Selector, Series},
    wire::query,
};

/// Apps of one query.
const MOST: usize = 50;
/// Who computes: a query may take some hundred milliseconds of a processor.
static TURNS: Semaphore = Semaphore::const_new(2);
/// How long a query may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

parameters! {
    /// What a query at one time takes.
    AtOnce(false): "query", "time";

    /// What a query over a time takes.
    Over(false): "query", "start", "end", "step";
}

/// Why there is no answer, in Prometheus's form.
pub(super) struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, kind, error) = self;
        let body = json!({ "status": "error", "errorType": kind, "error": error });
        (status, Json(body)).into_response()
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        for status in [400, 404, 422, 503] {
            let text = json!({ "type": "string" });
            let schema = json!({
                "type": "object",
                "properties": { "status": text, "errorType": text, "error": text },
                "required": ["status", "errorType", "error"],
            });
            operation.answer(status, Some(("application/json", schema)));
        }
        operation.refuse("Errors");
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Parse { .. } => bad(text),
            QueryError::Execution(_) => Self(StatusCode::UNPROCESSABLE_ENTITY, "execution", text),
        }
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "bad_data", text.into())
}

/// At which times a query is computed, in milliseconds.
enum When {
    At(i64),
    Over(i64, i64, i64),
}

pub(super) async fn at_once(
    State(api): State<Api>,
    auth: Auth,
    asked: RawQuery<AtOnce>,
) -> Result<Json<Value>, Refusal> {
    let now_ms = i64::try_from(api.actions.now().millis()).unwrap_or(i64::MAX);
    let asked = Asked::read(asked.text());
    let when = When::At(asked.time("time", Some(now_ms))?);
    answer(api, auth, asked.get("query"), when).await
}

pub(super) async fn over(
    State(api): State<Api>,
    auth: Auth,
    asked: RawQuery<Over>,
) -> Result<Json<Value>, Refusal> {
    let asked = Asked::read(asked.text());
    let (from_ms, to_ms) = (asked.time("start", None)?, asked.time("end", None)?);
    let step_ms = asked.step()?;
    let when = When::Over(from_ms, to_ms, step_ms);
    answer(api, auth, asked.get("query"), when).await
}

/// What a query string says.
struct Asked(BTreeMap<String, String>);

impl Asked {
    fn read(text: &str) -> Self {
        Self(text.split('&').map(query::pair).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A time, in seconds since the Unix epoch or as RFC 3339 has it.
    fn time(&self, name: &str, missing: Option<i64>) -> Result<i64, Refusal> {
        let text = self.get(name);
        if let (true, Some(missing)) = (text.is_empty(), missing) {
            return Ok(missing);
        }
        let written = || {
            let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
        };
        milliseconds(text)
            .or_else(written)
            .ok_or_else(|| bad(format!("cannot parse {text:?} to a valid timestamp")))
    }

    /// A span, in seconds or with a unit.
    fn step(&self) -> Result<i64, Refusal> {
        let text = self.get("step");
        milliseconds(text)
            .or_else(|| promql::span(text))
            .ok_or_else(|| bad(format!("cannot parse {text:?} to a valid duration")))
    }
}

/// Milliseconds of seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is larger than any time becomes the largest"
)]
fn milliseconds(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    seconds.is_finite().then_some((seconds * 1000.0) as i64)
}

async fn answer(
    api: Api,
    Auth(caller): Auth,
    text: &str,
    when: When,
) -> Result<Json<Value>, Refusal> {
    let expr = promql::parse(text)?;
    let state = api.actions.store.state();
    let mut sources = BTreeMap::new();
    for selector in expr.selectors() {
        let named = source_ids(selector);
        if named.is_empty() {
            return Err(bad("query does not request any source_ids"));
        }
        for id in named {
            let app = id.parse::<AppId>().ok();
            let app = app
                .and_then(|id| state.apps.get(&id))
                .filter(|app| caller.may_in_space(&state, crate::authz::Verb::ReadLogs, app.space));
            let source = app.and_then(|app| Some((app.id, Source::of(&state, app.id)?)));
            let missing = || {
                let text = format!("there is no source_id {id:?}");
                Refusal(StatusCode::NOT_FOUND, "not_found", text)
            };
            sources.extend([source.ok_or_else(missing)?]);
        }
    }
    if sources.len() > MOST {
        return Err(bad(format!("a query names at most {MOST} source_ids")));
    }
    let busy = || {
        let text = "too many queries are computed; try again".to_owned();
        Refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    };
    let turn = tokio::time::timeout(TURN, TURNS.acquire()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    let logs = api.actions.logs.clone();
    let computed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let sources = sources.iter();
        let series: Vec<Series> = sources
            .flat_map(|(app, source)| series_of(&logs, *app, source))
            .collect();
        compute(&expr, &series, &when)
    });
    Ok(Json(computed.await.map_err(|_| busy())??))
}

/// The sources that a selector names one by one.
fn source_ids(selector: &Selector) -> Vec<&str> {
    let matchers = selector.matchers.iter();
    let named = matchers.filter(|matcher| matcher.label == "source_id" && !matcher.negated);
    named
        .flat_map(|matcher| match matcher.pattern {
            // A pattern may name several; what is no guid names no app.
            Some(_) => matcher.value.split('|').collect::<Vec<_>>(),
            None => vec![matcher.value.as_str()],
        })
        .collect()
}

/// All that was measured of an app, by name and labels.
#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
fn series_of(logs: &Logs, app: AppId, source: &Source) -> Vec<Series> {
    let all = Query {
        start_ns: i64::MIN,
        end_ns: i64::MAX,
        limit: usize::MAX,
        descending: false,
    };
    let kinds = Kinds {
        gauges: true,
        counters: true,
        timers: true,
    };
    let mut found: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    for measured in logs.measured(app, kinds, &all) {
        let at_ms = i64::try_from(measured.at_ns / 1_000_000).unwrap_or(i64::MAX);
        let entry = Entry::Measured(measured.clone());
        let mut labels: Labels = tags(source, &entry)
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect();
        labels.insert("source_id".to_owned(), app.to_string());
        let mut add = |name: &str, value: f64| {
            let mut labels = labels.clone();
            labels.insert("__name__".to_owned(), name.to_owned());
            found.entry(labels).or_default().push((at_ms, value));
        };
        match &measured.what {
            Measure::Container(container) => {
                for (name, value, _) in container.metrics() {
                    add(name, value);
                }
            }
            Measure::Counter(counter) => add(counter.name, counter.total as f64),
            // As log-cache has it: how long it took, in nanoseconds.
            Measure::Request(request) => {
                add(
                    "http",
                    request.stop_ns.saturating_sub(request.start_ns) as f64,
                );
            }
        }
    }
    let found = found.into_iter();
    found
        .map(|(labels, samples)| Series { labels, samples })
        .collect()
}

fn compute(expr: &Expr, series: &[Series], when: &When) -> Result<Value, Refusal> {
    let (answer, at_ms) = match *when {
        When::At(at_ms) => (expr.at(series, at_ms)?, at_ms),
        When::Over(from_ms, to_ms, step_ms) => {
            (expr.over(series, (from_ms, to_ms), step_ms)?, to_ms)
        }
    };
    let (kind, result) = match answer {
        Answer::Scalar(number) => ("scalar", sample(at_ms, number)),
        Answer::Vector(vector) => {
            let vector = vector
                .iter()
                .map(|(labels, value)| json!({ "metric": labels, "value": sample(at_ms, *value) }));
            ("vector", vector.collect())
        }
        Answer::Matrix(matrix) => {
            let matrix = matrix.iter().map(|series| {
                let values = series.samples.iter();
                let values: Value = values
                    .map(|(at_ms, value)| sample(*at_ms, *value))
                    .collect();
                json!({ "metric": series.labels, "values": values })
            });
            ("matrix", matrix.collect())
        }
    };
    Ok(json!({ "status": "success", "data": { "resultType": kind, "result": result } }))
}

/// A time in seconds, and a number as a text, which can be any.
#[expect(clippy::cast_precision_loss, reason = "times of this age")]
fn sample(at_ms: i64, value: f64) -> Value {
    let text = if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    };
    json!([at_ms as f64 / 1000.0, text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_that_are_named_one_by_one() {
        let check = |query: &str, expected: &[&str]| {
            let query = promql::parse(query).unwrap();
            let selectors = query.selectors();
            assert_eq!(source_ids(selectors[0]), expected);
        };
        check("cpu{source_id=\"a\"}", &["a"]);
        check("rate(rx_bytes{source_id=~\"a|b\"}[5m])", &["a", "b"]);
        check("cpu{source_id!=\"a\"}", &[]);
        check("cpu", &[]);
    }

    #[test]
    fn times_are_seconds_or_written_out() {
        let asked = Asked::read("a=1.5&b=1970-01-01T00%3A00%3A02Z&step=1m&c=x");
        let time = |name| asked.time(name, None).map_err(|refused| refused.2);
        assert_eq!(time("a"), Ok(1500));
        assert_eq!(time("b"), Ok(2000));
        assert!(time("c").unwrap_err().contains("valid timestamp"));
        assert_eq!(asked.time("none", Some(7)).ok(), Some(7));
        assert_eq!(asked.step().ok(), Some(60_000));
        assert_eq!(sample(1500, f64::INFINITY), json!([1.5, "+Inf"]));
    }
}

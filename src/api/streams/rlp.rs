//! The streaming log gateway: `/v2/read`, as server-sent events.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    Token,
    envelope::{Source, batch},
    pass::Pass,
    reader::{Next, Reader, Wanted},
};
use crate::{
    api::{
        Api,
        extract::{RawQuery, caller_of, parameters},
        openapi::{Answers, Operation, Router, get},
    },
    logs::Entry,
    model::AppId,
    wire::query,
};

/// Between signs of life on a stream on which nothing comes.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A stream ends after so long, and its reader begins another: then it is asked anew who may.
const LONGEST: Duration = Duration::from_secs(14 * 60);
/// Envelopes in one event.
const BATCH: usize = 100;

pub(super) fn router() -> Router {
    Router::new().route("/v2/read", get(read))
}

parameters! {
    /// What a reader may ask for.
    Read(false): "log", "gauge", "counter", "timer", "event", "gauge.name", "counter.name", "source_id", "shard_id";
}

/// A refusal in the gateway's form.
struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error, message) = self;
        (status, Json(json!({ "error": error, "message": message }))).into_response()
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        for status in [400, 404, 503] {
            let text = json!({ "type": "string" });
            let schema = json!({
                "type": "object",
                "properties": { "error": text, "message": text },
                "required": ["error", "message"],
            });
            operation.answer(status, Some(("application/json", schema)));
        }
    }
}

/// Events without an end.
struct Sent(Body);

impl IntoResponse for Sent {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, self.0).into_response()
    }
}

impl Answers for Sent {
    fn describe(operation: &mut Operation) {
        let events = ("text/event-stream", json!({ "type": "string" }));
        operation.answer(200, Some(events));
    }
}

const BUSY: Refusal = Refusal(
    StatusCode::SERVICE_UNAVAILABLE,
    "too_many_streams",
    "too many streams are open; close some and try again",
);
const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "not_found", "resource not found");

/// What a reader asks for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    wanted: Wanted,
    /// Whether it has a `shard_id`.
    is_shared: bool,
}

impl Asked {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let bad = |error, message| Refusal(StatusCode::BAD_REQUEST, error, message);
        let mut asked = Self::default();
        let mut types = 0;
        if text.is_empty() {
            return Err(bad("empty_query", "query cannot be empty"));
        }
        for (key, value) in text.split('&').map(query::pair) {
            match key.as_str() {
                "log" => asked.wanted.interest.lines = true,
                "gauge" => asked.wanted.interest.kinds.gauges = true,
                "timer" => asked.wanted.interest.kinds.timers = true,
                "counter" => asked.wanted.interest.kinds.counters = true,
                // There are none of these.
                "event" => {}
                "gauge.name" if value.is_empty() => {
                    return Err(bad(
                        "missing_gauge_name",
                        "gauge.name is invalid without value",
                    ));
                }
                "counter.name" if value.is_empty() => {
                    return Err(bad(
                        "missing_counter_name",
                        "counter.name is invalid without value",
                    ));
                }
                "gauge.name" => {
                    asked.wanted.interest.kinds.gauges = true;
                    asked.wanted.gauges.insert(value.clone());
                }
                "counter.name" => {
                    asked.wanted.interest.kinds.counters = true;
                    asked.wanted.counters.insert(value.clone());
                }
                "shard_id" => {
                    asked.is_shared = true;
                    continue;
                }
                _ => continue,
            }
            types += 1;
        }
        if types == 0 {
            return Err(bad(
                "missing_envelope_type",
                "query must provide at least one envelope type",
            ));
        }
        Ok(asked)
    }
}

async fn read(
    State(api): State<Api>,
    Token(token): Token,
    query: RawQuery<Read>,
) -> Result<Sent, Refusal> {
    let text = query.text();
    let state = api.actions.store.state();
    let token = token.ok_or(NOT_FOUND)?;
    let caller = caller_of(&api, &state, &token).ok_or(NOT_FOUND)?;
    let sources = text.split('&').map(query::pair);
    let sources: Vec<_> = sources
        .filter(|(key, _)| key == "source_id")
        .map(|(_, id)| id.parse::<AppId>())
        .collect();
    // What is no app has nothing to say; who may read everything may ask for it.
    if !caller.may_watch() && sources.iter().any(Result::is_err) {
        return Err(NOT_FOUND);
    }
    let apps: Option<Vec<AppId>> =
        (!sources.is_empty()).then(|| sources.into_iter().flatten().collect());
    let pass = Pass::grant(&api, &token, &caller, apps.clone()).ok_or(NOT_FOUND)?;
    let mut asked = Asked::parse(text)?;
    asked.wanted.interest.apps = apps.map(|apps| apps.into_iter().collect());
    // What others ask for, or other people, is another stream.
    let name = asked
        .is_shared
        .then(|| format!("rlp {} {text}", caller.user.id));
    let streams = api.streams.clone();
    let reader = streams.read(&api.actions.logs, pass, asked.wanted, name);
    let reader = reader.ok_or(BUSY)?;
    let now = Instant::now();
    let events = Events {
        api,
        reader,
        heartbeat: now + HEARTBEAT,
        end: now + LONGEST,
        ended: false,
    };
    let events = stream::unfold(events, async |mut events| {
        let event = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), events))
    });
    Ok(Sent(Body::from_stream(events)))
}

struct Events {
    api: Api,
    reader: Reader,
    heartbeat: Instant,
    end: Instant,
    ended: bool,
}

impl Events {
    /// The next event as it is sent; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            // What is dropped here has taken nothing.
            let entries = tokio::select! {
                next = self.reader.next() => self.collect(next),
                () = sleep_until(self.heartbeat) => {
                    let now = self.api.actions.now().seconds();
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    return Some(Bytes::from(format!("event: heartbeat\ndata: {now}\n\n")));
                }
                () = sleep_until(self.end) => {
                    self.ended = true;
                    let text = "event: closing\ndata: closing due to stream timeout\n\n";
                    return Some(Bytes::from_static(text.as_bytes()));
                }
            };
            if let Some(event) = self.event(&entries) {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(event);
            }
            if self.ended {
                return None;
            }
        }
    }

    /// What is wanted of what has come.
    fn collect(&mut self, first: Next) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut next = Some(first);
        while let Some(came) = next {
            match came {
                Next::Entry(entry) => entries.push(entry),
                // Who reads too slowly is told by the gap, as everywhere in Loggregator.
                Next::Missed(count) => tracing::debug!(count, "a stream's reader is too slow"),
                Next::End => self.ended = true,
            }
            next = (entries.len() < BATCH)
                .then(|| self.reader.ready())
                .flatten();
        }
        entries
    }

    fn event(&self, entries: &[Entry]) -> Option<Bytes> {
        let state = self.api.actions.store.state();
        let mut sources: HashMap<AppId, Option<Arc<Source>>> = HashMap::new();
        for entry in entries {
            let app = entry.app();
            sources
                .entry(app)
                .or_insert_with(|| Source::of(&state, app));
        }
        let known: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((sources.get(&entry.app())?.as_deref()?, entry)))
            .collect();
        (!known.is_empty()).then(|| Bytes::from(format!("data: {}\n\n", batch(known))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Interest;

    #[test]
    fn a_query_says_what_is_wanted() {
        let asked = Asked::parse("log&gauge.name=cpu&source_id=a&source_id=b&shard_id=s");
        let asked = asked.ok().unwrap();
        let Interest { lines, kinds, .. } = &asked.wanted.interest;
        assert!(*lines && kinds.gauges && !kinds.timers);
        assert!(asked.wanted.gauges.contains("cpu"));
        assert!(asked.is_shared);
        for (query, error) in [
            ("", "empty_query"),
            ("source_id=a", "missing_envelope_type"),
            ("gauge.name=", "missing_gauge_name"),
            ("counter.name", "missing_counter_name"),
        ] {
            let Err(Refusal(status, id, _)) = Asked::parse(query) else {
                panic!("{query}");
            };
            assert_eq!((status.as_u16(), id), (400, error), "{query}");
        }
    }
}

//! Doppler's streams of version 1: WebSockets of an app's envelopes and of everybody's, and what
//! was kept of an app.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message as Frame, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prost::Message as _;
use serde_json::json;
use tokio::time::{Instant, interval, timeout};

use super::{
    Token,
    dropsonde::envelope,
    envelope::Source,
    pass::Pass,
    reader::{Next, Reader, Wanted},
};
use crate::{
    actions::Caller,
    api::{
        Api,
        extract::{RawQuery, caller_of, parameters},
        openapi::{Answers, Operation, Router, Takes, get},
    },
    authz::Verb,
    logs::{Entry, Interest, Kinds, Line, Query, Stream},
    model::AppId,
    store,
    wire::query,
};

/// Between signs of life; a client that shows none for three of them is gone.
const PING: Duration = Duration::from_secs(30);
/// How long a client may take nothing.
const STALL: Duration = Duration::from_secs(30);
/// Bytes of what a client may say; nothing that it says matters.
const MESSAGE: usize = 4 << 10;
/// Most lines of `recentlogs`, and how many where the client does not say.
const RECENT: usize = 1000;
/// A metric that is older is of an instance that is gone.
const FRESH_NS: u64 = 120_000_000_000;
/// What parts the answers of `recentlogs`.
const BOUNDARY: &str = "8f2a41c6b0d94e7795a3";

pub(super) fn router() -> Router {
    Router::new()
        .route("/apps/{guid}/stream", get(stream))
        .route("/apps/{guid}/recentlogs", get(recent))
        .route("/apps/{guid}/containermetrics", get(metrics))
        .route("/firehose/{subscription}", get(firehose))
}

parameters! {
    /// What `recentlogs` takes.
    Recent(false): "limit";

    /// What the firehose takes: `logs` or `metrics`; else it is both.
    Firehose(false): "filter-type";
}

/// A refusal in the words of Cloud Foundry's traffic controller.
struct No(StatusCode, String);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl Answers for No {
    fn describe(operation: &mut Operation) {
        for status in [400, 401, 404, 503] {
            let words = ("text/plain", json!({ "type": "string" }));
            operation.answer(status, Some(words));
        }
    }
}

impl No {
    fn unauthorized(why: &str) -> Self {
        let text = format!("You are not authorized. Error: {why}");
        Self(StatusCode::UNAUTHORIZED, text)
    }

    fn app() -> Self {
        Self(StatusCode::NOT_FOUND, "App not found".to_owned())
    }
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

impl Takes for Upgrade {
    fn describe(_: &mut Operation) {}
}

/// A WebSocket.
struct Opened(Response);

impl IntoResponse for Opened {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for Opened {
    fn describe(operation: &mut Operation) {
        operation.answer(101, None);
    }
}

/// Who asks, with their token.
struct Asker {
    caller: Caller,
    token: String,
}

impl Asker {
    fn of(api: &Api, state: &store::State, Token(token): Token) -> Result<Self, No> {
        let token = token.ok_or_else(|| No::unauthorized("Authorization not provided"))?;
        match caller_of(api, state, &token) {
            Some(caller) => Ok(Self { caller, token }),
            None => Err(No::unauthorized("Invalid authorization")),
        }
    }

    /// The same with the app whose log they may read.
    fn of_app(api: &Api, token: Token, guid: &str) -> Result<(AppId, Self), No> {
        let state = api.actions.store.state();
        let asker = Self::of(api, &state, token)?;
        let found = guid.parse().ok().and_then(|id: AppId| state.apps.get(&id));
        let found = found.filter(|app| {
            let caller = &asker.caller;
            caller.may_in_space(&state, Verb::ReadLogs, app.space)
        });
        let app = found.ok_or_else(No::app)?.id;
        Ok((app, asker))
    }
}

async fn stream(
    State(api): State<Api>,
    Path(guid): Path<String>,
    token: Token,
    upgrade: Upgrade,
) -> Result<Opened, No> {
    let (app, Asker { caller, token }) = Asker::of_app(&api, token, &guid)?;
    let pass = Pass::grant(&api, &token, &caller, Some(vec![app]));
    let interest = Interest {
        apps: Some([app].into()),
        lines: true,
        kinds: Kinds {
            gauges: true,
            counters: true,
            timers: true,
        },
    };
    open(api, upgrade, pass.ok_or_else(No::app)?, interest, Ok(app))
}

async fn firehose(
    State(api): State<Api>,
    Path(subscription): Path<String>,
    token: Token,
    query: RawQuery<Firehose>,
    upgrade: Upgrade,
) -> Result<Opened, No> {
    let state = api.actions.store.state();
    let Asker { caller, token } = Asker::of(&api, &state, token)?;
    let pass = Pass::grant(&api, &token, &caller, None);
    let pass = pass.ok_or_else(|| No::unauthorized("Invalid authorization"))?;
    let filter = last(query.text(), "filter-type").unwrap_or_default();
    let (lines, measured) = (filter != "metrics", filter != "logs");
    let interest = Interest {
        apps: None,
        lines,
        kinds: Kinds {
            gauges: measured,
            counters: measured,
            timers: measured,
        },
    };
    // Nozzles that share a name and want different things are different ones.
    let name = format!("firehose {lines} {measured} {subscription}");
    open(api, upgrade, pass, interest, Err(name))
}

/// The last value of `name` in a query.
fn last(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.split('&').map(query::pair);
    let found = pairs.rfind(|(key, _)| key == name);
    found.map(|(_, value)| value)
}

/// Begins a stream, of an app or with a name by which several share it.
fn open(
    api: Api,
    upgrade: Upgrade,
    pass: Pass,
    interest: Interest,
    what: Result<AppId, String>,
) -> Result<Opened, No> {
    let upgrade = upgrade.map_err(|refused| No(refused.status(), refused.body_text()))?;
    let wanted = Wanted {
        interest,
        ..Wanted::default()
    };
    let (app, name) = (what.as_ref().ok().copied(), what.err());
    let reader = api.streams.read(&api.actions.logs, pass, wanted, name);
    let busy = "Too many streams are open. Close some and try again.";
    let reader = reader.ok_or_else(|| No(StatusCode::SERVICE_UNAVAILABLE, busy.to_owned()))?;
    let upgrade = upgrade.max_message_size(MESSAGE).max_frame_size(MESSAGE);
    let carried = upgrade.on_upgrade(move |socket| carry(api, socket, reader, app));
    Ok(Opened(carried))
}

/// Sends what comes until the client leaves, or may not any more.
async fn carry(api: Api, mut socket: WebSocket, mut reader: Reader, app: Option<AppId>) {
    let mut pings = interval(PING);
    let mut alive = Instant::now();
    loop {
        // None of these has taken anything when it is dropped half-way.
        let frame = tokio::select! {
            came = socket.recv() => match came {
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    alive = Instant::now();
                    continue;
                }
            },
            _ = pings.tick() => {
                if alive.elapsed() > 3 * PING {
                    return;
                }
                Some(Frame::Ping(axum::body::Bytes::new()))
            }
            next = reader.next() => match next {
                Next::Entry(entry) => frame(&api, &entry),
                Next::Missed(count) => app.and_then(|app| frame(&api, &missed(&api, app, count))),
                Next::End => return,
            },
        };
        if let Some(frame) = frame
            && !matches!(timeout(STALL, socket.send(frame)).await, Ok(Ok(())))
        {
            return;
        }
    }
}

fn frame(api: &Api, entry: &Entry) -> Option<Frame> {
    let source = Source::of(&api.actions.store.state(), entry.app())?;
    let envelope = envelope(&source, entry);
    Some(Frame::Binary(envelope.encode_to_vec().into()))
}

/// What Doppler says to who reads too slowly.
fn missed(api: &Api, app: AppId, count: u64) -> Entry {
    let text = format!(
        "Log message output is too high. {count} messages dropped. The client reads too slowly."
    );
    Entry::Line(Arc::new(Line {
        at_ns: now_ns(api),
        app,
        source: "DOP".to_owned(),
        instance: "0".to_owned(),
        process: None,
        stream: Stream::Err,
        text: text.into(),
    }))
}

fn now_ns(api: &Api) -> u64 {
    api.actions.now().millis().saturating_mul(1_000_000)
}

async fn recent(
    State(api): State<Api>,
    Path(guid): Path<String>,
    token: Token,
    asked: RawQuery<Recent>,
) -> Result<Envelopes, No> {
    let (app, _) = Asker::of_app(&api, token, &guid)?;
    let limit = last(asked.text(), "limit").and_then(|value| value.parse().ok());
    let query = Query {
        start_ns: i64::MIN,
        end_ns: i64::MAX,
        limit: limit.unwrap_or(RECENT).min(RECENT),
        descending: true,
    };
    let logs = api.actions.logs.clone();
    let lines = tokio::task::spawn_blocking(move || logs.read(app, &query)).await;
    let lines = lines.unwrap_or_default().into_iter().rev();
    Ok(parts(&api, app, lines.map(Entry::Line)))
}

/// The newest of every instance.
async fn metrics(
    State(api): State<Api>,
    Path(guid): Path<String>,
    token: Token,
) -> Result<Envelopes, No> {
    let (app, _) = Asker::of_app(&api, token, &guid)?;
    let query = Query {
        start_ns: i64::try_from(now_ns(&api).saturating_sub(FRESH_NS)).unwrap_or(i64::MAX),
        end_ns: i64::MAX,
        limit: usize::MAX,
        descending: false,
    };
    let gauges = Kinds {
        gauges: true,
        ..Kinds::default()
    };
    let found = api.actions.logs.measured(app, gauges, &query);
    // Of each process on its own: the protocol knows them by their number alone.
    let newest: BTreeMap<_, _> = found
        .into_iter()
        .map(|one| ((one.process.0, one.index), one))
        .collect();
    Ok(parts(&api, app, newest.into_values().map(Entry::Measured)))
}

/// Envelopes as the parts of one answer.
struct Envelopes(Vec<u8>);

impl IntoResponse for Envelopes {
    fn into_response(self) -> Response {
        let kind = format!("multipart/x-protobuf; boundary={BOUNDARY}");
        ([(header::CONTENT_TYPE, kind)], self.0).into_response()
    }
}

impl Answers for Envelopes {
    fn describe(operation: &mut Operation) {
        let parts = ("multipart/x-protobuf", json!({ "type": "string" }));
        operation.answer(200, Some(parts));
    }
}

fn parts(api: &Api, app: AppId, entries: impl Iterator<Item = Entry>) -> Envelopes {
    let source = Source::of(&api.actions.store.state(), app);
    let mut body = Vec::new();
    for (source, entry) in source.iter().cycle().zip(entries) {
        body.extend(format!("--{BOUNDARY}\r\n\r\n").as_bytes());
        body.extend(envelope(source, &entry).encode_to_vec());
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
    Envelopes(body)
}

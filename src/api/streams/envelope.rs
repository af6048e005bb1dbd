//! Envelopes, in the JSON of protocol buffers: 64-bit numbers are strings, bytes are base64, and
//! an unknown key is an error to the reader.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    logs::{Container, Counter, Entry, Line, Measure, Measured, Request, Stream},
    model::{AppId, ProcessId, ProcessType},
    store::State,
};

/// Whose log is shown, for the tags of every envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Source {
    /// The app.
    pub(in crate::api) app: (String, String),
    /// Its space.
    pub(in crate::api) space: (String, String),
    /// Its organization.
    pub(in crate::api) org: (String, String),
}

impl Source {
    /// What is known of `app`; none where it is gone.
    pub(in crate::api) fn of(state: &State, app: AppId) -> Option<Arc<Self>> {
        let app = state.apps.get(&app)?;
        let space = state.spaces.get(&app.space)?;
        let org = state.orgs.get(&space.org)?;
        Some(Arc::new(Self {
            app: (app.id.to_string(), app.name.to_string()),
            space: (space.id.to_string(), space.name.to_string()),
            org: (org.id.to_string(), org.name.to_string()),
        }))
    }
}

/// The kinds of envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Kind {
    Log,
    Gauge,
    Counter,
    Timer,
}

/// The kind of an entry's envelope.
pub(in crate::api) fn kind(entry: &Entry) -> Kind {
    match entry {
        Entry::Line(_) => Kind::Log,
        Entry::Measured(measured) => match measured.what {
            Measure::Container(_) => Kind::Gauge,
            Measure::Counter(_) => Kind::Counter,
            Measure::Request(_) => Kind::Timer,
        },
    }
}

/// Names of the metrics in an entry's envelope; a line has none.
pub(in crate::api) fn names(entry: &Entry) -> &[&'static str] {
    let Entry::Measured(measured) = entry else {
        return &[];
    };
    match &measured.what {
        Measure::Container(_) => &Container::NAMES,
        Measure::Counter(counter) => std::slice::from_ref(&counter.name),
        Measure::Request(_) => &["http"],
    }
}

/// `{"batch": [...]}`.
pub(in crate::api) fn batch<'a>(
    entries: impl IntoIterator<Item = (&'a Source, &'a Entry)>,
) -> Value {
    let entries = entries.into_iter();
    let batch: Vec<Value> = entries
        .map(|(source, entry)| envelope(source, entry))
        .collect();
    json!({ "batch": batch })
}

fn envelope(source: &Source, entry: &Entry) -> Value {
    let tags = tags(source, entry);
    let (at_ns, instance, (key, value)) = match entry {
        Entry::Line(line) => (line.at_ns, line.instance.clone(), ("log", log(line))),
        Entry::Measured(measured) => {
            let payload = match &measured.what {
                Measure::Container(container) => ("gauge", gauge(container)),
                Measure::Counter(counter) => ("counter", count(counter)),
                Measure::Request(request) => ("timer", timer(request)),
            };
            (measured.at_ns, measured.index.to_string(), payload)
        }
    };
    let mut document = Map::new();
    document.insert("timestamp".to_owned(), json!(at_ns.to_string()));
    document.insert("source_id".to_owned(), json!(source.app.0));
    document.insert("instance_id".to_owned(), json!(instance));
    document.insert("deprecated_tags".to_owned(), json!({}));
    document.insert("tags".to_owned(), Value::Object(tags));
    document.insert(key.to_owned(), value);
    Value::Object(document)
}

/// The tags of an envelope, as Cloud Foundry's cells and routers set them.
pub(in crate::api) fn tags(source: &Source, entry: &Entry) -> Map<String, Value> {
    let mut tags = Map::new();
    let mut tag = |key: &str, value: &str| tags.insert(key.to_owned(), json!(value));
    match entry {
        Entry::Line(line) => {
            tag("source_type", &line.source);
            tag("instance_id", &line.instance);
            if let Some((process, kind)) = &line.process {
                process_tags(&mut tag, *process, kind);
            }
        }
        Entry::Measured(measured) => {
            let Measured { process, index, .. } = &**measured;
            match &measured.what {
                Measure::Container(_) | Measure::Counter(_) => {
                    tag("origin", "rep");
                    tag("instance_id", &index.to_string());
                }
                Measure::Request(request) => {
                    tag("origin", "gorouter");
                    tag("peer_type", "Client");
                    tag("method", &request.method);
                    tag("uri", &request.uri);
                    tag("status_code", &request.status.to_string());
                    tag("content_length", &request.content_length.to_string());
                    tag("request_id", &request.request_id);
                    tag("user_agent", &request.user_agent);
                    tag("remote_address", &request.remote);
                    tag("forwarded", &request.forwarded);
                    tag("routing_instance_id", &measured.instance.to_string());
                    tag("instance_index", &index.to_string());
                    tag("instance_id", &index.to_string());
                }
            }
            process_tags(&mut tag, process.0, &process.1);
            tag("process_instance_id", &measured.instance.to_string());
        }
    }
    for (key, (guid, name)) in [
        ("app", &source.app),
        ("space", &source.space),
        ("organization", &source.org),
    ] {
        tag(&format!("{key}_id"), guid);
        tag(&format!("{key}_name"), name);
    }
    tags
}

fn process_tags(
    tag: &mut impl FnMut(&str, &str) -> Option<Value>,
    process: ProcessId,
    kind: &ProcessType,
) {
    tag("process_id", &process.to_string());
    tag("process_type", kind);
}

fn log(line: &Line) -> Value {
    let stream = match line.stream {
        Stream::Out => "OUT",
        Stream::Err => "ERR",
    };
    json!({ "payload": STANDARD.encode(&line.text), "type": stream })
}

fn gauge(container: &Container) -> Value {
    let metrics = container.metrics().into_iter();
    let metrics: Map<String, Value> = metrics
        .map(|(name, value, unit)| (name.to_owned(), json!({ "unit": unit, "value": value })))
        .collect();
    json!({ "metrics": metrics })
}

fn count(counter: &Counter) -> Value {
    let Counter { name, delta, total } = counter;
    json!({ "name": name, "delta": delta.to_string(), "total": total.to_string() })
}

fn timer(request: &Request) -> Value {
    json!({
        "name": "http",
        "start": request.start_ns.to_string(),
        "stop": request.stop_ns.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::model::InstanceId;

    const APP: AppId = AppId::from_uuid(Uuid::from_u128(1));

    fn source() -> Source {
        let name = |text: &str| (format!("{text}-guid"), text.to_owned());
        Source {
            app: name("shop"),
            space: name("dev"),
            org: name("lab"),
        }
    }

    fn shown(entries: &[Entry]) -> String {
        let source = source();
        let document = batch(entries.iter().map(|entry| (&source, entry)));
        serde_json::to_string_pretty(&document).unwrap()
    }

    #[test]
    fn lines_are_envelopes_without_a_key_too_many() {
        let line = |process, stream, text: &'static [u8]| {
            Entry::Line(Arc::new(Line {
                at_ns: 1_700_000_000_000_000_001,
                app: APP,
                source: "APP/PROC/WEB".to_owned(),
                instance: "0".to_owned(),
                process,
                stream,
                text: Bytes::from_static(text),
            }))
        };
        let web = (ProcessId::from(APP), ProcessType::web());
        let lines = [
            line(Some(web), Stream::Out, b"hello"),
            line(None, Stream::Err, b"\xff\x00"),
        ];
        insta::assert_snapshot!(shown(&lines));
        assert_eq!(batch([]), json!({ "batch": [] }));
    }

    #[test]
    fn measurements_are_gauges_counters_and_timers() {
        let measured = |what| {
            Entry::Measured(Arc::new(Measured {
                at_ns: 1_700_000_000_000_000_002,
                app: APP,
                process: (ProcessId::from(APP), ProcessType::web()),
                instance: InstanceId::from_uuid(Uuid::from_u128(2)),
                index: 3,
                what,
            }))
        };
        let container = measured(Measure::Container(Container {
            cpu: 12.5,
            cpu_entitlement: 50.0,
            memory: 1,
            memory_quota: 2,
            disk: 3,
            disk_quota: 4,
            log_rate: 5,
            log_rate_limit: -1,
        }));
        let request = measured(Measure::Request(Box::new(Request {
            start_ns: 1,
            stop_ns: 2,
            method: "GET".to_owned(),
            uri: "http://shop.example.kr/x".to_owned(),
            status: 200,
            content_length: 7,
            request_id: "id".to_owned(),
            user_agent: "curl".to_owned(),
            remote: "10.0.0.1:5".to_owned(),
            forwarded: "10.0.0.1".to_owned(),
        })));
        let counter = measured(Measure::Counter(Counter {
            name: "rx_bytes",
            delta: 8,
            total: 9,
        }));
        insta::assert_snapshot!(shown(&[container, counter, request]));
    }
}

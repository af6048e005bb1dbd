//! Envelopes of version 1, in protocol buffers (the dropsonde protocol).

use std::collections::BTreeMap;

use prost::Message;

use super::envelope::{Source, tags};
use crate::logs::{Container, Counter, Entry, Line, Measure, Measured, Request, Stream};

/// Of `eventType`.
const HTTP: i32 = 4;
const LOG: i32 = 5;
const COUNTER: i32 = 7;
const CONTAINER: i32 = 9;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Envelope {
    #[prost(string, required, tag = "1")]
    pub(super) origin: String,
    #[prost(int32, required, tag = "2")]
    pub(super) event_type: i32,
    #[prost(int64, optional, tag = "6")]
    timestamp: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub(super) http: Option<HttpStartStop>,
    #[prost(message, optional, tag = "8")]
    pub(super) log: Option<LogMessage>,
    #[prost(message, optional, tag = "10")]
    counter: Option<CounterEvent>,
    #[prost(message, optional, tag = "12")]
    pub(super) container: Option<ContainerMetric>,
    #[prost(string, optional, tag = "13")]
    deployment: Option<String>,
    #[prost(string, optional, tag = "14")]
    job: Option<String>,
    #[prost(string, optional, tag = "15")]
    index: Option<String>,
    #[prost(string, optional, tag = "16")]
    ip: Option<String>,
    #[prost(btree_map = "string, string", tag = "17")]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogMessage {
    #[prost(bytes = "bytes", required, tag = "1")]
    pub(super) message: bytes::Bytes,
    /// 1 for stdout, 2 for stderr.
    #[prost(int32, required, tag = "2")]
    message_type: i32,
    #[prost(int64, required, tag = "3")]
    timestamp: i64,
    #[prost(string, optional, tag = "4")]
    app_id: Option<String>,
    #[prost(string, optional, tag = "5")]
    source_type: Option<String>,
    #[prost(string, optional, tag = "6")]
    source_instance: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct CounterEvent {
    #[prost(string, required, tag = "1")]
    name: String,
    #[prost(uint64, required, tag = "2")]
    delta: u64,
    #[prost(uint64, optional, tag = "3")]
    total: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerMetric {
    #[prost(string, required, tag = "1")]
    application_id: String,
    #[prost(int32, required, tag = "2")]
    instance_index: i32,
    #[prost(double, required, tag = "3")]
    cpu_percentage: f64,
    #[prost(uint64, required, tag = "4")]
    pub(super) memory_bytes: u64,
    #[prost(uint64, required, tag = "5")]
    disk_bytes: u64,
    #[prost(uint64, optional, tag = "6")]
    memory_bytes_quota: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    disk_bytes_quota: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpStartStop {
    #[prost(int64, required, tag = "1")]
    start_timestamp: i64,
    #[prost(int64, required, tag = "2")]
    stop_timestamp: i64,
    #[prost(message, required, tag = "3")]
    request_id: Uuid,
    /// 1 for a client's.
    #[prost(int32, required, tag = "4")]
    peer_type: i32,
    #[prost(int32, required, tag = "5")]
    method: i32,
    #[prost(string, required, tag = "6")]
    uri: String,
    #[prost(string, required, tag = "7")]
    remote_address: String,
    #[prost(string, required, tag = "8")]
    user_agent: String,
    #[prost(int32, required, tag = "9")]
    pub(super) status_code: i32,
    #[prost(int64, required, tag = "10")]
    content_length: i64,
    #[prost(message, optional, tag = "12")]
    application_id: Option<Uuid>,
    #[prost(int32, optional, tag = "13")]
    instance_index: Option<i32>,
    #[prost(string, optional, tag = "14")]
    instance_id: Option<String>,
    #[prost(string, repeated, tag = "15")]
    forwarded: Vec<String>,
}

/// The halves of a UUID, each read from its bytes as a little-endian number.
#[derive(Clone, PartialEq, Message)]
struct Uuid {
    #[prost(uint64, required, tag = "1")]
    low: u64,
    #[prost(uint64, required, tag = "2")]
    high: u64,
}

impl From<uuid::Uuid> for Uuid {
    fn from(uuid: uuid::Uuid) -> Self {
        let (low, high) = uuid.as_bytes().split_at(8);
        let number = |half: &[u8]| half.try_into().map_or(0, u64::from_le_bytes);
        Self {
            low: number(low),
            high: number(high),
        }
    }
}

/// The envelope of an entry.
pub(super) fn envelope(source: &Source, entry: &Entry) -> Envelope {
    let tags = tags(source, entry)
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect();
    let at_ns = entry.at_ns();
    let mut envelope = Envelope {
        origin: "rep".to_owned(),
        timestamp: Some(signed(at_ns)),
        deployment: Some("cf".to_owned()),
        job: Some("pastina".to_owned()),
        index: Some("0".to_owned()),
        ip: Some("127.0.0.1".to_owned()),
        tags,
        ..Envelope::default()
    };
    match entry {
        Entry::Line(line) => {
            envelope.event_type = LOG;
            envelope.log = Some(log(source, line));
        }
        Entry::Measured(measured) => match &measured.what {
            Measure::Container(container) => {
                envelope.event_type = CONTAINER;
                envelope.container = Some(metric(source, measured, container));
            }
            Measure::Counter(Counter { name, delta, total }) => {
                envelope.event_type = COUNTER;
                envelope.counter = Some(CounterEvent {
                    name: (*name).to_owned(),
                    delta: *delta,
                    total: Some(*total),
                });
            }
            Measure::Request(request) => {
                envelope.origin = "gorouter".to_owned();
                envelope.event_type = HTTP;
                envelope.http = Some(http(measured, request));
            }
        },
    }
    envelope
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn log(source: &Source, line: &Line) -> LogMessage {
    LogMessage {
        message: line.text.clone(),
        message_type: match line.stream {
            Stream::Out => 1,
            Stream::Err => 2,
        },
        timestamp: signed(line.at_ns),
        app_id: Some(source.app.0.clone()),
        source_type: Some(line.source.clone()),
        source_instance: Some(line.instance.clone()),
    }
}

fn metric(source: &Source, measured: &Measured, container: &Container) -> ContainerMetric {
    ContainerMetric {
        application_id: source.app.0.clone(),
        instance_index: i32::try_from(measured.index).unwrap_or(i32::MAX),
        cpu_percentage: container.cpu,
        memory_bytes: container.memory,
        disk_bytes: container.disk,
        memory_bytes_quota: Some(container.memory_quota),
        disk_bytes_quota: Some(container.disk_quota),
    }
}

fn http(measured: &Measured, request: &Request) -> HttpStartStop {
    HttpStartStop {
        start_timestamp: signed(request.start_ns),
        stop_timestamp: signed(request.stop_ns),
        request_id: request
            .request_id
            .parse()
            .unwrap_or(uuid::Uuid::nil())
            .into(),
        peer_type: 1,
        method: method(&request.method),
        uri: request.uri.clone(),
        remote_address: request.remote.clone(),
        user_agent: request.user_agent.clone(),
        status_code: i32::from(request.status),
        content_length: signed(request.content_length),
        application_id: Some(measured.app.uuid().into()),
        instance_index: i32::try_from(measured.index).ok(),
        instance_id: Some(measured.instance.to_string()),
        forwarded: request
            .forwarded
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
    }
}

/// The methods that are common, by the protocol's numbers; others count as GET.
fn method(name: &str) -> i32 {
    match name {
        "POST" => 2,
        "PUT" => 3,
        "DELETE" => 4,
        "HEAD" => 5,
        "CONNECT" => 10,
        "OPTIONS" => 24,
        "PATCH" => 26,
        "TRACE" => 35,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_written() {
        let name = |text: &str| (format!("{text}-guid"), text.to_owned());
        let source = Source {
            app: name("shop"),
            space: name("dev"),
            org: name("lab"),
        };
        let app = crate::model::AppId::random();
        let entry = Entry::Line(std::sync::Arc::new(Line {
            at_ns: 5,
            app,
            source: "RTR".to_owned(),
            instance: "1".to_owned(),
            process: None,
            stream: Stream::Err,
            text: bytes::Bytes::from_static(b"hello"),
        }));
        let bytes = envelope(&source, &entry).encode_to_vec();
        // origin, then the type: what every reader of the protocol looks for first.
        assert_eq!(&bytes[..7], b"\x0a\x03rep\x10\x05");
        let read = Envelope::decode(bytes.as_slice()).unwrap();
        let log = read.log.unwrap();
        assert_eq!((&log.message[..], log.message_type), (&b"hello"[..], 2));
        assert_eq!(log.source_type.as_deref(), Some("RTR"));
        assert_eq!(read.tags["app_name"], "shop");
    }

    #[test]
    fn a_uuid_is_two_little_endian_halves() {
        let uuid: uuid::Uuid = "01020304-0506-0708-090a-0b0c0d0e0f10".parse().unwrap();
        let halves = Uuid::from(uuid);
        assert_eq!(halves.low, 0x0807_0605_0403_0201);
        assert_eq!(halves.high, 0x100f_0e0d_0c0b_0a09);
    }
}

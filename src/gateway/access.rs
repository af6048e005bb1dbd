//! Access lines: one for every request of an app, handed off without waiting.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderValue, Method, Uri, Version};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;

use crate::{
    logs,
    model::AppId,
    routing::{Backend, Target},
};

/// Longest part of a request that is copied into a line; clients send what they like.
const LONGEST_PART: usize = 2048;

/// One request in gorouter's format.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessRecord {
    /// When the request came, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// The app whose log it belongs to.
    pub app: AppId,
    /// The slot of the instance that answered.
    pub index: u32,
    /// The line, without a line end.
    pub line: String,
    /// What was measured, where it is of a request.
    pub measured: Option<Box<logs::Measured>>,
}

/// Takes access lines; clones share it. Never waits: where lines come faster than they are
/// read, some are dropped and counted.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: mpsc::Sender<AccessRecord>,
    dropped: Arc<AtomicU64>,
}

/// The reading end of an [`AccessLog`].
pub type AccessLines = mpsc::Receiver<AccessRecord>;

/// A log and the end where its lines come out; at most `capacity` lines wait between them.
#[must_use]
pub fn access_log(capacity: usize) -> (AccessLog, AccessLines) {
    let (sender, lines) = mpsc::channel(capacity);
    (
        AccessLog {
            lines: sender,
            dropped: Arc::default(),
        },
        lines,
    )
}

impl AccessLog {
    /// How many lines were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Hands on the line that `record` makes, unless nobody has room for it.
    pub(super) fn write(&self, record: impl FnOnce() -> AccessRecord) {
        match self.lines.try_reserve() {
            Ok(place) => place.send(record()),
            Err(_) => {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
    }
}

/// What a line tells of a request, as it came.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) at: OffsetDateTime,
    pub(super) host: HeaderValue,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) referer: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) forwarded_for: Option<HeaderValue>,
    pub(super) forwarded_proto: Option<HeaderValue>,
    pub(super) request_id: Option<HeaderValue>,
    pub(super) trace: Option<HeaderValue>,
    pub(super) peer: SocketAddr,
}

/// What a line tells of the answer.
#[derive(Debug)]
pub(super) struct Answered<'a> {
    pub(super) backend: &'a Backend,
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) total: Duration,
    pub(super) gateway: Duration,
    pub(super) error: Option<&'a str>,
}

/// The line's record.
pub(super) fn record(asked: &Asked, answered: &Answered<'_>) -> AccessRecord {
    AccessRecord {
        at_ns: u64::try_from(asked.at.unix_timestamp_nanos()).unwrap_or(0),
        app: answered.backend.app,
        index: answered.backend.index,
        line: line(asked, answered),
        measured: Some(Box::new(measured(asked, answered))),
    }
}

fn measured(asked: &Asked, answered: &Answered<'_>) -> logs::Measured {
    let backend = answered.backend;
    let request = request(asked, answered);
    logs::Measured {
        at_ns: request.stop_ns,
        app: backend.app,
        process: backend.process.clone(),
        instance: backend.instance,
        index: backend.index,
        what: logs::Measure::Request(Box::new(request)),
    }
}

fn request(asked: &Asked, answered: &Answered<'_>) -> logs::Request {
    let text = |value: Option<&HeaderValue>| {
        let mut text = String::new();
        part(&mut text, value.map_or(b"", HeaderValue::as_bytes));
        text
    };
    let start_ns = u64::try_from(asked.at.unix_timestamp_nanos()).unwrap_or(0);
    let took_ns = u64::try_from(answered.total.as_nanos()).unwrap_or(0);
    let scheme = asked.forwarded_proto.as_ref();
    let scheme = scheme.map_or("http", |value| {
        if value.as_bytes() == b"https" {
            "https"
        } else {
            "http"
        }
    });
    let target = asked
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut uri = format!("{scheme}://");
    part(&mut uri, asked.host.as_bytes());
    part(&mut uri, target.as_bytes());
    logs::Request {
        start_ns,
        stop_ns: start_ns.saturating_add(took_ns),
        method: asked.method.to_string(),
        uri,
        status: answered.status,
        content_length: answered.sent,
        request_id: text(asked.request_id.as_ref()),
        user_agent: text(asked.user_agent.as_ref()),
        remote: asked.peer.to_string(),
        forwarded: text(asked.forwarded_for.as_ref()),
    }
}

fn line(asked: &Asked, answered: &Answered<'_>) -> String {
    let mut line = String::with_capacity(512);
    let backend = answered.backend;
    let at = asked.at.format(&Rfc3339).unwrap_or_default();
    part(&mut line, asked.host.as_bytes());
    let _ = write!(line, " - [{at}] \"{} ", asked.method);
    part(
        &mut line,
        asked
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .as_bytes(),
    );
    let version = match asked.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    };
    let _ = write!(
        line,
        " {version}\" {} {} {} ",
        answered.status, answered.received, answered.sent
    );
    quoted(&mut line, asked.referer.as_ref());
    line.push(' ');
    quoted(&mut line, asked.user_agent.as_ref());
    let _ = write!(line, " \"{}\"", asked.peer);
    match backend.target {
        Target::Sandbox { port, .. } => {
            let _ = write!(line, " \"127.0.0.1:{port}\"");
        }
        Target::Static { .. } => line.push_str(" \"-\""),
    }
    for (name, value) in [
        ("x_forwarded_for", &asked.forwarded_for),
        ("x_forwarded_proto", &asked.forwarded_proto),
        ("vcap_request_id", &asked.request_id),
    ] {
        let _ = write!(line, " {name}:");
        quoted(&mut line, value.as_ref());
    }
    let _ = write!(
        line,
        " response_time:{:.6} gorouter_time:{:.6} app_id:\"{}\" app_index:\"{}\" \
         instance_id:\"{}\" x_cf_routererror:\"{}\" x_b3_traceid:",
        answered.total.as_secs_f64(),
        answered.gateway.as_secs_f64(),
        backend.app,
        backend.index,
        backend.instance,
        answered.error.unwrap_or("-"),
    );
    quoted(&mut line, asked.trace.as_ref());
    line
}

fn quoted(line: &mut String, value: Option<&HeaderValue>) {
    line.push('"');
    match value {
        Some(value) if !value.is_empty() => part(line, value.as_bytes()),
        _ => line.push('-'),
    }
    line.push('"');
}

/// Appends text of a client's so that it cannot end its field or the line.
fn part(line: &mut String, text: &[u8]) {
    let text = &text[..text.len().min(LONGEST_PART)];
    for &byte in text {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(byte));
            }
            b' '..=b'~' => line.push(char::from(byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::{AppProtocol, InstanceId, SpaceId};

    fn asked() -> Asked {
        Asked {
            at: OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap(),
            host: HeaderValue::from_static("app.example.kr"),
            method: Method::GET,
            uri: Uri::from_static("/path?q=1"),
            version: Version::HTTP_11,
            referer: None,
            user_agent: Some(HeaderValue::from_bytes(b"curl \"8\"\xff").unwrap()),
            forwarded_for: Some(HeaderValue::from_static("10.0.0.1")),
            forwarded_proto: Some(HeaderValue::from_static("https")),
            request_id: Some(HeaderValue::from_static("id")),
            trace: None,
            peer: "10.0.0.1:5000".parse().unwrap(),
        }
    }

    fn backend() -> Backend {
        Backend {
            app: "3f0e4ac4-4e33-4d33-b9d5-ca1c5e0e2d11".parse().unwrap(),
            space: SpaceId::random(),
            process: (
                crate::model::ProcessId::random(),
                crate::model::ProcessType::web(),
            ),
            instance: "0f5a3a43-9d0a-4a43-9b7c-8f5f0f1f2f3f"
                .parse::<InstanceId>()
                .unwrap(),
            index: 2,
            weight: None,
            load: crate::routing::Load::default(),
            target: Target::Sandbox {
                dir: PathBuf::new(),
                port: 8080,
                protocol: AppProtocol::Http1,
            },
        }
    }

    #[test]
    fn a_line_is_gorouters() {
        let backend = backend();
        let answered = Answered {
            backend: &backend,
            status: 200,
            received: 0,
            sent: 12,
            total: Duration::from_micros(1500),
            gateway: Duration::from_micros(100),
            error: None,
        };
        assert_eq!(
            line(&asked(), &answered),
            "app.example.kr - [2026-01-02T03:04:05Z] \"GET /path?q=1 HTTP/1.1\" 200 0 12 \"-\" \
             \"curl \\\"8\\\"\\xff\" \"10.0.0.1:5000\" \"127.0.0.1:8080\" \
             x_forwarded_for:\"10.0.0.1\" x_forwarded_proto:\"https\" vcap_request_id:\"id\" \
             response_time:0.001500 gorouter_time:0.000100 \
             app_id:\"3f0e4ac4-4e33-4d33-b9d5-ca1c5e0e2d11\" app_index:\"2\" \
             instance_id:\"0f5a3a43-9d0a-4a43-9b7c-8f5f0f1f2f3f\" x_cf_routererror:\"-\" \
             x_b3_traceid:\"-\""
        );
    }

    #[test]
    fn lines_that_nobody_reads_are_counted() {
        let (log, mut lines) = access_log(1);
        let backend = backend();
        let answered = Answered {
            backend: &backend,
            status: 200,
            received: 0,
            sent: 12,
            total: Duration::from_micros(1500),
            gateway: Duration::ZERO,
            error: None,
        };
        let record = || record(&asked(), &answered);
        let request = request(&asked(), &answered);
        assert_eq!(request.uri, "https://app.example.kr/path?q=1");
        assert_eq!(request.stop_ns - request.start_ns, 1_500_000);
        log.write(record);
        log.write(record);
        assert_eq!((log.dropped(), lines.try_recv().is_ok()), (1, true));
    }
}

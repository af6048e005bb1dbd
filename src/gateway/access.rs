//! Access lines: one for every request of an app, handed off without waiting.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Version;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;

use crate::{
    logs,
    model::AppId,
    routing::{Backend, Target},
};

/// Longest part of a request that is copied into a line; clients send what they like.
const LONGEST_PART: usize = 2048;

/// What the log of an app is told by the gateway.
#[derive(Debug, Clone)]
pub struct AccessRecord(What);

#[derive(Debug, Clone)]
enum What {
    /// One request and its answer.
    Request(Request),
    /// Something that its people should know.
    Notice {
        at: SystemTime,
        app: AppId,
        text: String,
    },
}

#[derive(Debug, Clone)]
struct Request {
    asked: Asked,
    answered: Answered,
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

/// What a line tells of a request, as it came: copied together once, on the thread that serves,
/// and made into text where there is time.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    at: SystemTime,
    peer: SocketAddr,
    version: Version,
    text: Vec<u8>,
    /// Where each part of the text ends.
    ends: [u16; PARTS],
}

/// What of a request is text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Host,
    Method,
    Target,
    Referer,
    UserAgent,
    ForwardedFor,
    ForwardedProto,
    RequestId,
    Trace,
}

/// How many parts there are.
pub(super) const PARTS: usize = 9;

impl Asked {
    /// `parts` are in the order of [`Part`]; what the request does not have is empty.
    pub(super) fn new(
        at: SystemTime,
        peer: SocketAddr,
        version: Version,
        parts: [&[u8]; PARTS],
    ) -> Self {
        let parts = parts.map(|part| &part[..part.len().min(LONGEST_PART)]);
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        let ends = parts.map(|part| {
            text.extend_from_slice(part);
            u16::try_from(text.len()).unwrap_or(u16::MAX)
        });
        Self {
            at,
            peer,
            version,
            text,
            ends,
        }
    }

    fn part(&self, part: Part) -> &[u8] {
        let at = part as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = usize::from(begin)..usize::from(self.ends[at]);
        self.text.get(range).unwrap_or_default()
    }
}

/// What a line tells of the answer.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) backend: Arc<Backend>,
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) total: Duration,
    pub(super) gateway: Duration,
    pub(super) error: Option<&'static str>,
}

impl AccessRecord {
    pub(super) const fn new(asked: Asked, answered: Answered) -> Self {
        Self(What::Request(Request { asked, answered }))
    }

    pub(super) fn notice(app: AppId, text: String) -> Self {
        let at = SystemTime::now();
        Self(What::Notice { at, app, text })
    }

    /// When the request came, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn at_ns(&self) -> u64 {
        match &self.0 {
            What::Request(request) => since_epoch(request.asked.at),
            What::Notice { at, .. } => since_epoch(*at),
        }
    }

    /// The app whose log it belongs to.
    #[must_use]
    pub fn app(&self) -> AppId {
        match &self.0 {
            What::Request(request) => request.answered.backend.app,
            What::Notice { app, .. } => *app,
        }
    }

    /// The instance that answered, where it is of a request.
    #[must_use]
    pub fn backend(&self) -> Option<&Backend> {
        match &self.0 {
            What::Request(request) => Some(&request.answered.backend),
            What::Notice { .. } => None,
        }
    }

    /// The text for the log, without a line end: in gorouter's format where it is of a request.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.0 {
            What::Request(request) => request.line(),
            What::Notice { text, .. } => text.clone(),
        }
    }

    /// What was measured, where it is of a request.
    #[must_use]
    pub fn measured(&self) -> Option<logs::Measured> {
        match &self.0 {
            What::Request(request) => Some(request.measured()),
            What::Notice { .. } => None,
        }
    }
}

fn since_epoch(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Request {
    fn measured(&self) -> logs::Measured {
        let backend = &self.answered.backend;
        let request = self.request();
        logs::Measured {
            at_ns: request.stop_ns,
            app: backend.app,
            process: backend.process.clone(),
            instance: backend.instance,
            index: backend.index,
            what: logs::Measure::Request(Box::new(request)),
        }
    }

    fn request(&self) -> logs::Request {
        let (asked, answered) = (&self.asked, &self.answered);
        let text = |part: Part| {
            let mut text = String::new();
            escaped(&mut text, asked.part(part));
            text
        };
        let start_ns = since_epoch(asked.at);
        let took_ns = u64::try_from(answered.total.as_nanos()).unwrap_or(0);
        let scheme = match asked.part(Part::ForwardedProto) {
            b"https" => "https",
            _ => "http",
        };
        let mut uri = format!("{scheme}://");
        escaped(&mut uri, asked.part(Part::Host));
        escaped(&mut uri, asked.part(Part::Target));
        logs::Request {
            start_ns,
            stop_ns: start_ns.saturating_add(took_ns),
            method: text(Part::Method),
            uri,
            status: answered.status,
            content_length: answered.sent,
            request_id: text(Part::RequestId),
            user_agent: text(Part::UserAgent),
            remote: asked.peer.to_string(),
            forwarded: text(Part::ForwardedFor),
        }
    }

    fn line(&self) -> String {
        let (asked, answered) = (&self.asked, &self.answered);
        let backend = &answered.backend;
        let mut line = String::with_capacity(asked.text.len() + 512);
        let at = OffsetDateTime::from(asked.at).format(&Rfc3339);
        escaped(&mut line, asked.part(Part::Host));
        let _ = write!(line, " - [{}] \"", at.unwrap_or_default());
        escaped(&mut line, asked.part(Part::Method));
        line.push(' ');
        escaped(&mut line, asked.part(Part::Target));
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
        quoted(&mut line, asked.part(Part::Referer));
        line.push(' ');
        quoted(&mut line, asked.part(Part::UserAgent));
        let _ = write!(line, " \"{}\"", asked.peer);
        match backend.target {
            Target::Sandbox { port, .. } => {
                let _ = write!(line, " \"127.0.0.1:{port}\"");
            }
            Target::Static { .. } => line.push_str(" \"-\""),
        }
        for (name, part) in [
            ("x_forwarded_for", Part::ForwardedFor),
            ("x_forwarded_proto", Part::ForwardedProto),
            ("vcap_request_id", Part::RequestId),
        ] {
            let _ = write!(line, " {name}:");
            quoted(&mut line, asked.part(part));
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
        quoted(&mut line, asked.part(Part::Trace));
        line
    }
}

fn quoted(line: &mut String, text: &[u8]) {
    line.push('"');
    if text.is_empty() {
        line.push('-');
    } else {
        escaped(line, text);
    }
    line.push('"');
}

/// Appends text of a client's so that it cannot end its field or the line.
fn escaped(line: &mut String, text: &[u8]) {
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
        let parts: [&[u8]; PARTS] = [
            b"app.example.kr",
            b"GET",
            b"/path?q=1",
            b"",
            b"curl \"8\"\xff",
            b"10.0.0.1",
            b"https",
            b"id",
            b"",
        ];
        let at = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        Asked::new(
            at,
            "10.0.0.1:5000".parse().unwrap(),
            Version::HTTP_11,
            parts,
        )
    }

    fn record() -> AccessRecord {
        let answered = Answered {
            backend: Arc::new(backend()),
            status: 200,
            received: 0,
            sent: 12,
            total: Duration::from_micros(1500),
            gateway: Duration::from_micros(100),
            error: None,
        };
        AccessRecord::new(asked(), answered)
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
        assert_eq!(
            record().line(),
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
        let What::Request(request) = record().0 else {
            panic!("a request");
        };
        let request = request.request();
        assert_eq!(request.uri, "https://app.example.kr/path?q=1");
        assert_eq!(request.stop_ns - request.start_ns, 1_500_000);
        log.write(record);
        log.write(record);
        assert_eq!((log.dropped(), lines.try_recv().is_ok()), (1, true));
    }
}

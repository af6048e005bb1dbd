//! Messages of RFC 5424, in the words of Cloud Foundry's syslog agent.

use std::fmt::Write as _;

use time::{OffsetDateTime, macros::format_description};

use crate::{
    logs::{Container, Counter, Entry, Line, Measure, Measured, Stream},
    model::{App, Org, Space},
};

/// Cloud Foundry's number among private enterprises (IANA).
const ENTERPRISE: u32 = 47450;
/// Facility user, and the severities of what is said to stdout and stderr.
const OUT: u8 = 14;
const ERR: u8 = 11;
/// Letters of each part of the host name: 255 are all that RFC 5424 has room for.
const LONGEST_PART: usize = 63;
/// Letters of what says the source, of the 128 of its field.
const LONGEST_PROCESS: usize = 110;

/// Whose messages they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    host: String,
    app: String,
    /// Tags of every message, `key="value"`.
    tags: String,
}

impl Sender {
    pub(super) fn new(app: &App, space: &Space, org: &Org) -> Self {
        let host = [&*org.name, &*space.name, &*app.name].map(part).join(".");
        let mut tags = String::new();
        for (key, value) in [
            ("app_id", app.id.to_string()),
            ("app_name", app.name.to_string()),
            ("organization_id", org.id.to_string()),
            ("organization_name", org.name.to_string()),
            ("space_id", space.id.to_string()),
            ("space_name", space.name.to_string()),
        ] {
            tag(&mut tags, key, &value);
        }
        Self {
            host,
            app: app.id.to_string(),
            tags,
        }
    }

    /// The messages that `entry` makes, each without a frame.
    pub(super) fn messages(&self, entry: &Entry, tags: bool) -> Vec<Vec<u8>> {
        match entry {
            Entry::Line(line) => vec![self.line(line, tags)],
            Entry::Measured(measured) => self.measured(measured, tags),
        }
    }

    fn head(&self, priority: u8, at_ns: u64, process: &str) -> String {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ns));
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00"
        );
        let at = at.format(format).unwrap_or_default();
        let Self { host, app, .. } = self;
        format!("<{priority}>1 {at} {host} {app} [{process}] - ")
    }

    /// Tags of the app, and `more` of this message.
    fn tags(&self, more: &[(&str, &str)]) -> String {
        let mut text = format!("[tags@{ENTERPRISE}{}", self.tags);
        for (key, value) in more {
            tag(&mut text, key, value);
        }
        text.push(']');
        text
    }

    fn line(&self, line: &Line, tags: bool) -> Vec<u8> {
        let priority = match line.stream {
            Stream::Out => OUT,
            Stream::Err => ERR,
        };
        // Names of tasks and sidecars are anybody's; the field has no room for spaces.
        let source = line.source.to_uppercase();
        let source: Vec<&str> = source.split_whitespace().collect();
        let mut process = source.join("-");
        process.retain(|letter| letter.is_ascii_graphic());
        process.truncate(LONGEST_PROCESS);
        let process = format!("{process}/{}", line.instance);
        let mut text = self.head(priority, line.at_ns, &process);
        if tags {
            let mut more = vec![
                ("instance_id", line.instance.as_str()),
                ("source_type", line.source.as_str()),
            ];
            let known = line.process.as_ref();
            let known = known.map(|(id, kind)| (id.to_string(), kind.to_string()));
            if let Some((id, kind)) = &known {
                more.extend([("process_id", id.as_str()), ("process_type", kind.as_str())]);
            }
            text.push_str(&self.tags(&more));
        } else {
            text.push('-');
        }
        text.push(' ');
        let mut message = text.into_bytes();
        message.extend(line.text.iter().copied().filter(|byte| *byte != 0));
        message.push(b'\n');
        message
    }

    fn measured(&self, measured: &Measured, tags: bool) -> Vec<Vec<u8>> {
        let index = measured.index.to_string();
        let (id, kind) = (
            measured.process.0.to_string(),
            measured.process.1.to_string(),
        );
        let message = |what: String| {
            let mut text = self.head(OUT, measured.at_ns, &index);
            text.push_str(&what);
            if tags {
                text.push_str(&self.tags(&[
                    ("instance_id", &index),
                    ("process_id", &id),
                    ("process_type", &kind),
                ]));
            }
            text.push_str(" \n");
            text.into_bytes()
        };
        match &measured.what {
            Measure::Container(container) => gauges(container).map(message).into(),
            Measure::Counter(Counter { name, delta, total }) => vec![message(format!(
                "[counter@{ENTERPRISE} name=\"{name}\" total=\"{total}\" delta=\"{delta}\"]"
            ))],
            Measure::Request(request) => {
                let (start, stop) = (request.start_ns, request.stop_ns);
                vec![message(format!(
                    "[timer@{ENTERPRISE} name=\"http\" start=\"{start}\" stop=\"{stop}\"]"
                ))]
            }
        }
    }
}

/// What an instance uses, each as an element.
fn gauges(container: &Container) -> [String; 8] {
    container.metrics().map(|(name, value, unit)| {
        format!("[gauge@{ENTERPRISE} name=\"{name}\" value=\"{value}\" unit=\"{unit}\"]")
    })
}

/// A part of the host name: letters, digits and `-`, with `-` for spaces but at the end.
fn part(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let mut kept: String = words.join("-");
    kept.retain(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    kept.truncate(LONGEST_PART);
    kept.trim_end_matches('-').to_owned()
}

/// Appends ` key="value"` (RFC 5424, 6.3.3).
fn tag(text: &mut String, key: &str, value: &str) {
    let _ = write!(text, " {key}=\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
}

/// A message as it goes over a stream (RFC 6587, octet counting).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend(message);
    frame
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::model::{AppId, InstanceId, ProcessId, ProcessType};

    fn sender() -> Sender {
        Sender {
            host: "lab.dev.shop".to_owned(),
            app: "guid".to_owned(),
            tags: " app_name=\"shop\"".to_owned(),
        }
    }

    fn text(message: &[u8]) -> String {
        String::from_utf8_lossy(message).into_owned()
    }

    #[test]
    fn a_line_is_a_message_and_a_frame_counts_it() {
        let app = AppId::from_uuid(Uuid::from_u128(1));
        let line = Line {
            at_ns: 1_700_000_000_123_456_789,
            app,
            source: "APP/PROC/WEB".to_owned(),
            instance: "2".to_owned(),
            process: Some((ProcessId::from(app), ProcessType::web())),
            stream: Stream::Err,
            text: "he\0llo".into(),
        };
        let entry = Entry::Line(Arc::new(line));
        let messages = sender().messages(&entry, false);
        let expected =
            "<11>1 2023-11-14T22:13:20.123456+00:00 lab.dev.shop guid [APP/PROC/WEB/2] - - hello\n";
        assert_eq!(text(&messages[0]), expected);
        assert_eq!(
            text(&framed(&messages[0])),
            format!("{} {expected}", expected.len())
        );
        let tagged = text(&sender().messages(&entry, true)[0]);
        let tags = "[tags@47450 app_name=\"shop\" instance_id=\"2\" source_type=\"APP/PROC/WEB\" \
                    process_id=\"00000000-0000-0000-0000-000000000001\" process_type=\"web\"] hello\n";
        assert!(tagged.ends_with(tags), "{tagged}");
    }

    #[test]
    fn a_gauge_is_a_message_for_each_metric() {
        let app = AppId::from_uuid(Uuid::from_u128(1));
        let measured = Measured {
            at_ns: 0,
            app,
            process: (ProcessId::from(app), ProcessType::web()),
            instance: InstanceId::from_uuid(Uuid::from_u128(2)),
            index: 0,
            what: Measure::Container(Container {
                cpu: 12.5,
                cpu_entitlement: 1.0,
                memory: 2,
                memory_quota: 3,
                disk: 4,
                disk_quota: 5,
                log_rate: 6,
                log_rate_limit: -1,
            }),
        };
        let messages = sender().messages(&Entry::Measured(Arc::new(measured)), false);
        assert_eq!(messages.len(), 8);
        assert_eq!(
            text(&messages[0]),
            "<14>1 1970-01-01T00:00:00.000000+00:00 lab.dev.shop guid [0] - \
             [gauge@47450 name=\"cpu\" value=\"12.5\" unit=\"percentage\"] \n"
        );
    }

    #[test]
    fn what_users_write_cannot_end_a_field() {
        let mut text = String::new();
        tag(&mut text, "k", "a\"b]c\\");
        assert_eq!(text, " k=\"a\\\"b\\]c\\\\\"");
        assert_eq!(part("우리 lab!.x_y  z- "), "-labxy-z");
    }
}

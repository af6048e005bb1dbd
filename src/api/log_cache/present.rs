//! The answers, in the JSON of protocol buffers: 64-bit numbers are strings, bytes are
//! base64, and an unknown key is an error to the reader.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::logs::{Line, Stream};

/// Whose log is shown, for the tags of every line.
#[derive(Debug)]
pub(super) struct Source {
    /// The app.
    pub(super) app: (String, String),
    /// Its space.
    pub(super) space: (String, String),
    /// Its organization.
    pub(super) org: (String, String),
}

/// `{"envelopes": {"batch": [...]}}`.
pub(super) fn batch<'a>(source: &Source, lines: impl IntoIterator<Item = &'a Line>) -> Value {
    let batch: Vec<Value> = lines
        .into_iter()
        .map(|line| envelope(source, line))
        .collect();
    json!({ "envelopes": { "batch": batch } })
}

fn envelope(source: &Source, line: &Line) -> Value {
    let mut tags = Map::new();
    let mut tag = |key: &str, value: &str| tags.insert(key.to_owned(), json!(value));
    tag("source_type", &line.source);
    tag("instance_id", &line.instance);
    if let Some((process, kind)) = &line.process {
        tag("process_id", &process.to_string());
        tag("process_type", kind);
    }
    for (key, (guid, name)) in [
        ("app", &source.app),
        ("space", &source.space),
        ("organization", &source.org),
    ] {
        tag(&format!("{key}_id"), guid);
        tag(&format!("{key}_name"), name);
    }
    let stream = match line.stream {
        Stream::Out => "OUT",
        Stream::Err => "ERR",
    };
    json!({
        "timestamp": line.at_ns.to_string(),
        "source_id": source.app.0,
        "instance_id": line.instance,
        "deprecated_tags": {},
        "tags": tags,
        "log": { "payload": STANDARD.encode(&line.text), "type": stream },
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::model::{AppId, ProcessId, ProcessType};

    #[test]
    fn lines_are_envelopes_without_a_key_too_many() {
        let app = AppId::from_uuid(Uuid::from_u128(1));
        let name = |text: &str| (format!("{text}-guid"), text.to_owned());
        let source = Source {
            app: name("shop"),
            space: name("dev"),
            org: name("lab"),
        };
        let line = |process, stream, text: &'static [u8]| Line {
            at_ns: 1_700_000_000_000_000_001,
            app,
            source: "APP/PROC/WEB".to_owned(),
            instance: "0".to_owned(),
            process,
            stream,
            text: Bytes::from_static(text),
        };
        let web = (ProcessId::from(app), ProcessType::web());
        let lines = [
            line(Some(web), Stream::Out, b"hello"),
            line(None, Stream::Err, b"\xff\x00"),
        ];
        let document = batch(&source, &lines);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap_or_default());
        assert_eq!(batch(&source, []), json!({ "envelopes": { "batch": [] } }));
    }
}

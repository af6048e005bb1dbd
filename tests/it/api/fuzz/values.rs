//! Values out of schemas, most of them fitting, some of them not at all.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::Dice;

/// Words that mean something somewhere.
const WORDS: [&str; 50] = [
    "app",
    "key",
    "managed",
    "user-provided",
    "bits",
    "docker",
    "buildpack",
    "cnb",
    "web",
    "worker",
    "port",
    "http",
    "process",
    "rolling",
    "canary",
    "tcp",
    "udp",
    "icmp",
    "all",
    "http1",
    "http2",
    "STARTED",
    "STOPPED",
    "STAGED",
    "READY",
    "running",
    "staging",
    "public",
    "admin",
    "organization",
    "space",
    "space_developer",
    "space_manager",
    "organization_user",
    "organization_manager",
    "cflinuxfs4",
    "apps.test",
    "x.apps.test",
    "1.2.3.4",
    "10.0.0.0/8",
    "8080",
    "1-65535",
    "./web",
    "/",
    "/path",
    "created_at",
    "-updated_at",
    "name",
    "ssh",
    "true",
];

/// Text that nothing good is expected of.
const NASTY: [&str; 30] = [
    "",
    " ",
    "\0",
    "a\0b",
    "..",
    "../../etc/passwd",
    "%00",
    "%",
    "%zz",
    "'",
    "\"",
    "';--",
    "<script>",
    "\u{202e}abc",
    "이름",
    "😀",
    "e\u{301}",
    "\n",
    "\r\nX-Injected: 1",
    "a,b",
    "a,,b",
    "!",
    "in (",
    "x in (a,b),!y,z!=1,",
    "9223372036854775808",
    "-1",
    "NaN",
    "2026-13-45T99:99:99Z",
    "2026-01-01T00:00:00Z",
    "http://127.0.0.1:1/",
];

/// What exists: guids by what they are of.
#[derive(Default)]
pub(super) struct Known {
    pub(super) guids: BTreeMap<String, Vec<String>>,
}

impl Known {
    pub(super) fn add(&mut self, kind: &str, guid: &str) {
        let of = self.guids.entry(kind.to_owned()).or_default();
        if of.len() < 200 {
            of.push(guid.to_owned());
        }
    }

    /// A guid, mostly of something that `hint` may mean.
    pub(super) fn guid(&self, dice: &mut Dice, hint: &str) -> String {
        let hint = hint.to_lowercase();
        if dice.once_in(12) {
            return "00000000-0000-4000-8000-00000000dead".to_owned();
        }
        let fitting: Vec<&Vec<String>> = self
            .guids
            .iter()
            .filter(|(kind, _)| hint.contains(kind.as_str()) && !dice.once_in(8))
            .map(|(_, guids)| guids)
            .collect();
        let all: Vec<&Vec<String>> = self.guids.values().collect();
        let of = if fitting.is_empty() { &all } else { &fitting };
        let of = dice.pick(of);
        of.get(dice.below(of.len())).cloned().unwrap_or_default()
    }
}

/// Any text.
pub(super) fn text(dice: &mut Dice, known: &Known) -> String {
    match dice.below(12) {
        0..=4 => (*dice.pick(&WORDS)).to_owned(),
        5 | 6 => (*dice.pick(&NASTY)).to_owned(),
        7 => "x".repeat(dice.below(300)),
        8 if dice.once_in(20) => "y".repeat(70_000),
        9 => known.guid(dice, ""),
        _ => format!("n{}", dice.below(1000)),
    }
}

/// Any value.
fn anything(dice: &mut Dice, known: &Known, depth: usize) -> Value {
    match dice.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(dice.once_in(2)),
        2 => json!(dice.below(100)),
        3 => [
            json!(-1),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!(0.5),
        ][dice.below(5)]
        .clone(),
        4..=6 => json!(text(dice, known)),
        7 => (0..dice.below(3))
            .map(|_| anything(dice, known, depth - 1))
            .collect(),
        _ => {
            let members =
                (0..dice.below(3)).map(|_| (text(dice, known), anything(dice, known, depth - 1)));
            Value::Object(members.collect::<Vec<_>>().into_iter().collect())
        }
    }
}

/// Values for the schemas of a document.
pub(super) struct Schemas<'a> {
    pub(super) document: &'a Value,
    pub(super) known: &'a Known,
    /// Whether only what fits is wanted, and little of it.
    pub(super) meek: bool,
}

impl Schemas<'_> {
    /// A value of `schema`; `hint` is where it stands.
    pub(super) fn value(&self, dice: &mut Dice, schema: &Value, hint: &str, depth: usize) -> Value {
        if !self.meek && dice.once_in(25) {
            return anything(dice, self.known, 3);
        }
        if let Some(path) = schema["$ref"].as_str() {
            let target = self.document.pointer(path.trim_start_matches('#')).unwrap();
            return self.value(dice, target, hint, depth);
        }
        for many in ["anyOf", "oneOf"] {
            if let Some(ways) = schema[many].as_array() {
                let way = &ways[dice.below(ways.len())];
                return self.value(dice, way, hint, depth);
            }
        }
        if let Some(choices) = schema["enum"].as_array() {
            return choices[dice.below(choices.len())].clone();
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds[dice.below(kinds.len())].as_str().unwrap_or_default(),
            _ => "",
        };
        match kind {
            "null" => Value::Null,
            "boolean" => json!(dice.once_in(2)),
            "integer" | "number" => {
                if self.meek {
                    return json!(1 + dice.below(3));
                }
                let numbers = [
                    0,
                    1,
                    2,
                    3,
                    5,
                    8,
                    64,
                    128,
                    1024,
                    -1,
                    100_000,
                    i64::MAX,
                    i64::MIN,
                ];
                json!(numbers[dice.below(numbers.len())])
            }
            "string" => json!(self.string(dice, schema, hint)),
            "array" => (0..dice.below(4))
                .map(|_| self.value(dice, &schema["items"], hint, depth + 1))
                .collect(),
            "object" => self.object(dice, schema, hint, depth),
            _ => anything(dice, self.known, 2),
        }
    }

    fn string(&self, dice: &mut Dice, schema: &Value, hint: &str) -> String {
        if (schema["format"] == "uuid" || hint.ends_with("guid"))
            && (self.meek || !dice.once_in(15))
        {
            return self.known.guid(dice, hint);
        }
        if hint.ends_with("name") && (self.meek || !dice.once_in(3)) {
            return format!("name{}", dice.below(500));
        }
        text(dice, self.known)
    }

    fn object(&self, dice: &mut Dice, schema: &Value, hint: &str, depth: usize) -> Value {
        let mut members = Map::new();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = if required.contains(&name.as_str()) {
                self.meek || !dice.once_in(30)
            } else if self.meek {
                dice.once_in(8)
            } else {
                dice.once_in(2 + depth)
            };
            if wanted {
                let hint = format!("{hint}.{name}");
                members.insert(name.clone(), self.value(dice, of, &hint, depth + 1));
            }
        }
        let more = &schema["additionalProperties"];
        if more.is_object() || *more == true {
            for _ in 0..dice.below(3) {
                let value = self.value(dice, more, hint, depth + 1);
                members.insert(text(dice, self.known), value);
            }
        }
        if !self.meek && dice.once_in(40) {
            members.insert(text(dice, self.known), anything(dice, self.known, 1));
        }
        Value::Object(members)
    }
}

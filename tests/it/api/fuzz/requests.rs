//! Requests for the operations of the document.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::Value;

use super::values::{Known, Schemas, text};
use crate::support::Dice;

/// Longest address, since longer ones are not sent.
const LONGEST: usize = 60_000;

/// One operation of the document.
pub(super) struct Operation<'a> {
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) told: &'a Value,
}

/// Every operation that comes to an end.
pub(super) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, told)| Operation {
                method: method.to_uppercase(),
                path,
                told,
            })
        })
        .filter(|operation| {
            let answer = &operation.told["responses"]["200"]["content"];
            answer["text/event-stream"].is_null()
        })
        .collect()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A value as it stands in a query string or a form.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

impl Operation<'_> {
    /// A request, and how it is told where it goes wrong.
    pub(super) fn request(
        &self,
        dice: &mut Dice,
        document: &Value,
        known: &Known,
        token: &str,
    ) -> (Request<Body>, String) {
        let schemas = Schemas {
            document,
            known,
            meek: dice.once_in(2),
        };
        let mut uri = self.uri(dice, known);
        let query = self.query(dice, &schemas);
        if !query.is_empty() {
            uri = format!("{uri}?{query}");
        }
        uri.truncate(LONGEST);
        let (kind, body) = self.body(dice, &schemas);
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(&uri)
            .header(header::HOST, "api.apps.test");
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, &kind);
        }
        let authorization = if self.told["security"][0]["client"].is_array() {
            "Basic Y2Y6".to_owned()
        } else {
            format!("bearer {token}")
        };
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut shown = body.clone();
        shown.truncate(shown.floor_char_boundary(600));
        let shown = format!("{} {uri} {shown}", self.method);
        (request.body(Body::from(body)).unwrap(), shown)
    }

    fn uri(&self, dice: &mut Dice, known: &Known) -> String {
        let mut uri = String::new();
        let mut before = "";
        for segment in self.path.split('/').skip(1) {
            let filled = match segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                None => segment.to_owned(),
                Some(_) if dice.once_in(12) => encoded(&text(dice, known)),
                Some("index") => dice.below(3).to_string(),
                Some("type") => "web".to_owned(),
                Some("name") => encoded(dice.pick(&[
                    "ssh",
                    "revisions",
                    "running",
                    "staging",
                    "app_scaling",
                    "diego_docker",
                ])),
                Some("guid" | "id") => known.guid(dice, before),
                Some(other) => known.guid(dice, other),
            };
            before = segment;
            uri.push('/');
            uri.push_str(&filled);
        }
        uri
    }

    fn query(&self, dice: &mut Dice, schemas: &Schemas<'_>) -> String {
        let mut pairs = Vec::new();
        for parameter in self.told["parameters"].as_array().into_iter().flatten() {
            let parameter = match parameter["$ref"].as_str() {
                Some(path) => schemas
                    .document
                    .pointer(path.trim_start_matches('#'))
                    .unwrap(),
                None => parameter,
            };
            if parameter["in"] != "query" || !dice.once_in(6) {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let hint = name.trim_end_matches('s');
            let value = schemas.value(dice, &parameter["schema"], hint, 0);
            match value {
                Value::Object(members) => {
                    for (key, value) in members {
                        let name = format!("{name}[{key}]");
                        pairs.push(format!("{}={}", encoded(&name), encoded(&plain(&value))));
                    }
                }
                value => pairs.push(format!("{}={}", encoded(name), encoded(&plain(&value)))),
            }
        }
        if dice.once_in(50) {
            pairs.push(encoded(&text(dice, schemas.known)));
        }
        pairs.join("&")
    }

    fn body(&self, dice: &mut Dice, schemas: &Schemas<'_>) -> (String, String) {
        let content = self.told["requestBody"]["content"].as_object();
        let Some((media, content)) = content.and_then(|content| content.iter().next()) else {
            return (String::new(), String::new());
        };
        let schema = &content["schema"];
        match media.as_str() {
            "application/x-yaml" => (media.clone(), manifest(dice, schemas.known)),
            "multipart/form-data" => {
                let part = dice.pick(&["bits", "resources", "other"]);
                let bits = text(dice, schemas.known);
                let body = format!(
                    "--b\r\ncontent-disposition: form-data; name=\"{part}\"; \
                     filename=\"a.zip\"\r\n\r\n{bits}\r\n--b--\r\n"
                );
                ("multipart/form-data; boundary=b".to_owned(), body)
            }
            "application/x-www-form-urlencoded" => {
                let value = schemas.value(dice, schema, "", 0);
                let pairs: Vec<String> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| format!("{name}={}", encoded(&plain(value))))
                    .collect();
                (media.clone(), pairs.join("&"))
            }
            _ => {
                let mut body = schemas.value(dice, schema, "", 0).to_string();
                if dice.once_in(60) {
                    body.truncate(body.floor_char_boundary(dice.below(body.len() + 1)));
                }
                (media.clone(), body)
            }
        }
    }
}

/// A manifest, more or less.
fn manifest(dice: &mut Dice, known: &Known) -> String {
    let keys = [
        "memory",
        "disk_quota",
        "instances",
        "command",
        "buildpacks",
        "buildpack",
        "env",
        "routes",
        "services",
        "processes",
        "sidecars",
        "health-check-type",
        "timeout",
        "stack",
        "docker",
        "random-route",
        "no-route",
        "default-route",
        "path",
        "log-rate-limit-per-second",
        "metadata",
        "lifecycle",
    ];
    let mut yaml = String::from("---\napplications:\n");
    for at in 0..1 + dice.below(2) {
        yaml.push_str(&format!("- name: name{at}\n"));
        for _ in 0..dice.below(5) {
            let key = dice.pick(&keys);
            let value = match dice.below(8) {
                0 => "[]".to_owned(),
                1 => "{}".to_owned(),
                2 => "64M".to_owned(),
                3 => "[{route: a.apps.test}]".to_owned(),
                4 => "[{name: p, type: worker, command: x, process_types: [web]}]".to_owned(),
                5 => "{A: b, C: 1}".to_owned(),
                6 => dice.below(10).to_string(),
                _ => serde_json::to_string(&text(dice, known)).unwrap(),
            };
            yaml.push_str(&format!("  {key}: {value}\n"));
        }
    }
    if dice.once_in(10) {
        yaml.push_str(&text(dice, known));
    }
    yaml
}

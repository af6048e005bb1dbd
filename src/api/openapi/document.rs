//! The document as a whole.

use serde_json::{Map, Value, json};

use super::{
    operation::{Operation, Security},
    router::Entry,
    words,
};

/// What every list takes, by the names of the components.
pub(super) const LIST_PARAMETERS: [&str; 15] = [
    "page",
    "per_page",
    "order_by",
    "guids",
    "label_selector",
    "created_ats",
    "created_ats.gt",
    "created_ats.gte",
    "created_ats.lt",
    "created_ats.lte",
    "updated_ats",
    "updated_ats.gt",
    "updated_ats.gte",
    "updated_ats.lt",
    "updated_ats.lte",
];

/// The document of `entries`.
pub(super) fn build(entries: &[Entry]) -> Value {
    let mut paths = Map::new();
    let mut schemas = shared_schemas();
    let mut tags: Vec<String> = Vec::new();
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    for entry in sorted {
        let tag = tag(entry);
        let mut operation = Operation::default();
        (entry.describe)(&mut operation);
        schemas.extend(std::mem::take(&mut operation.schemas));
        let at = paths.entry(entry.path.clone()).or_insert_with(|| json!({}));
        let method = entry.method.as_str().to_ascii_lowercase();
        at[method] = present(entry, &tag, operation);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags.sort();
    let tags: Vec<Value> = tags.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pastina",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Cloud Foundry's v3 API, and the parts of UAA, log-cache and the \
                            network-policy API that its clients use, as this program serves them.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": list_parameters(),
            "responses": responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of POST /oauth/token.",
                },
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A client of UAA: its name and secret.",
                },
                "person": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A user's name, and their password or an access token.",
                },
            },
        },
    })
}

/// What an operation belongs to: for `/v3` the resource, elsewhere the module of its handler.
fn tag(entry: &Entry) -> String {
    let module = entry.handler.split("api::").nth(1).unwrap_or_default();
    let module = module.split("::").next().unwrap_or_default();
    match entry.path.strip_prefix("/v3/") {
        Some(rest) => rest.split('/').next().unwrap_or_default().to_owned(),
        None => module.to_owned(),
    }
}

fn present(entry: &Entry, tag: &str, operation: Operation) -> Value {
    let Entry { method, path, .. } = entry;
    let mut parameters = path_parameters(path, operation.guids);
    parameters.extend(operation.parameters);
    let security = match operation.security {
        None => json!([]),
        Some(Security::Bearer) => json!([{ "bearer": [] }]),
        Some(Security::MaybeBearer) => json!([{}, { "bearer": [] }]),
        // A client may as well stand in the form.
        Some(Security::Client) => json!([{ "client": [] }, {}]),
        Some(Security::Person) => json!([{ "person": [] }, { "bearer": [] }]),
    };
    let mut document = json!({
        "operationId": words::id(method, path),
        "summary": words::summary(method, path, operation.lists),
        "tags": [tag],
        "security": security,
        "responses": operation.answers,
    });
    if !parameters.is_empty() {
        document["parameters"] = json!(parameters);
    }
    if let Some(body) = operation.body {
        document["requestBody"] = body;
    }
    document
}

fn path_parameters(path: &str, guids: bool) -> Vec<Value> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next());
    names
        .map(|name| {
            let schema = if guids {
                json!({ "type": "string", "format": "uuid" })
            } else {
                json!({ "type": "string", "minLength": 1 })
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

fn list_parameters() -> Value {
    let mut all = Map::new();
    for component in LIST_PARAMETERS {
        let (stem, operator) = component.split_once('.').unwrap_or((component, ""));
        let name = match operator {
            "" => stem.to_owned(),
            operator => format!("{stem}[{operator}]"),
        };
        let (schema, about) = match stem {
            "page" => (
                json!({ "type": "integer", "minimum": 1 }),
                "The page to show.",
            ),
            "per_page" => (
                json!({ "type": "integer", "minimum": 1, "maximum": 5000 }),
                "Results on a page; 50 where nothing is said.",
            ),
            "order_by" => (
                json!({ "type": "string" }),
                "created_at, updated_at or, where there are names, name; with - the other way.",
            ),
            "guids" => (
                json!({ "type": "array", "items": { "type": "string", "format": "uuid" } }),
                "Identifiers, of which each result has one.",
            ),
            "label_selector" => (
                json!({ "type": "string" }),
                "Requirements on labels, with commas between them.",
            ),
            _ => (
                json!({ "type": "array", "items": { "type": "string", "format": "date-time" } }),
                "Times, or with an operator a bound.",
            ),
        };
        let mut parameter = json!({
            "name": name, "in": "query", "description": about, "schema": schema,
        });
        if schema["type"] == "array" {
            parameter["explode"] = json!(false);
        }
        all.insert(component.to_owned(), parameter);
    }
    Value::Object(all)
}

fn shared_schemas() -> Map<String, Value> {
    let link = json!({
        "type": ["object", "null"],
        "properties": { "href": { "type": "string" } },
    });
    let text = json!({ "type": "string" });
    let page = json!({
        "type": "object",
        "required": ["pagination", "resources"],
        "properties": {
            "pagination": {
                "type": "object",
                "required": ["total_results", "total_pages", "first", "last", "next", "previous"],
                "properties": {
                    "total_results": { "type": "integer" },
                    "total_pages": { "type": "integer" },
                    "first": link,
                    "last": link,
                    "next": link,
                    "previous": link,
                },
            },
            "resources": { "type": "array", "items": { "type": "object" } },
            "included": { "type": "object" },
        },
    });
    let errors = json!({
        "type": "object",
        "required": ["errors"],
        "properties": { "errors": { "type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["code", "title", "detail"],
            "properties": { "code": { "type": "integer" }, "title": text, "detail": text },
        } } },
    });
    let refusal = json!({
        "type": "object",
        "required": ["error", "error_description"],
        "properties": { "error": text, "error_description": text },
    });
    let policy = json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": text },
    });
    let routing = json!({
        "type": "object",
        "required": ["name", "message"],
        "properties": { "name": text, "message": text },
    });
    Map::from_iter([
        ("Page".to_owned(), page),
        ("Errors".to_owned(), errors),
        ("UaaError".to_owned(), refusal),
        ("PolicyError".to_owned(), policy),
        ("RoutingError".to_owned(), routing),
    ])
}

fn responses() -> Value {
    let refused = |about: &str, schema: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({
            "description": about,
            "content": { "application/json": { "schema": schema } },
        })
    };
    json!({
        "Errors": refused("What is wrong, as Cloud Foundry tells it.", "Errors"),
        "UaaError": refused("What is wrong, as UAA tells it.", "UaaError"),
        "PolicyError": refused("What is wrong, as the policy server tells it.", "PolicyError"),
        "RoutingError": refused("What is wrong, as the routing API tells it.", "RoutingError"),
        "Text": {
            "description": "What is wrong, in words.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        },
    })
}

//! One operation, as its handler's types tell it.

use std::{any::type_name, collections::BTreeMap};

use axum::{
    Json,
    extract::{OriginalUri, Path, State},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Security {
    /// Whoever has a token.
    Bearer,
    /// Anybody; who has a token may see more.
    MaybeBearer,
    /// A client of UAA, by its name and secret.
    Client,
    /// A person, by name and password, or whoever has a token.
    Person,
}

/// What is known of an operation.
#[derive(Debug, Default)]
pub(in crate::api) struct Operation {
    pub(super) security: Option<Security>,
    /// Whether what stands in its path are guids.
    pub(super) guids: bool,
    /// Whether it answers with a page of a list.
    pub(super) lists: bool,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: BTreeMap<String, Value>,
    /// Schemas of bodies, by name.
    pub(super) schemas: BTreeMap<String, Value>,
}

/// Something that a handler takes from a request.
pub(in crate::api) trait Takes {
    /// Adds what it takes.
    fn describe(operation: &mut Operation);
}

/// Something that a handler answers with.
pub(in crate::api) trait Answers {
    /// Adds what it may be.
    fn describe(operation: &mut Operation);
}

/// The schema of `T` with all that it consists of.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = SchemaGenerator::new(settings)
        .into_root_schema_for::<T>()
        .to_value();
    if let Value::Object(members) = &mut schema {
        members.remove("title");
    }
    schema
}

/// `pastina::wire::app::Create` as `app.Create`.
fn name_of<T>() -> String {
    let path = type_name::<T>().split('<').next().unwrap_or_default();
    let parts: Vec<&str> = path.split("::").collect();
    let last = parts.len().saturating_sub(2);
    parts[last..].join(".")
}

impl Operation {
    /// It is for `security` alone.
    pub(in crate::api) fn secure(&mut self, security: Security) {
        self.security = Some(security);
    }

    /// What stands in its path are guids.
    pub(in crate::api) fn guids(&mut self) {
        self.guids = true;
    }

    /// It answers with a page of a list, which is narrowed by labels or not.
    pub(in crate::api) fn lists(&mut self, by_labels: bool) {
        self.lists = true;
        let all = super::document::LIST_PARAMETERS.into_iter();
        for name in all.filter(|name| by_labels || *name != "label_selector") {
            let reference = format!("#/components/parameters/{name}");
            self.parameters.push(json!({ "$ref": reference }));
        }
    }

    /// The query may have `name`, of which `schema` tells the values.
    pub(in crate::api) fn query(&mut self, name: &str, schema: &Value) {
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if schema["type"] == "array" {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        } else if schema["type"] == "object" {
            parameter["style"] = json!("deepObject");
            parameter["explode"] = json!(true);
        }
        self.parameters.push(parameter);
    }

    /// Its body is JSON and holds a `T`.
    pub(in crate::api) fn json<T: JsonSchema + DeserializeOwned>(&mut self) {
        let name = name_of::<T>();
        let content = json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
        self.schemas.insert(name, schema::<T>());
        let required = serde_json::from_str::<T>("{}").is_err();
        self.body = Some(json!({
            "required": required,
            "content": { "application/json": content },
        }));
    }

    /// Its body is of the kind `media`, with `schema`.
    pub(in crate::api) fn body(&mut self, media: &str, schema: &Value) {
        let content = Map::from_iter([(media.to_owned(), json!({ "schema": schema }))]);
        self.body = Some(json!({ "required": true, "content": content }));
    }

    /// It may answer with `status` and, of the kind `media`, something of `schema`.
    pub(in crate::api) fn answer(&mut self, status: u16, content: Option<(&str, Value)>) {
        let mut answer = json!({ "description": super::words::status(status) });
        if let Some((media, schema)) = content {
            let content = Map::from_iter([(media.to_owned(), json!({ "schema": schema }))]);
            answer["content"] = Value::Object(content);
        }
        self.answers.insert(status.to_string(), answer);
    }

    /// It may answer with `status` and a `T` in JSON.
    pub(in crate::api) fn answer_json<T: JsonSchema>(&mut self, status: u16) {
        let schema = match schema::<T>() {
            Value::Bool(_) if self.lists => json!({ "$ref": "#/components/schemas/Page" }),
            schema => schema,
        };
        self.answer(status, Some(("application/json", schema)));
    }

    /// What it answers with where it is none of the others, by the name of the component.
    pub(in crate::api) fn refuse(&mut self, name: &str) {
        let reference = format!("#/components/responses/{name}");
        let reference = json!({ "$ref": reference });
        self.answers.insert("default".to_owned(), reference);
    }
}

impl<T> Takes for State<T> {
    fn describe(_: &mut Operation) {}
}

impl Takes for OriginalUri {
    fn describe(_: &mut Operation) {}
}

/// What stands in the path is told by the path.
impl<T> Takes for Path<T> {
    fn describe(_: &mut Operation) {}
}

impl<T: JsonSchema> Answers for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.answer_json::<T>(200);
    }
}

impl Answers for &'static str {
    fn describe(operation: &mut Operation) {
        operation.answer(200, Some(("text/plain", json!({ "type": "string" }))));
    }
}

impl<T: Answers, E: Answers> Answers for Result<T, E> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        E::describe(operation);
    }
}

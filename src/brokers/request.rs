//! What brokers are asked.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::{
    model::{
        App, BindingId, MaintenanceInfo, Metadata, Offering, Org, OrphanId, Plan, RouteBindingId,
        Service, ServiceId, Space,
    },
    wire::query::encode,
};

/// Where in the platform an instance is.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The organization.
    pub org: &'a Org,
    /// The space.
    pub space: &'a Space,
}

/// Which instance or binding, by the names that the broker knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    service_id: String,
    plan_id: String,
}

impl Context<'_> {
    fn json(self) -> Value {
        let Self { org, space } = self;
        json!({
            "platform": "cloudfoundry",
            "organization_guid": org.id.to_string(),
            "organization_name": org.name,
            "organization_annotations": public(&org.metadata),
            "space_guid": space.id.to_string(),
            "space_name": space.name,
            "space_annotations": public(&space.metadata),
        })
    }

    fn of_instance(self, service: &Service, name: &str) -> Value {
        let mut context = self.json();
        context["instance_name"] = name.into();
        context["instance_annotations"] = public(&service.metadata);
        context
    }
}

/// The annotations with a prefix, which are meant for others.
fn public(metadata: &Metadata) -> Value {
    let annotations = metadata.annotations.iter();
    json!(
        annotations
            .filter(|(key, _)| key.contains('/'))
            .collect::<std::collections::BTreeMap<_, _>>()
    )
}

impl Target {
    /// An instance.
    #[must_use]
    pub fn instance(id: ServiceId, offering: &Offering, plan: &Plan) -> Self {
        Self {
            path: format!("/v2/service_instances/{id}"),
            service_id: offering.terms.id.clone(),
            plan_id: plan.terms.id.clone(),
        }
    }

    /// A binding to an app, or a key.
    #[must_use]
    pub fn binding(self, id: BindingId) -> Self {
        self.below(&id.to_string())
    }

    /// A binding to a route.
    #[must_use]
    pub fn route_binding(self, id: RouteBindingId) -> Self {
        self.below(&id.to_string())
    }

    /// What may be left of an instance or binding.
    #[must_use]
    pub fn orphan(orphan: &crate::model::Orphan) -> Self {
        let whole = Self {
            path: format!("/v2/service_instances/{}", orphan.instance),
            service_id: orphan.service_id.clone(),
            plan_id: orphan.plan_id.clone(),
        };
        if orphan.binding {
            whole.below(&OrphanId::to_string(&orphan.id))
        } else {
            whole
        }
    }

    fn below(self, id: &str) -> Self {
        Self {
            path: format!("{}/service_bindings/{id}", self.path),
            ..self
        }
    }

    /// The path where it is made and changed.
    pub(super) fn made_at(&self) -> String {
        format!("{}?accepts_incomplete=true", self.path)
    }

    /// The path where it is deleted.
    pub(super) fn deleted_at(&self) -> String {
        format!("{}&accepts_incomplete=true", self.seen_at())
    }

    /// The path where it is read.
    pub(super) fn seen_at(&self) -> String {
        self.named(&self.path)
    }

    /// The path where the broker tells how far it is.
    pub(super) fn polled_at(&self, operation: Option<&str>) -> String {
        let mut path = self.named(&format!("{}/last_operation", self.path));
        if let Some(operation) = operation {
            let _ = write!(path, "&operation={}", encode(operation));
        }
        path
    }

    fn named(&self, path: &str) -> String {
        format!(
            "{path}?service_id={}&plan_id={}",
            encode(&self.service_id),
            encode(&self.plan_id)
        )
    }

    /// The body of a wish for an instance.
    #[must_use]
    pub fn provision(
        &self,
        service: &Service,
        context: Context<'_>,
        parameters: Option<&Map<String, Value>>,
        version: Option<&MaintenanceInfo>,
    ) -> Value {
        let mut body = json!({
            "service_id": self.service_id,
            "plan_id": self.plan_id,
            "organization_guid": context.org.id.to_string(),
            "space_guid": context.space.id.to_string(),
            "context": context.of_instance(service, &service.name),
        });
        with_parameters(&mut body, parameters);
        with_version(&mut body, version);
        body
    }

    /// The body of a wish for a change: `self` with the plan as it was, `plan_id` as it shall be.
    #[must_use]
    pub fn update(&self, service: &Service, context: Context<'_>, update: &Update<'_>) -> Value {
        let mut previous = json!({
            "service_id": self.service_id,
            "plan_id": self.plan_id,
            "organization_id": context.org.id.to_string(),
            "space_id": context.space.id.to_string(),
        });
        with_version(&mut previous, update.version_before);
        let mut body = json!({
            "service_id": self.service_id,
            "plan_id": update.plan_id,
            "context": context.of_instance(service, update.name),
            "previous_values": previous,
        });
        with_parameters(&mut body, update.parameters);
        with_version(&mut body, update.version);
        body
    }

    /// The body of a wish for a binding of `what`: `bind_resource`.
    #[must_use]
    pub fn bind(
        &self,
        context: Context<'_>,
        what: &Value,
        parameters: Option<&Map<String, Value>>,
    ) -> Value {
        let mut body = json!({
            "service_id": self.service_id,
            "plan_id": self.plan_id,
            "context": context.json(),
            "bind_resource": what,
        });
        if let Some(app) = what.get("app_guid") {
            body["app_guid"] = app.clone();
        }
        with_parameters(&mut body, parameters);
        body
    }
}

/// What an instance is changed to.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// The broker's identifier of the plan that it shall have.
    pub plan_id: &'a str,
    /// The name that it shall have.
    pub name: &'a str,
    /// What the user has to say.
    pub parameters: Option<&'a Map<String, Value>>,
    /// The version that it shall be of.
    pub version: Option<&'a MaintenanceInfo>,
    /// The version that it is of.
    pub version_before: Option<&'a MaintenanceInfo>,
}

/// What a binding to an app is told to be of.
#[must_use]
pub fn app_resource(app: &App) -> Value {
    json!({
        "app_guid": app.id.to_string(),
        "space_guid": app.space.to_string(),
        "app_annotations": public(&app.metadata),
    })
}

/// Only the version: what it means is for people.
fn with_version(body: &mut Value, version: Option<&MaintenanceInfo>) {
    if let Some(version) = version {
        body["maintenance_info"] = json!({ "version": version.version });
    }
}

fn with_parameters(body: &mut Value, parameters: Option<&Map<String, Value>>) {
    if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
        body["parameters"] = Value::Object(parameters.clone());
    }
}

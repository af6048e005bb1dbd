//! Service instances.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Base, Links, MetadataPatch, ToOne, offering::maintenance_info, shared, shared::Hidden,
};
use crate::model::{
    Credentials, Operation, OperationKind, OperationState, Plan, Service, ServiceKind,
};

/// Most characters of all tags together (Cloud Foundry's limit).
const LONGEST_TAGS: usize = 2_048;
/// Most bytes of credentials as JSON: together with others they have to fit into a variable of
/// the environment, which the kernel holds to 128 KiB (execve(2)).
const MOST_CREDENTIALS: usize = 64 * 1024;
/// Most objects and arrays in each other. What is stored is read back inside of other objects,
/// and readers give up at 128.
const DEEPEST: usize = 32;
/// Longest URL.
const LONGEST_URL: usize = 8 * 1024;

/// Body of `POST /v3/service_instances`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// `user-provided` or `managed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name.
    pub name: String,
    /// Where it belongs.
    pub relationships: Relationships,
    /// What it is and says.
    #[serde(flatten)]
    pub settings: Settings,
}

/// Where a service instance belongs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationships {
    /// The space.
    pub space: ToOne,
    /// The plan of a managed one.
    pub service_plan: Option<ToOne>,
}

/// Body of `PATCH /v3/service_instances/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// The plan that a managed one shall have.
    pub relationships: Option<NewPlan>,
    /// The version that a managed one shall be of.
    pub maintenance_info: Option<Version>,
    /// What it is and says from now on.
    #[serde(flatten)]
    pub settings: Settings,
}

/// The plan that a managed instance shall have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// The plan.
    pub service_plan: ToOne,
}

/// The version that a managed instance shall be of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// A semantic version.
    pub version: Option<String>,
}

/// What can be said about a service instance when it is made and later.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Settings {
    /// What bound apps are told.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub credentials: Option<Option<Hidden<Map<String, Value>>>>,
    /// Where bound apps' logs go; empty for nowhere.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub syslog_drain_url: Option<Option<String>>,
    /// Where requests for bound routes go first; empty for nowhere.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub route_service_url: Option<Option<String>>,
    /// By what apps recognise it.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub tags: Option<Option<Vec<String>>>,
    /// For managed ones.
    pub parameters: Option<Hidden<Map<String, Value>>>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

impl Settings {
    /// Says so to `kind` and `tags` of a service instance. Parameters are the broker's to hear.
    ///
    /// # Errors
    /// Words for the user about everything that is not allowed.
    pub fn apply(self, kind: &mut ServiceKind, tags: &mut Vec<String>) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        match kind {
            ServiceKind::UserProvided {
                credentials,
                syslog_drain_url,
                route_service_url,
                ..
            } => {
                if self.parameters.is_some() {
                    errors.push("Unknown field(s): 'parameters'".to_owned());
                }
                if let Some(new) = self.credentials {
                    let new = new.unwrap_or_default().0;
                    errors.extend(wrong_with_object("Credentials", &new));
                    *credentials = Credentials(new);
                }
                if let Some(new) = self.syslog_drain_url {
                    *syslog_drain_url = new.filter(|url| !url.is_empty());
                    errors.extend(wrong_with_drain(syslog_drain_url.as_deref()));
                }
                if let Some(new) = self.route_service_url {
                    *route_service_url = new.filter(|url| !url.is_empty());
                    errors.extend(wrong_with_route_service(route_service_url.as_deref()));
                }
            }
            ServiceKind::Managed { .. } => {
                let strange = [
                    ("credentials", self.credentials.is_some()),
                    ("syslog_drain_url", self.syslog_drain_url.is_some()),
                    ("route_service_url", self.route_service_url.is_some()),
                ];
                let strange = strange.into_iter().filter(|(_, said)| *said);
                errors.extend(strange.map(|(name, _)| format!("Unknown field(s): '{name}'")));
                if let Some(parameters) = &self.parameters {
                    errors.extend(wrong_with_object("Parameters", &parameters.0));
                }
            }
        }
        if let Some(new) = self.tags {
            let new = new.unwrap_or_default();
            let length: usize = new.iter().map(|tag| tag.chars().count()).sum();
            if length > LONGEST_TAGS {
                errors.push(format!(
                    "Tags combined length of tags must be less than {LONGEST_TAGS} characters"
                ));
            }
            *tags = new;
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

fn wrong_with_drain(url: Option<&str>) -> Option<String> {
    let wrong = url.is_some_and(|url| !is_url(url));
    wrong.then(|| "Syslog drain url must be a valid URI".to_owned())
}

fn wrong_with_route_service(url: Option<&str>) -> Option<String> {
    let url = url?;
    if !is_url(url) {
        return Some("Route service url must be a valid URI".to_owned());
    }
    (!url.starts_with("https:")).then(|| "Route service url must be https".to_owned())
}

/// What is wrong with an object that is kept and handed on, such as credentials and parameters.
#[must_use]
pub fn wrong_with_object(what: &str, object: &Map<String, Value>) -> Option<String> {
    if object
        .values()
        .any(|value| depth_exceeds(value, DEEPEST - 1))
    {
        return Some(format!(
            "{what} must have at most {DEEPEST} objects and arrays in each other"
        ));
    }
    let bytes = serde_json::to_vec(object).map_or(usize::MAX, |text| text.len());
    (bytes > MOST_CREDENTIALS)
        .then(|| format!("{what} must be at most {MOST_CREDENTIALS} bytes as JSON"))
}

/// Whether `value` has more than `most` objects and arrays in each other. It looks no deeper
/// than that.
fn depth_exceeds(value: &Value, most: usize) -> bool {
    let deeper = |inner: &Value| most == 0 || depth_exceeds(inner, most - 1);
    match value {
        Value::Array(items) => most == 0 || items.iter().any(deeper),
        Value::Object(members) => most == 0 || members.values().any(deeper),
        _ => false,
    }
}

/// Whether `text` is a URL with a scheme and a host.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    text.len() <= LONGEST_URL
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !host.is_empty()
        && !host.starts_with(':')
        && text.bytes().all(|b| b > b' ' && b != 0x7f)
}

/// One service instance, without its credentials; `plan` is that of a managed one.
#[must_use]
pub fn present(service: &Service, plan: Option<&Plan>, base: &Base) -> Value {
    let path = format!("/v3/service_instances/{}", service.id);
    let of_it = format!("service_instance_guids={}", service.id);
    let mut links = Links::new(base)
        .to("self", &path)
        .to("space", &format!("/v3/spaces/{}", service.space))
        .to(
            "service_credential_bindings",
            &format!("/v3/service_credential_bindings?{of_it}"),
        )
        .to(
            "service_route_bindings",
            &format!("/v3/service_route_bindings?{of_it}"),
        );
    let mut document = json!({
        "guid": service.id.to_string(),
        "created_at": service.created_at.to_string(),
        "updated_at": service.updated_at.to_string(),
        "name": service.name,
        "type": kind(service),
        "tags": service.tags,
        "last_operation": operation(&service.last_operation),
        "relationships": { "space": shared::to_one(service.space) },
        "metadata": shared::metadata(&service.metadata),
    });
    match &service.kind {
        ServiceKind::UserProvided {
            syslog_drain_url,
            route_service_url,
            ..
        } => {
            document["syslog_drain_url"] = json!(syslog_drain_url);
            document["route_service_url"] = json!(route_service_url);
            links = links.to("credentials", &format!("{path}/credentials"));
        }
        ServiceKind::Managed {
            plan: id,
            dashboard_url,
            maintenance_info: info,
            broker_metadata,
        } => {
            let newest = plan.and_then(|plan| plan.terms.maintenance_info.as_ref());
            let version = |info: Option<&crate::model::MaintenanceInfo>| {
                info.map(|info| info.version.clone())
            };
            document["maintenance_info"] = maintenance_info(info.as_ref());
            document["upgrade_available"] = (version(newest) != version(info.as_ref())).into();
            document["dashboard_url"] = json!(dashboard_url);
            document["relationships"]["service_plan"] = shared::to_one(id);
            if !broker_metadata.is_empty() {
                document["broker_provided_metadata"] = json!(broker_metadata);
            }
            links = links
                .to("service_plan", &format!("/v3/service_plans/{id}"))
                .to("parameters", &format!("{path}/parameters"))
                .to(
                    "shared_spaces",
                    &format!("{path}/relationships/shared_spaces"),
                );
        }
    }
    document["links"] = links.json();
    document
}

/// What a service instance is, as filters spell it.
#[must_use]
pub const fn kind(service: &Service) -> &'static str {
    match service.kind {
        ServiceKind::UserProvided { .. } => "user-provided",
        ServiceKind::Managed { .. } => "managed",
    }
}

/// What was last done with a service instance or binding.
#[must_use]
pub fn operation(operation: &Operation) -> Value {
    let kind = match operation.kind {
        OperationKind::Create => "create",
        OperationKind::Update => "update",
        OperationKind::Delete => "delete",
    };
    let state = match operation.state {
        OperationState::Initial => "initial",
        OperationState::InProgress => "in progress",
        OperationState::Succeeded => "succeeded",
        OperationState::Failed => "failed",
    };
    json!({
        "type": kind,
        "state": state,
        "description": operation.description,
        "created_at": operation.created_at.to_string(),
        "updated_at": operation.updated_at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(settings: Value) -> Result<(ServiceKind, Vec<String>), Vec<String>> {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let mut kind = ServiceKind::UserProvided {
            credentials: Credentials::default(),
            syslog_drain_url: Some("syslog://old.example.kr:514".to_owned()),
            route_service_url: None,
            route_service_vouched: false,
        };
        let mut tags = vec!["old".to_owned()];
        settings.apply(&mut kind, &mut tags).map(|()| (kind, tags))
    }

    #[test]
    fn what_is_not_said_stays_and_what_is_empty_goes() {
        let (kind, tags) = apply(json!({})).unwrap();
        let ServiceKind::UserProvided {
            syslog_drain_url, ..
        } = kind
        else {
            panic!("not user-provided");
        };
        assert!(syslog_drain_url.is_some() && tags == ["old"]);
        let (kind, tags) = apply(json!({ "syslog_drain_url": "", "tags": null })).unwrap();
        let ServiceKind::UserProvided {
            syslog_drain_url, ..
        } = kind
        else {
            panic!("not user-provided");
        };
        assert!(syslog_drain_url.is_none() && tags.is_empty());
    }

    #[test]
    fn what_is_not_allowed_is_told() {
        let check = |settings: Value, part: &str| {
            let errors = apply(settings).unwrap_err();
            assert!(errors.join("; ").contains(part), "{errors:?}");
        };
        check(
            json!({ "syslog_drain_url": "logs.example.kr" }),
            "valid URI",
        );
        check(json!({ "route_service_url": "http://x" }), "must be https");
        check(json!({ "route_service_url": "https://" }), "valid URI");
        check(json!({ "tags": ["x".repeat(3_000)] }), "combined length");
        check(
            json!({ "credentials": { "a": "x".repeat(70_000) } }),
            "at most 65536 bytes",
        );
        check(json!({ "parameters": {} }), "parameters");
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        check(json!({ "credentials": { "a": deep } }), "in each other");
    }

    #[test]
    fn credentials_are_in_no_debug_output() {
        let body = json!({ "type": "user-provided", "name": "x", "credentials": { "a": "s3cret" },
            "relationships": { "space": { "data": { "guid": "x" } } } });
        let create: Create = serde_json::from_value(body).unwrap();
        assert!(!format!("{create:?}").contains("s3cret"));
    }
}

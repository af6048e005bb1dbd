//! Two tenants with something of everything, the second with a mark in all that is theirs.

use pastina::model::{DropletState, ProcessType};
use serde_json::{Value, json};

use super::values::Known;
use crate::api::{
    harness::{Platform, guid, to_one},
    permissions::Records,
};

/// What stands in everything of the second tenant.
pub(super) const MARK: &str = "zebra";

/// A tenant's developer.
pub(super) struct Tenant {
    pub(super) name: &'static str,
    pub(super) token: String,
    /// The token of who manages organization and space.
    pub(super) managing: String,
    /// What of theirs must not change by others' hands.
    pub(super) paths: Vec<String>,
}

/// Makes a tenant.
pub(super) async fn plant(platform: &Platform, name: &'static str, known: &mut Known) -> Tenant {
    let labels = json!({ "labels": { "of": name }, "annotations": { "note": name } });
    let org = json!({ "name": format!("{name}-org"), "metadata": labels });
    let org = guid(&platform.make("/v3/organizations", org).await);
    let space = json!({
        "name": format!("{name}-space"), "metadata": labels,
        "relationships": { "organization": to_one(&org) },
    });
    let space = guid(&platform.make("/v3/spaces", space).await);
    let (user, token) = platform.user(&format!("{name}-dev")).await;
    platform.role("organization_user", &user, &org).await;
    let (manager, managing) = platform.user(&format!("{name}-boss")).await;
    platform.role("organization_manager", &manager, &org).await;
    platform.role("space_manager", &manager, &space).await;
    let role = platform.role("space_developer", &user, &space).await;
    let in_space = json!({ "space": to_one(&space) });
    let app = json!({
        "name": format!("{name}-app"), "metadata": labels, "relationships": in_space,
        "environment_variables": { "SECRET": name },
    });
    let app = guid(&platform.make("/v3/apps", app).await);
    let command = json!({ "command": format!("./{name}") });
    let path = format!("/v3/apps/{app}/processes/web");
    let process = platform
        .call(&platform.admin, "PATCH", &path, command)
        .await;
    let process = guid(&process.expect(200));
    let sidecar = json!({ "name": name, "command": name, "process_types": ["web"] });
    let path = format!("/v3/apps/{app}/sidecars");
    let sidecar = guid(&platform.make(&path, sidecar).await);
    let package = json!({
        "type": "bits", "metadata": labels, "relationships": { "app": to_one(&app) },
    });
    let package = guid(&platform.make("/v3/packages", package).await);
    let domain = json!({
        "name": format!("{name}.example"),
        "relationships": { "organization": to_one(&org) },
    });
    let domain = guid(&platform.make("/v3/domains", domain).await);
    let route = json!({
        "host": name, "metadata": labels,
        "relationships": { "space": to_one(&space), "domain": to_one(&domain) },
    });
    let route = guid(&platform.make("/v3/routes", route).await);
    let to = json!({ "destinations": [{ "app": { "guid": app } }] });
    let path = format!("/v3/routes/{route}/destinations");
    let mapped = platform.call(&platform.admin, "POST", &path, to).await;
    let destination = guid(&mapped.expect(200)["destinations"][0]);
    let service = json!({
        "type": "user-provided", "name": format!("{name}-db"), "metadata": labels,
        "relationships": in_space, "credentials": { "password": name }, "tags": [name],
        "syslog_drain_url": format!("https://{name}.example"),
    });
    let service = guid(&platform.make("/v3/service_instances", service).await);
    let binding = json!({
        "type": "app", "name": name,
        "relationships": { "app": to_one(&app), "service_instance": to_one(&service) },
    });
    let path = "/v3/service_credential_bindings";
    let binding = guid(&platform.make(path, binding).await);
    // Quotas of organizations are the operator's, and everybody sees their names.
    let quota = json!({
        "name": format!("quota-{}", name.len()),
        "relationships": { "organizations": { "data": [{ "guid": org }] } },
    });
    let quota = guid(&platform.make("/v3/organization_quotas", quota).await);
    let squota = json!({
        "name": format!("{name}-squota"),
        "relationships": { "organization": to_one(&org), "spaces": { "data": [{ "guid": space }] } },
    });
    let squota = guid(&platform.make("/v3/space_quotas", squota).await);
    let rules = json!({
        "name": format!("{name}-rules"),
        "rules": [{ "protocol": "tcp", "destination": "1.2.3.4", "ports": "80", "description": name }],
        "relationships": { "running_spaces": { "data": [{ "guid": space }] } },
    });
    let rules = guid(&platform.make("/v3/security_groups", rules).await);
    let events = platform
        .get(&format!("/v3/audit_events?space_guids={space}"))
        .await;
    for event in events["resources"].as_array().unwrap().iter().take(5) {
        known.add("event", &guid(event));
    }
    let mut paths = vec![
        format!("/v3/apps/{app}/environment_variables"),
        format!("/v3/apps/{app}/processes"),
        format!("/v3/routes/{route}/destinations"),
        format!("/v3/service_instances/{service}/credentials"),
        format!("/v3/roles?space_guids={space}&order_by=created_at"),
    ];
    let mut records = Records::new(app.parse().unwrap(), package.parse().unwrap());
    let command = format!("./{name}");
    let bits = zstd::encode_all(name.as_bytes(), 1).unwrap();
    let bits = platform.actions.blobs.put(&bits[..]).await.unwrap();
    records.droplet.state = DropletState::Staged {
        sha256: bits.sha256,
        size: bits.size,
    };
    records.droplet.process_types = [(ProcessType::web(), command.clone())].into();
    name.clone_into(&mut records.task.name);
    records.task.command = command;
    name.clone_into(&mut records.revision.description);
    for (kind, guid) in records.put(&platform.store).await {
        known.add(kind, &guid);
        paths.push(format!("/v3/{kind}s/{guid}"));
    }
    let all = [
        ("org", "organizations", &org),
        ("space", "spaces", &space),
        ("user", "users", &user),
        ("role", "roles", &role),
        ("app", "apps", &app),
        ("process", "processes", &process),
        ("sidecar", "sidecars", &sidecar),
        ("package", "packages", &package),
        ("domain", "domains", &domain),
        ("route", "routes", &route),
        ("destination", "", &destination),
        ("service_instance", "service_instances", &service),
        ("binding", "service_credential_bindings", &binding),
        ("organization_quota", "organization_quotas", &quota),
        ("space_quota", "space_quotas", &squota),
        ("security_group", "security_groups", &rules),
    ];
    for (kind, list, guid) in all {
        known.add(kind, guid);
        if !list.is_empty() {
            paths.push(format!("/v3/{list}/{guid}"));
        }
    }
    Tenant {
        name,
        token,
        managing,
        paths,
    }
}

impl Tenant {
    /// All that is theirs, as the admin sees it.
    pub(super) async fn all(&self, platform: &Platform) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for path in &self.paths {
            let answer = platform
                .call(&platform.admin, "GET", path, Value::Null)
                .await;
            all.push((path.clone(), answer.json));
        }
        all
    }
}

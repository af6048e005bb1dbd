//! What the platform says about itself: discovery documents.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::Timestamp;

/// The version of Cloud Foundry's API that is spoken. From 3.211.0 on clients ask for
/// `embed=process_instances` and change the states of stacks.
pub const API_VERSION: &str = "3.211.0";
/// The name of the stack that every platform has.
pub const STACK_NAME: &str = "cflinuxfs4";
/// The client of UAA that codes for `cf ssh` are for.
pub const SSH_CLIENT: &str = "ssh-proxy";
/// When what comes with the platform says that it was made: 2026-01-01.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The names under `/v3` that its root document links.
const RESOURCES: [&str; 32] = [
    "app_usage_events",
    "apps",
    "audit_events",
    "buildpacks",
    "builds",
    "deployments",
    "domains",
    "droplets",
    "environment_variable_groups",
    "feature_flags",
    "info",
    "isolation_segments",
    "organization_quotas",
    "organizations",
    "packages",
    "processes",
    "resource_matches",
    "roles",
    "routes",
    "security_groups",
    "service_brokers",
    "service_credential_bindings",
    "service_instances",
    "service_offerings",
    "service_plans",
    "service_route_bindings",
    "service_usage_events",
    "space_quotas",
    "spaces",
    "stacks",
    "tasks",
    "users",
];

/// How to reach instances by SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Host and port as clients see them; none for the host by which they reach the API.
    pub address: Option<String>,
    /// The port, where there is no address.
    pub port: u16,
    /// The SHA-256 of the host key in unpadded base64.
    pub fingerprint: String,
}

impl Ssh {
    /// Host and port for a client that reaches the API at `base`.
    #[must_use]
    pub fn address(&self, base: &Base) -> String {
        if let Some(address) = &self.address {
            return address.clone();
        }
        let authority = base.as_str().split_once("://").map_or("", |(_, rest)| rest);
        // An IPv6 address has its colons in brackets.
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        };
        format!("{host}:{}", self.port)
    }

    fn present(&self, base: &Base) -> Value {
        json!({
            "href": self.address(base),
            "meta": {
                "host_key_fingerprint": self.fingerprint,
                "oauth_client": SSH_CLIENT,
            },
        })
    }
}

/// `GET /`. Everything is under the address that the client used, which surely reaches us.
#[must_use]
pub fn root(base: &Base, ssh: Option<&Ssh>) -> Value {
    let stream = base.as_str().replacen("http", "ws", 1);
    json!({ "links": {
        "self": base.link(""),
        "cloud_controller_v2": null,
        "cloud_controller_v3": {
            "href": base.url("/v3"),
            "meta": { "version": API_VERSION },
        },
        "network_policy_v0": base.link("/networking/v0/external"),
        "network_policy_v1": base.link("/networking/v1/external"),
        "login": base.link(""),
        "uaa": base.link(""),
        "credhub": null,
        "routing": base.link("/routing"),
        "logging": { "href": stream },
        "log_cache": base.link(""),
        "log_stream": base.link(""),
        "app_ssh": ssh.map(|ssh| ssh.present(base)),
    } })
}

/// `GET /v3`.
#[must_use]
pub fn v3(base: &Base) -> Value {
    let mut links = Links::new(base).to("self", "/v3");
    for name in RESOURCES {
        links = links.to(name, &format!("/v3/{name}"));
    }
    json!({ "links": links.json() })
}

/// `GET /v3/info`.
#[must_use]
pub fn info(base: &Base) -> Value {
    json!({
        "build": env!("CARGO_PKG_VERSION"),
        "cli_version": { "minimum": "", "recommended": "" },
        "custom": {},
        "description": "Pastina, a platform-as-a-service in one binary",
        "name": "pastina",
        "version": 0,
        "osbapi_version": "2.15",
        "rate_limits": {
            "enabled": false,
            "general_limit": "",
            "reset_interval_in_minutes": "",
        },
        "links": { "self": base.link("/v3/info"), "support": { "href": "" } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_where_the_api_is_unless_it_is_said_otherwise() {
        let mut ssh = Ssh {
            address: None,
            port: 2222,
            fingerprint: "x".to_owned(),
        };
        for (authority, expected) in [
            ("api.example.kr", "api.example.kr:2222"),
            ("127.0.0.1:8443", "127.0.0.1:2222"),
            ("[::1]:8443", "[::1]:2222"),
            ("[::1]", "[::1]:2222"),
        ] {
            assert_eq!(ssh.address(&Base::new("https", authority)), expected);
        }
        ssh.address = Some("ssh.example.kr:22".to_owned());
        let base = Base::new("https", "api.example.kr");
        let document = root(&base, Some(&ssh));
        let link = &document["links"]["app_ssh"];
        assert_eq!(link["href"], "ssh.example.kr:22");
        assert_eq!(link["meta"]["oauth_client"], "ssh-proxy");
        assert_eq!(root(&base, None)["links"]["app_ssh"], Value::Null);
    }
}

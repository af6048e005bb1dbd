//! The routing API's router groups: ports that TCP routes may have. There is one.

use serde_json::{Value, json};

use crate::model::PortRange;

/// The guid of the one group.
pub const GUID: &str = "00000000-0000-4000-8000-000000000004";

/// The name of the one group, as Cloud Foundry installs it.
pub const NAME: &str = "default-tcp";

/// The group, with the ports that it has.
#[must_use]
pub fn present(ports: PortRange) -> Value {
    json!({
        "guid": GUID,
        "name": NAME,
        "type": "tcp",
        "reservable_ports": format!("{}-{}", ports.first, ports.last),
    })
}

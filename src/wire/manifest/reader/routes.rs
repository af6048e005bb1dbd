//! The routes of a manifest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{RouteManifest, RouteUrl, Routing},
    Reader, shown,
};
use crate::wire::route::{parse_protocol, wrong_in_manifest};

impl Reader<'_> {
    pub(super) fn routing(&mut self) -> Routing {
        let default = self.boolean("default_route");
        let random = self.boolean("random_route");
        let no_route = self.boolean("no_route");
        let list = self.list("routes");
        if no_route {
            return Routing::Unmap;
        }
        if default && random {
            self.errors
                .push("Random-route and default-route may not be used together".to_owned());
        }
        match list {
            Some(list) if !list.is_empty() => {
                Routing::Map(list.iter().filter_map(|entry| self.route(entry)).collect())
            }
            _ if random => Routing::Random,
            _ if default => Routing::Default,
            _ => Routing::Keep,
        }
    }

    fn route(&mut self, entry: &Value) -> Option<RouteManifest> {
        let Some(text) = entry.get("route").and_then(Value::as_str) else {
            self.wrong("routes", "a list of maps with a 'route'", entry);
            return None;
        };
        let url = RouteUrl::parse(text)
            .map_err(|error| self.errors.push(error))
            .ok()?;
        let protocol = match entry.get("protocol") {
            None | Some(Value::Null) => None,
            Some(name) => {
                let known = name.as_str().and_then(parse_protocol);
                if known.is_none() {
                    self.errors
                        .push("Route protocol must be 'http1', 'http2' or 'tcp'.".to_owned());
                }
                known
            }
        };
        let options = match entry.get("options") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(options)) => options.clone().into_iter().collect(),
            Some(other) => {
                let other = shown(other);
                self.errors.push(format!(
                    "Route '{text}': options must be an object, not {other}"
                ));
                return None;
            }
        };
        self.errors.extend(wrong_in_manifest(text, &options));
        Some(RouteManifest {
            url,
            protocol,
            options,
        })
    }
}

//! The version of what is on disk, and the way from older versions to it.

use serde_json::Value;

use super::Kind;

/// Turns a record of one version into one of the next.
pub(super) type Step = fn(Kind, Value) -> Value;

/// The steps so far, the first from version 1 to version 2, and so on.
///
/// Each release that changes the shape of a record adds a step here and a golden file
/// `testdata/v<N>.json`; neither is ever changed afterwards. A field that is new and has
/// a serde default needs no step.
pub(super) const STEPS: &[Step] = &[second, third];

/// Version 2 has security groups, network policies, service instances and their bindings, of
/// which version 1 knew nothing; what it knew is as it was.
fn second(_: Kind, value: Value) -> Value {
    value
}

/// Version 3 has sidecars, tasks, usage events, revisions, deployments, quotas, service brokers with what belongs
/// to them, classic buildpacks, flags, groups, clients and isolation segments; what version 2 knew
/// is as it was. It is not released yet: until it is, kinds that are new join it.
fn third(_: Kind, value: Value) -> Value {
    value
}

/// The version that this binary writes, and the newest that it reads.
#[expect(clippy::cast_possible_truncation, reason = "a handful of steps")]
pub(super) const SCHEMA: u32 = STEPS.len() as u32 + 1;

/// What writes it.
pub(super) const WRITTEN_BY: &str = env!("CARGO_PKG_VERSION");

/// A record of version `from` in the shape of the version after `steps`.
pub(super) fn migrate(steps: &[Step], kind: Kind, from: u32, value: Value) -> Value {
    let done = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
    steps
        .iter()
        .skip(done)
        .fold(value, |value, step| step(kind, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_takes_every_step_after_its_own_version() {
        fn first(kind: Kind, mut value: Value) -> Value {
            if kind == Kind::App {
                value["a"] = json!("one");
            }
            value
        }
        fn second(_: Kind, mut value: Value) -> Value {
            value["b"] = json!("two");
            value
        }
        let check = |from, kind, expected: Value| {
            assert_eq!(migrate(&[first, second], kind, from, json!({})), expected);
        };
        check(1, Kind::App, json!({"a": "one", "b": "two"}));
        check(1, Kind::Org, json!({"b": "two"}));
        check(2, Kind::App, json!({"b": "two"}));
        check(3, Kind::App, json!({}));
    }
}

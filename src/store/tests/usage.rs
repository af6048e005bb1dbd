//! A usage event to test with.

use super::fixture::{AT, uuid};
use crate::model::{AppId, AppUsage, AppUsageId, Named, OrgId, SpaceId, Step};

/// One of an app that was started.
pub(super) fn of_app(number: u64, app: AppId, (space, org): (SpaceId, OrgId)) -> AppUsage {
    let named = |name: &str| Named {
        guid: app.to_string(),
        name: name.to_owned(),
    };
    AppUsage {
        id: AppUsageId::from_uuid(uuid(40, number)),
        order: 7,
        state: Step {
            current: "STARTED".to_owned(),
            previous: Some("STOPPED".to_owned()),
        },
        app: named("shop"),
        process: Some(named("web")),
        task: None,
        buildpack: Some("ruby_buildpack".to_owned()),
        space: (space, "dev".to_owned()),
        org,
        memory: Step::first(256),
        instances: Step::first(2),
        created_at: AT,
    }
}

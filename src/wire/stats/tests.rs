use uuid::Uuid;

use super::*;
use crate::model::{
    AppId, AppName, HealthCheck, InstanceId, Lifecycle, Megabytes, Metadata, ProcessType,
    ReadinessCheck, SpaceId, Usage,
};

fn app(state: AppState) -> App {
    App {
        id: AppId::from_uuid(Uuid::from_u128(1)),
        space: SpaceId::random(),
        name: AppName::parse("a").unwrap(),
        state,
        lifecycle: Lifecycle::default(),
        env: BTreeMap::new(),
        current_droplet: None,
        generation: 0,
        features: BTreeMap::new(),
        uid_range: None,
        cache_cleared_at: None,
        git_source: None,
        metadata: Metadata::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

fn process(instances: u32) -> Process {
    let id = AppId::from_uuid(Uuid::from_u128(1));
    Process {
        id: id.into(),
        app: id,
        process_type: ProcessType::web(),
        command: None,
        instances,
        memory: Megabytes(64),
        disk: Megabytes(128),
        log_rate_limit: -1,
        health: HealthCheck::default_for(true),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata: Metadata::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

fn slot(index: u32, state: InstanceState) -> InstanceView {
    InstanceView {
        id: Some(InstanceId::from_uuid(Uuid::from_u128(u128::from(index)))),
        index,
        state,
        since: Timestamp::from_millis(5_000),
        routable: Some(state == InstanceState::Running),
        details: None,
        usage: Usage {
            cpu_ns: 1,
            cpu: 0.105,
            memory: 1_000_000,
            disk: 2_000_000,
            log_rate: 30,
            received: 40,
            sent: 50,
        },
    }
}

#[test]
fn one_entry_for_each_wanted_instance() {
    let mut crashed = slot(1, InstanceState::Crashed);
    crashed.details = Some("Exit status 1".to_owned());
    crashed.usage.cpu = f64::NAN;
    let slots = [
        slot(0, InstanceState::Running),
        crashed,
        slot(9, InstanceState::Stopping),
    ];
    let now = Timestamp::from_millis(65_000);
    let document = present(&app(AppState::Started), &process(3), &slots, "api.kr", now);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn of_a_stopped_app_only_what_drains_is_shown() {
    let slots = [
        slot(0, InstanceState::Stopping),
        slot(1, InstanceState::Running),
    ];
    let states = |state, wanted| -> Vec<String> {
        let now = Timestamp::from_millis(4_000);
        let document = instances(&app(state), &process(wanted), &slots, now);
        let list = document.as_array().unwrap().iter();
        list.map(|entry| entry["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(states(AppState::Stopped, 2), ["STOPPING", "DOWN"]);
    assert_eq!(
        states(AppState::Started, 3),
        ["STOPPING", "RUNNING", "DOWN"]
    );
    assert_eq!(states(AppState::Started, 0), [""; 0]);
}

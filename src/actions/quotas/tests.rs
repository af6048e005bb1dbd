//! What may be made within which quota; through the API in tests/it/api/quotas.rs.
use super::*;
use crate::{
    model::{
        AppLimits, Level, Limits, Megabytes, Metadata, Org, OrgId, OrgName, OrgQuota, OrgQuotaId,
        Over, Space, SpaceId, SpaceName, Timestamp,
    },
    store::Store,
};

const AT: Timestamp = Timestamp::from_millis(1);

async fn with_limits(apps: AppLimits) -> (Store, SpaceId) {
    let store = Store::in_memory();
    let (org, space) = (OrgId::random(), SpaceId::random());
    let made = store.commit(|tx| {
        tx.put(OrgQuota {
            id: OrgQuotaId::DEFAULT,
            name: QuotaName::parse("default")?,
            limits: Limits {
                apps,
                ..Limits::default()
            },
            created_at: AT,
            updated_at: AT,
        });
        tx.put(Org {
            id: org,
            name: OrgName::parse("uni")?,
            suspended: false,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        });
        tx.put(Space {
            id: space,
            org,
            name: SpaceName::parse("dev")?,
            allow_ssh: true,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        });
        Ok::<_, ActionError>(())
    });
    made.await.unwrap();
    (store, space)
}

#[tokio::test]
async fn a_task_has_to_fit_in_every_way() {
    let (store, space) = with_limits(AppLimits {
        total_memory_in_mb: Some(256),
        per_process_memory_in_mb: Some(128),
        per_app_tasks: Some(2),
        log_rate_limit_in_bytes_per_second: Some(1_000),
        ..AppLimits::default()
    })
    .await;
    let check = |memory, log_rate, beside, expected: &[Over]| {
        let size = TaskSize {
            memory: Megabytes(memory),
            log_rate,
            beside,
        };
        let found = match may_run_task(&store.state(), space, size) {
            Ok(()) => Vec::new(),
            Err(ActionError::Quota(breaches)) => breaches,
            Err(other) => panic!("{other}"),
        };
        assert!(found.iter().all(|breach| breach.level == Level::Org));
        let over: Vec<_> = found.iter().map(|breach| breach.over).collect();
        assert_eq!(over, expected, "{size:?}");
    };
    check(128, 1_000, 1, &[]);
    check(129, 1_000, 1, &[Over::TaskProcessMemory]);
    check(300, 0, 0, &[Over::TaskMemory, Over::TaskProcessMemory]);
    check(1, 1_001, 0, &[Over::TaskLogRate]);
    check(1, -1, 0, &[Over::LogRateOpen]);
    check(1, 0, 2, &[Over::Tasks]);
}

#[tokio::test]
async fn a_build_is_counted_beside_what_runs() {
    let (store, space) = with_limits(AppLimits {
        total_memory_in_mb: Some(256),
        ..AppLimits::default()
    })
    .await;
    stages(&store.state(), space, Megabytes(256)).unwrap();
    let refused = stages(&store.state(), space, Megabytes(257)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "organization's memory limit exceeded: staging requires 257M memory"
    );
}

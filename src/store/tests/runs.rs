//! Records of what runs beside and instead of processes, and of what builds them.

use std::collections::{BTreeMap, BTreeSet};

use super::fixture::{AT, metadata, uuid};
use crate::{
    model::{
        AppId, Blueprint, Buildpack, BuildpackId, Deployment, DeploymentId, DeploymentOptions,
        DeploymentState, DropletId, Megabytes, ProcessId, ProcessType, Revision, RevisionId,
        Sidecar, SidecarId, SidecarPlan, Strategy, Task, TaskId, TaskState,
    },
    store::Record,
};

/// One of each kind, of the app and its droplet.
pub(super) fn records(number: u64, app: AppId, droplet: DropletId) -> Vec<Record> {
    vec![
        Sidecar {
            id: SidecarId::from_uuid(uuid(24, number)),
            app,
            plan: SidecarPlan {
                name: "proxy".to_owned(),
                command: "exec proxy".to_owned(),
                process_types: BTreeSet::from([ProcessType::web()]),
                memory: Some(Megabytes(64)),
            },
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Task {
            id: TaskId::from_uuid(uuid(21, number)),
            app,
            sequence: 3,
            name: "migrate".to_owned(),
            command: "rake db:migrate".to_owned(),
            state: TaskState::Failed {
                reason: "APP/TASK/migrate: Exited with status 1".to_owned(),
            },
            droplet,
            memory: Megabytes(256),
            disk: Megabytes(512),
            log_rate_limit: -1,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Revision {
            id: RevisionId::from_uuid(uuid(22, number)),
            app,
            version: 4,
            description: "New droplet deployed.".to_owned(),
            blueprint: Blueprint {
                droplet,
                env: BTreeMap::from([("KEY".to_owned(), "값".to_owned())]),
                commands: BTreeMap::from([(ProcessType::web(), Some("python app.py".to_owned()))]),
                sidecars: vec![SidecarPlan {
                    name: "proxy".to_owned(),
                    command: "exec proxy".to_owned(),
                    process_types: BTreeSet::from([ProcessType::web()]),
                    memory: Some(Megabytes(64)),
                }],
            },
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Deployment {
            id: DeploymentId::from_uuid(uuid(23, number)),
            app,
            strategy: Strategy::Canary,
            state: DeploymentState::Paused,
            options: DeploymentOptions {
                max_in_flight: 2,
                instances: Some(3),
                memory_mb: None,
                disk_mb: Some(512),
                log_rate_limit: None,
                steps: vec![20, 50],
            },
            step: 1,
            original: 4,
            droplet,
            previous_droplet: Some(droplet),
            process: Some(ProcessId::from(app)),
            revision: Some((RevisionId::from_uuid(uuid(22, number)), 4)),
            rollback: false,
            healthy_at: AT,
            state_at: AT,
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
        Buildpack {
            id: BuildpackId::from_uuid(uuid(24, number)),
            name: "our_buildpack".to_owned(),
            stack: Some("cflinuxfs4".to_owned()),
            position: 2,
            enabled: true,
            locked: false,
            filename: Some("our-v1.zip".to_owned()),
            bits: Some("ef".repeat(32)),
            metadata: metadata(),
            created_at: AT,
            updated_at: AT,
        }
        .into(),
    ]
}

//! Makes the certificates of instances anew while they run.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use tokio::{task::spawn_blocking, time::sleep};

use super::Drivers;
use crate::{
    certs::{Bearer, InstanceAuthority},
    drivers::{credentials, process::SANDBOX},
    model::InstanceId,
};

/// An instance whose certificate has to be made anew.
struct Due {
    instance: InstanceId,
    guid: String,
    bearer: Bearer,
    dir: PathBuf,
}

impl Drivers {
    /// Looks for certificates that are in the middle of their lives, again and again.
    pub(super) async fn renew_credentials(&self, authority: Arc<InstanceAuthority>) {
        let first = Arc::clone(&authority);
        drop(spawn_blocking(move || first.refill()));
        loop {
            for due in self.due(&authority).await {
                let Due {
                    instance,
                    guid,
                    bearer,
                    dir,
                } = due;
                if let Err(error) = credentials::make(&authority, guid, bearer, dir).await {
                    // It is looked at again soon, and good for hours.
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(%instance, error, "cannot renew an instance's certificate");
                }
            }
            sleep(authority.look()).await;
        }
    }

    async fn due(&self, authority: &Arc<InstanceAuthority>) -> Vec<Due> {
        let all: Vec<Due> = {
            let table = self.table();
            let each = table.iter().filter(|(_, entry)| entry.running.is_some());
            each.filter_map(|(id, entry)| {
                Some(Due {
                    instance: *id,
                    guid: entry.record.guid(),
                    bearer: entry.record.bearer?,
                    dir: self.dir(*id).join(SANDBOX),
                })
            })
            .collect()
        };
        let authority = Arc::clone(authority);
        let due = spawn_blocking(move || {
            let now = SystemTime::now();
            let mut all = all;
            // One that has just ended has no folder.
            all.retain(|due| {
                due.dir.exists() && authority.is_due(&credentials::folder(&due.dir), now)
            });
            all
        });
        due.await.unwrap_or_default()
    }
}

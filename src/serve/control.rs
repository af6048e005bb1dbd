//! The control API as the gateway's service, and access lines into the apps' logs.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    api::Service,
    gateway::{AccessLines, ApiService, Peer},
    logs::{Line, Logs, Stream},
    model::InstanceRestart,
    reconcile::Handle,
};

/// Answers the platform's own requests with `api`.
pub(super) fn service(api: Service) -> ApiService {
    Arc::new(move |request| {
        let api = api.clone();
        Box::pin(async move {
            let tls = request
                .extensions()
                .get::<Peer>()
                .is_some_and(|peer| peer.tls);
            api.answer(request, tls).await
        })
    })
}

/// Puts access lines into the logs of their apps, until the gateway is gone.
pub(super) async fn keep_access_lines(mut lines: AccessLines, logs: Logs) {
    while let Some(record) = lines.recv().await {
        logs.append(Line {
            at_ns: record.at_ns,
            app: record.app,
            source: "RTR".to_owned(),
            instance: record.index.to_string(),
            process: None,
            stream: Stream::Out,
            text: record.line.into(),
        });
    }
}

/// Hands wishes of the API's callers to the reconciler, until the API is gone.
pub(super) async fn restart_instances(mut wishes: mpsc::Receiver<InstanceRestart>, to: Handle) {
    while let Some(wish) = wishes.recv().await {
        // The slot was there when the API looked; that it has gone since is what was wanted.
        let _ = to.terminate(wish.process, wish.index).await;
    }
}

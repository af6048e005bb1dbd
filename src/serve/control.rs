//! The control API as the gateway's service, and access lines into the apps' logs.

use axum::{Router, body::Body as ApiBody};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower_service::Service as _;

use crate::{
    api::Tls,
    gateway::{AccessLines, ApiService, Peer},
    logs::{Line, Logs, Stream},
    model::InstanceRestart,
    reconcile::Handle,
};

/// Answers the platform's own requests with `router`.
pub(super) fn service(router: Router) -> ApiService {
    std::sync::Arc::new(move |request| {
        let mut router = router.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let tls = parts.extensions.get::<Peer>().is_some_and(|peer| peer.tls);
            parts.extensions.insert(Tls(tls));
            let request = http::Request::from_parts(parts, ApiBody::new(body));
            let response = match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            response.map(|body| body.map_err(Into::into).boxed_unsync())
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

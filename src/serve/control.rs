//! The control API as the gateway's service, and access lines into the apps' logs.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    api::{Client, Service},
    gateway::{AccessLines, ApiService, Peer},
    logs::{Line, Logs, Stream},
    model::InstanceRestart,
    reconcile::Handle,
};

/// Answers the platform's own requests with `api`. Behind a proxy, who asks is whom the proxy
/// names.
pub(super) fn service(api: Service, behind_proxy: bool) -> ApiService {
    Arc::new(move |mut request| {
        let api = api.clone();
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>().copied();
            if let Some(peer) = peer {
                let named = behind_proxy.then(|| last_hop(request.headers())).flatten();
                let client = named.unwrap_or_else(|| peer.addr.ip());
                request.extensions_mut().insert(Client(client));
            }
            api.answer(request, peer.is_some_and(|peer| peer.tls)).await
        })
    })
}

/// Whom the proxy in front has named; what stands before that anybody may have written.
fn last_hop(headers: &http::HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all("x-forwarded-for").iter();
    let last = values.next_back()?.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

/// Puts access lines into the logs of their apps, until the gateway is gone.
pub(super) async fn keep_access_lines(mut lines: AccessLines, logs: Logs) {
    while let Some(record) = lines.recv().await {
        let backend = record.backend();
        let index = backend.map_or(0, |backend| backend.index);
        logs.append(Line {
            at_ns: record.at_ns(),
            app: record.app(),
            source: "RTR".to_owned(),
            instance: index.to_string(),
            process: backend.map(|backend| backend.process.clone()),
            stream: Stream::Out,
            text: record.line().into(),
        });
        if let Some(measured) = record.measured() {
            logs.measure(measured);
        }
    }
}

/// Hands wishes of the API's callers to the reconciler, until the API is gone.
pub(super) async fn restart_instances(mut wishes: mpsc::Receiver<InstanceRestart>, to: Handle) {
    while let Some(wish) = wishes.recv().await {
        // The slot was there when the API looked; that it has gone since is what was wanted.
        let _ = to.terminate(wish.process, wish.index).await;
    }
}

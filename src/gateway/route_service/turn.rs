//! Whether a request goes to the route service first, or comes from it.

use http::{HeaderName, HeaderValue, request::Parts};

use crate::{
    gateway::{
        headers::{FORWARDED_PROTO, now_ms},
        io::ConnState,
        refusal::Refusal,
        request::{self, Host},
        service::APP_INSTANCE,
        worker::Worker,
    },
    routing::{Entry, RouteService},
};

const SIGNATURE: HeaderName = HeaderName::from_static("x-cf-proxy-signature");
const METADATA: HeaderName = HeaderName::from_static("x-cf-proxy-metadata");
const FORWARDED_URL: HeaderName = HeaderName::from_static("x-cf-forwarded-url");

/// Gives the service that the request has to go to; none where it comes from there. Either way
/// its headers are those for who gets it next.
pub(in crate::gateway) fn turn<'a>(
    worker: &Worker,
    conn: &ConnState,
    entry: &'a Entry,
    service: &'a RouteService,
    host: &Host,
    parts: &mut Parts,
) -> Result<Option<&'a RouteService>, Refusal> {
    let Some(services) = &worker.shared.config.route_services else {
        return Err(Refusal::RouteServicesOff);
    };
    // Before anything else, as gorouter does it: not even one that comes back may change its
    // protocol, since the service could not have carried it.
    if request::upgrade(parts).is_some() {
        return Err(Refusal::RouteServiceUpgrade);
    }
    let now = now_ms();
    let headers = &mut parts.headers;
    if let Some(signature) = headers.get(SIGNATURE).filter(|value| !value.is_empty()) {
        let metadata = headers.get(METADATA);
        services.seal.check(entry.route, signature, metadata, now)?;
        for name in [SIGNATURE, METADATA, FORWARDED_URL] {
            headers.remove(name);
        }
        return Ok(None);
    }
    let tls = conn.tls
        || (worker.shared.config.keep_forwarded_proto
            && headers
                .get(FORWARDED_PROTO)
                .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https")));
    let scheme = if tls { "https" } else { "http" };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    // With the port that the client used: by this address the service surely reaches us again.
    let url = format!("{scheme}://{}{target}", host.as_str());
    let sealed = services.seal.seal(entry.route, now);
    let url = HeaderValue::try_from(url).ok();
    let (Some(sealed), Some(url)) = (sealed, url) else {
        return Err(Refusal::ApiFailure);
    };
    headers.insert(SIGNATURE, sealed.signature);
    headers.insert(METADATA, sealed.metadata);
    headers.insert(FORWARDED_URL, url);
    // Which instance gets the request is decided when it comes back.
    headers.remove(APP_INSTANCE);
    Ok(Some(service))
}

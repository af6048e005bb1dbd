//! Why a request gets no answer from an app, and the answer that it gets instead.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::page;
use crate::gateway::body::{Outgoing, Source};

const ROUTER_ERROR: HeaderName = HeaderName::from_static("x-cf-routererror");

/// Why a request gets no answer from an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Refusal {
    /// No route has the host and path.
    UnknownRoute,
    /// The route has no instance that takes requests.
    NoEndpoints,
    /// No instance could be reached, or it broke off.
    EndpointFailure(&'static str),
    /// The instance did not answer in time.
    EndpointTimeout,
    /// The request has no host.
    EmptyHost,
    /// `X-Cf-App-Instance` is not an instance's address.
    BadInstance,
    /// `X-Cf-App-Instance` names none of the route's instances.
    UnknownInstance,
    /// The request is not one; the reason is for people.
    BadRequest(&'static str),
    /// The body comes in a transfer coding other than `chunked`.
    TransferCoding,
    /// The platform's own service failed.
    ApiFailure,
    /// The route is bound to a route service, and none are served here.
    RouteServicesOff,
    /// A change of protocol cannot pass a route service.
    RouteServiceUpgrade,
    /// The signature of a route service is none of ours, or of another route.
    SignatureInvalid,
    /// The route service took too long to send the request on.
    SignatureExpired,
    /// The certificate of the route service is not trusted.
    UntrustedCertificate,
}

impl Refusal {
    pub(in crate::gateway) fn status(self) -> StatusCode {
        match self {
            Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::NoEndpoints | Self::RouteServiceUpgrade => StatusCode::SERVICE_UNAVAILABLE,
            Self::EndpointFailure(_) | Self::RouteServicesOff | Self::SignatureInvalid => {
                StatusCode::BAD_GATEWAY
            }
            Self::EndpointTimeout | Self::SignatureExpired => StatusCode::GATEWAY_TIMEOUT,
            // The number that gorouter uses, which is in no standard.
            Self::UntrustedCertificate => {
                StatusCode::from_u16(526).unwrap_or(StatusCode::BAD_GATEWAY)
            }
            Self::EmptyHost | Self::BadInstance | Self::UnknownInstance | Self::BadRequest(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::ApiFailure => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The value of `X-Cf-RouterError`.
    pub(in crate::gateway) const fn code(self) -> &'static str {
        match self {
            Self::UnknownRoute | Self::UnknownInstance => "unknown_route",
            Self::NoEndpoints => "no_endpoints",
            Self::EndpointFailure(code) => code,
            Self::EndpointTimeout => "endpoint_failure (response timeout)",
            Self::EmptyHost => "empty_host",
            Self::BadInstance => "invalid_cf_app_instance_header",
            Self::BadRequest(_) => "bad_request",
            Self::TransferCoding => "unsupported_transfer_coding",
            Self::ApiFailure => "platform_failure",
            Self::RouteServicesOff | Self::RouteServiceUpgrade => "route_service_unsupported",
            Self::SignatureInvalid => "invalid_route_service_signature",
            Self::SignatureExpired => "expired_route_service_signature",
            Self::UntrustedCertificate => "endpoint_failure (certificate not trusted)",
        }
    }

    /// The text for a terminal, in Cloud Foundry's words where it has some.
    fn text(self, host: &str) -> String {
        let status = self.status();
        let reason = match self {
            Self::UnknownRoute => format!("Requested route ('{host}') does not exist."),
            Self::NoEndpoints => format!("Requested route ('{host}') has no available endpoints."),
            Self::EndpointFailure(_) => "Registered endpoint failed to handle the request.".into(),
            Self::EndpointTimeout => "Registered endpoint did not answer in time.".into(),
            Self::EmptyHost => "Request had no Host header.".into(),
            Self::BadInstance => "X-Cf-App-Instance has to be <app guid>:<instance index>.".into(),
            Self::UnknownInstance => {
                format!("Requested instance of route ('{host}') does not exist.")
            }
            Self::BadRequest(reason) => format!("{reason}."),
            Self::TransferCoding => "The only transfer coding served is chunked.".into(),
            Self::ApiFailure => "The platform could not answer.".into(),
            Self::RouteServicesOff => "Support for route services is disabled.".into(),
            Self::RouteServiceUpgrade => {
                "Websocket requests are not supported for routes bound to Route Services.".into()
            }
            Self::SignatureInvalid => {
                "Failed to validate Route Service Signature: it is not of this route.".into()
            }
            Self::SignatureExpired => {
                "Failed to validate Route Service Signature: route service request expired.".into()
            }
            Self::UntrustedCertificate => return "526 Invalid SSL Certificate\n".into(),
        };
        format!("{status}: {reason}\n")
    }

    const fn cache_control(self) -> &'static str {
        match self {
            Self::NoEndpoints => "public,max-age=2",
            _ => "no-cache, no-store",
        }
    }

    /// The answer: a page for a browser, a line of text for all others.
    pub(in crate::gateway) fn response(
        self,
        method: &Method,
        asked: &HeaderMap,
        host: &str,
    ) -> Response<Outgoing> {
        let (body, kind) = if page::is_wanted(asked) {
            let language = page::language(asked);
            (page::html(self, language, host), "text/html; charset=utf-8")
        } else {
            (self.text(host), "text/plain; charset=utf-8")
        };
        let mut response = Response::new(Outgoing::empty());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(self.cache_control()),
        );
        headers.insert(
            header::VARY,
            HeaderValue::from_static("Accept, Accept-Language"),
        );
        headers.insert(ROUTER_ERROR, HeaderValue::from_static(self.code()));
        if method != Method::HEAD {
            *response.body_mut() = Outgoing::new(Source::Full(Bytes::from(body)));
        }
        response
    }
}

//! What can go wrong with a broker, in Cloud Foundry's words.

use serde_json::Value;

use super::{Outcome, answer::Answer};

/// Most bytes of what a broker says that go into a message.
const LONGEST: usize = 8 * 1024;
/// What is said where more was left out.
const TRUNCATED: &str = "...This message has been truncated due to size. To read the full message, \
                         check the broker's logs";

/// The kinds of failure, by Cloud Foundry's names of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It could not be connected to.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// It does not take our login.
    AuthenticationFailed,
    /// It answered with an error, or what is no answer.
    BadResponse,
    /// It answered with success, but what it says makes no sense.
    Malformed,
    /// It does not want to.
    Rejected,
    /// Something else goes by that identifier there.
    Conflict,
    /// It cannot do it at once.
    AsyncRequired,
    /// It is at something else.
    Concurrency,
    /// It makes bindings for apps alone.
    AppRequired,
    /// It knows no such version.
    MaintenanceInfoConflict,
    /// It wants the logs of apps, and did not say so in its catalog.
    InvalidSyslogDrain,
    /// It wants file systems in apps.
    InvalidVolumeMounts,
}

/// Why a broker did not do what it was asked for. The text is for users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// How far the request came.
    pub outcome: Outcome,
    /// What users are told.
    pub message: String,
}

impl Fault {
    /// Cloud Foundry's name of it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unreachable => "CF-ServiceBrokerApiUnreachable",
            Self::Timeout => "CF-ServiceBrokerApiTimeout",
            Self::AuthenticationFailed => "CF-ServiceBrokerApiAuthenticationFailed",
            Self::BadResponse => "CF-ServiceBrokerBadResponse",
            Self::Malformed => "CF-ServiceBrokerResponseMalformed",
            Self::Rejected => "CF-ServiceBrokerRequestRejected",
            Self::Conflict => "CF-ServiceBrokerConflict",
            Self::AsyncRequired => "CF-AsyncRequired",
            Self::Concurrency => "CF-ConcurrencyError",
            Self::AppRequired => "CF-AppRequired",
            Self::MaintenanceInfoConflict => "CF-MaintenanceInfoConflict",
            Self::InvalidSyslogDrain => "CF-ServiceBrokerInvalidSyslogDrainUrl",
            Self::InvalidVolumeMounts => "CF-ServiceBrokerInvalidVolumeMounts",
        }
    }

    /// The HTTP status under which clients hear of it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Timeout => 504,
            Self::Conflict => 409,
            Self::AsyncRequired | Self::AppRequired => 400,
            Self::Concurrency | Self::MaintenanceInfoConflict => 422,
            Self::Unreachable
            | Self::AuthenticationFailed
            | Self::BadResponse
            | Self::Malformed
            | Self::Rejected
            | Self::InvalidSyslogDrain
            | Self::InvalidVolumeMounts => 502,
        }
    }
}

impl BrokerError {
    pub(super) fn new(fault: Fault, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            fault,
            outcome,
            message: message.into(),
        }
    }

    /// An answer of success that makes no sense; `why` says what was expected.
    pub(super) fn malformed(answer: &Answer, why: impl AsRef<str>) -> Self {
        Self::new(
            Fault::Malformed,
            Outcome::Malformed(answer.status),
            format!(
                "The service broker returned an invalid response: {}",
                shortened(why.as_ref())
            ),
        )
    }

    /// An answer of failure, with the broker's own description where it gives one.
    pub(super) fn of(fault: Fault, answer: &Answer) -> Self {
        let Answer { status, body, .. } = answer;
        let told = described(body).map(|text| format!("Service broker error: {text}"));
        let shown = || {
            let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST * 2)]);
            format!("Status Code: {status} {}, Body: {text}", reason(*status))
        };
        let message = match fault {
            Fault::Conflict => told.unwrap_or_else(|| "Resource conflict".to_owned()),
            Fault::AuthenticationFailed => "Authentication with the service broker failed. \
                Double-check that the username and password are correct."
                .to_owned(),
            Fault::Timeout => "The request to the service broker timed out".to_owned(),
            Fault::AsyncRequired => "This service plan requires client support for asynchronous \
                                     service operations."
                .to_owned(),
            Fault::Concurrency => "The service broker could not perform this operation in \
                                   parallel with other running operations"
                .to_owned(),
            Fault::AppRequired => "This service supports generation of credentials through \
                                   binding an application only."
                .to_owned(),
            Fault::MaintenanceInfoConflict => told.unwrap_or_else(|| {
                "The service broker did not provide a reason for this conflict, please ensure \
                 the catalog is up to date and you are providing a version supported by this \
                 service plan"
                    .to_owned()
            }),
            Fault::Rejected => told
                .unwrap_or_else(|| format!("The service broker rejected the request. {}", shown())),
            _ => told.unwrap_or_else(|| {
                format!(
                    "The service broker returned an invalid response. {}",
                    shown()
                )
            }),
        };
        Self::new(fault, Outcome::Status(*status), shortened(&message))
    }

    /// The same with another text.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..self
        }
    }
}

/// The description in the body of an error.
fn described(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = value.get("description")?;
    Some(
        text.as_str()
            .map_or_else(|| text.to_string(), str::to_owned),
    )
}

/// The text, cut where it is too long for a message.
fn shortened(text: &str) -> String {
    if text.len() <= LONGEST * 2 {
        return text.to_owned();
    }
    let end = (0..=LONGEST)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}{TRUNCATED}", &text[..end])
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

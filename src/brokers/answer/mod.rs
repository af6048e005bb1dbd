//! What brokers answer, understood.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{BrokerError, Fault};

/// Longest `operation` (Open Service Broker API, "Polling Last Operation").
const LONGEST_OPERATION: usize = 10_000;
/// Most objects and arrays in each other: what is stored is read back inside of other objects,
/// and readers of JSON give up at 128.
const DEEPEST: usize = 60;

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// Seconds after which to ask again, where the broker says so.
    pub retry_after: Option<u64>,
}

/// Whether it is done or has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done,
    /// The broker is at it, and wants to hear this when it is asked how far it is.
    Begun(Option<String>),
}

/// The answer to a wish to make, change or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Whether it is done.
    pub progress: Progress,
    /// Where people manage the instance.
    pub dashboard_url: Option<String>,
    /// Labels and attributes.
    pub metadata: Option<Map<String, Value>>,
}

/// What a broker tells of a binding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bound {
    /// What the app is told.
    pub credentials: Map<String, Value>,
    /// Where the app's logs go.
    pub syslog_drain_url: Option<String>,
    /// Where requests for the route go first.
    pub route_service_url: Option<String>,
    /// What it was made with.
    pub parameters: Option<Map<String, Value>>,
}

/// What a broker tells of an instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fetched {
    /// Where people manage it.
    pub dashboard_url: Option<String>,
    /// What it was made with.
    pub parameters: Option<Map<String, Value>>,
}

/// How far a broker says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastOperation {
    /// At it; in words, where it has some.
    InProgress(Option<String>),
    /// Done.
    Succeeded(Option<String>),
    /// Given up.
    Failed(Option<String>),
    /// It knows no such thing: gone.
    Gone,
}

type Result<T> = std::result::Result<T, BrokerError>;

impl Answer {
    /// The body as an object.
    fn object(&self) -> Result<Map<String, Value>> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(members)) => {
                if members.values().any(|value| too_deep(value, DEEPEST - 1)) {
                    return Err(BrokerError::malformed(
                        self,
                        format!("expected at most {DEEPEST} objects and arrays in each other"),
                    ));
                }
                Ok(members)
            }
            _ => Err(BrokerError::malformed(
                self,
                format!(
                    "expected valid JSON object in body, broker returned '{}'",
                    String::from_utf8_lossy(&self.body)
                ),
            )),
        }
    }

    /// The answer to a wish for the catalog.
    ///
    /// # Errors
    /// Where it is none.
    pub fn catalog(&self) -> Result<Value> {
        match self.status {
            200 => Ok(Value::Object(self.object()?)),
            _ => Err(self.failure(Fault::BadResponse, &[])),
        }
    }

    /// The answer to a wish for an instance.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn provisioned(&self) -> Result<Made> {
        match self.status {
            200 | 201 => self.made(false),
            202 => self.made(true),
            _ => Err(self.failure(
                Fault::BadResponse,
                &[
                    ("AsyncRequired", Fault::AsyncRequired),
                    ("ConcurrencyError", Fault::Concurrency),
                    ("MaintenanceInfoConflict", Fault::MaintenanceInfoConflict),
                ],
            )),
        }
    }

    /// The answer to a wish for a change of an instance.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn updated(&self) -> Result<Made> {
        match self.status {
            200 => self.made(false),
            202 => self.made(true),
            _ => Err(self.failure(
                if self.status == 422 {
                    Fault::Rejected
                } else {
                    Fault::BadResponse
                },
                &[
                    ("AsyncRequired", Fault::AsyncRequired),
                    ("ConcurrencyError", Fault::Concurrency),
                    ("MaintenanceInfoConflict", Fault::MaintenanceInfoConflict),
                ],
            )),
        }
    }

    /// The answer to a wish for an instance or binding to go.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn deleted(&self) -> Result<Progress> {
        match self.status {
            200 => self.object().map(|_| Progress::Done),
            202 => Ok(Progress::Begun(self.operation(&self.object()?)?)),
            410 => Ok(Progress::Done),
            _ => Err(self.failure(
                Fault::BadResponse,
                &[
                    ("AsyncRequired", Fault::AsyncRequired),
                    ("ConcurrencyError", Fault::Concurrency),
                ],
            )),
        }
    }

    /// The answer to a wish for a binding of an offering that has to be allowed `requires`: the
    /// binding, or what the broker wants to hear while it is at it.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn bound(&self, requires: &[String]) -> Result<std::result::Result<Bound, Option<String>>> {
        match self.status {
            200 | 201 => self.binding(requires).map(Ok),
            202 => Ok(Err(self.operation(&self.object()?)?)),
            _ => Err(self.failure(
                Fault::BadResponse,
                &[
                    ("RequiresApp", Fault::AppRequired),
                    ("AsyncRequired", Fault::AsyncRequired),
                    ("ConcurrencyError", Fault::Concurrency),
                ],
            )),
        }
    }

    /// A binding as the broker shows it.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn binding_fetched(&self, requires: &[String]) -> Result<Bound> {
        match self.status {
            200 => self.binding(requires),
            _ => Err(self.failure(Fault::BadResponse, &[])),
        }
    }

    /// An instance as the broker shows it.
    ///
    /// # Errors
    /// Where it is none that makes sense.
    pub fn instance_fetched(&self) -> Result<Fetched> {
        if self.status != 200 {
            return Err(self.failure(Fault::BadResponse, &[]));
        }
        let body = self.object()?;
        Ok(Fetched {
            dashboard_url: self.text(&body, "dashboard_url")?,
            parameters: self.member(&body, "parameters")?,
        })
    }

    /// How far the broker is.
    ///
    /// # Errors
    /// Where it does not say so in a way that makes sense.
    pub fn last_operation(&self) -> Result<LastOperation> {
        match self.status {
            200 => {}
            410 => return Ok(LastOperation::Gone),
            _ => return Err(self.failure(Fault::BadResponse, &[])),
        }
        let body = self.object()?;
        let words = || {
            let text = body.get("description").and_then(Value::as_str);
            text.map(str::to_owned)
        };
        match body.get("state").and_then(Value::as_str) {
            Some("in progress") => Ok(LastOperation::InProgress(words())),
            Some("succeeded") => Ok(LastOperation::Succeeded(words())),
            Some("failed") => Ok(LastOperation::Failed(words())),
            _ => Err(BrokerError::malformed(
                self,
                format!(
                    "expected state was 'succeeded', 'failed' or 'in progress', broker returned \
                     '{}'.",
                    body.get("state").unwrap_or(&Value::Null)
                ),
            )),
        }
    }

    fn made(&self, begun: bool) -> Result<Made> {
        let body = self.object()?;
        let operation = self.operation(&body)?;
        let metadata = self.member(&body, "metadata")?;
        for part in ["labels", "attributes"] {
            let members = metadata.as_ref().and_then(|members| members.get(part));
            if members.is_some_and(|value| !value.is_object()) {
                return Err(self.wrong(&format!("metadata.{part}"), "an object"));
            }
        }
        Ok(Made {
            progress: if begun {
                Progress::Begun(operation)
            } else {
                Progress::Done
            },
            dashboard_url: self.text(&body, "dashboard_url")?,
            metadata,
        })
    }

    fn binding(&self, requires: &[String]) -> Result<Bound> {
        let body = self.object()?;
        let credentials = match body.get("credentials") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(_) => {
                let why = "expected credentials to be a valid JSON object";
                return Err(BrokerError::malformed(self, why));
            }
        };
        let may = |what: &str| requires.iter().any(|required| required == what);
        let syslog_drain_url = self.text(&body, "syslog_drain_url")?;
        let outcome = super::Outcome::Status(502);
        if syslog_drain_url.is_some() && !may("syslog_drain") {
            return Err(BrokerError::new(
                Fault::InvalidSyslogDrain,
                outcome,
                "The service is attempting to stream logs from your application, but is not \
                 registered as a logging service. Please contact the service provider.",
            ));
        }
        let mounts = body.get("volume_mounts").filter(|mounts| !mounts.is_null());
        if mounts.is_some_and(|mounts| mounts.as_array().is_none_or(|mounts| !mounts.is_empty())) {
            return Err(BrokerError::new(
                Fault::InvalidVolumeMounts,
                outcome,
                "The service broker returned an invalid response: The service is attempting to \
                 supply volume mounts from your application, which this platform does not \
                 support. Please contact the service provider.",
            ));
        }
        let route_service_url = self.text(&body, "route_service_url")?;
        if let Some(url) = &route_service_url {
            let host = url.strip_prefix("https://").unwrap_or_default();
            if host.is_empty() || host.starts_with(['.', '/', ':']) {
                return Err(BrokerError::of(Fault::BadResponse, self));
            }
        }
        Ok(Bound {
            credentials,
            syslog_drain_url: syslog_drain_url.filter(|url| !url.is_empty()),
            route_service_url: route_service_url.filter(|url| !url.is_empty()),
            parameters: self.member(&body, "parameters")?,
        })
    }

    fn operation(&self, body: &Map<String, Value>) -> Result<Option<String>> {
        let operation = match body.get("operation") {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(self.wrong("operation", "a string")),
        };
        if operation.chars().count() > LONGEST_OPERATION {
            let what = format!("a string of at most {LONGEST_OPERATION} characters");
            return Err(self.wrong("operation", &what));
        }
        Ok(Some(operation.clone()))
    }

    fn text(&self, body: &Map<String, Value>, name: &str) -> Result<Option<String>> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    fn member(&self, body: &Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.clone())),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    fn wrong(&self, name: &str, expected: &str) -> BrokerError {
        BrokerError::malformed(self, format!("expected '{name}' to be {expected}"))
    }

    /// What a status that is none of success means; `errors` are those of status 422 that mean
    /// something.
    fn failure(&self, usual: Fault, errors: &[(&str, Fault)]) -> BrokerError {
        let error = || {
            let value: Value = serde_json::from_slice(&self.body).ok()?;
            let name = value.get("error")?.as_str()?;
            let known = errors.iter().find(|(known, _)| *known == name);
            known.map(|(_, fault)| *fault)
        };
        let fault = match self.status {
            401 => Fault::AuthenticationFailed,
            408 => Fault::Timeout,
            409 => Fault::Conflict,
            410 => usual,
            422 => error().unwrap_or(usual),
            400..500 => Fault::Rejected,
            _ => usual,
        };
        BrokerError::of(fault, self)
    }
}

/// Whether `value` has more than `most` objects and arrays in each other. It looks no deeper
/// than that.
fn too_deep(value: &Value, most: usize) -> bool {
    let deeper = |inner: &Value| most == 0 || too_deep(inner, most - 1);
    match value {
        Value::Array(items) => most == 0 || items.iter().any(deeper),
        Value::Object(members) => most == 0 || members.values().any(deeper),
        _ => false,
    }
}

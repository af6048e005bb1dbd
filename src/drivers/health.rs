//! Looking at an instance from outside.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    model::{HealthCheck, HealthKind, ReadinessCheck},
    sandbox,
    stdx::backoff::doubling,
};

/// Between looks at an instance that starts: soon at first, since most are up quickly, then as
/// Cloud Foundry does.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const SLOWEST_LOOK: Duration = Duration::from_secs(2);
/// Between looks at a healthy instance, and how long one may take.
const INTERVAL: Duration = Duration::from_secs(30);
const INVOCATION: Duration = Duration::from_secs(1);
/// A status line is shorter.
const STATUS_LINE: usize = 256;

/// How to look, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) kind: HealthKind,
    pub(super) interval: Duration,
    invocation: Duration,
    port: u16,
}

fn seconds(given: Option<u32>, otherwise: Duration) -> Duration {
    // Zero would be a loop without a pause.
    given.map_or(otherwise, |seconds| {
        Duration::from_secs(u64::from(seconds.max(1)))
    })
}

impl Check {
    /// The check of start-up and liveness of what listens on `port`.
    pub(super) fn health(check: &HealthCheck, port: u16) -> Self {
        Self {
            kind: check.kind.clone(),
            interval: seconds(check.interval, INTERVAL),
            invocation: seconds(check.invocation_timeout, INVOCATION),
            port,
        }
    }

    /// The check of readiness of what listens on `port`.
    pub(super) fn readiness(check: &ReadinessCheck, port: u16) -> Self {
        Self {
            kind: check.kind.clone(),
            interval: seconds(check.interval, INTERVAL),
            invocation: seconds(check.invocation_timeout, INVOCATION),
            port,
        }
    }
}

/// How long to wait before look `attempt` (from 0) at an instance that starts.
pub(super) fn pause(attempt: u32) -> Duration {
    doubling(FIRST_LOOK, attempt, SLOWEST_LOOK)
}

impl Check {
    /// Looks once at the instance whose sandbox is in `dir`; where it is not well, says why in
    /// Cloud Foundry's words.
    pub(super) async fn look(&self, dir: &Path) -> Result<(), String> {
        let port = self.port;
        match &self.kind {
            HealthKind::Process => Ok(()),
            HealthKind::Port => {
                let dial = timeout(self.invocation, sandbox::dial(dir, port));
                let failed = |why: &str| {
                    Err(format!(
                        "Failed to make TCP connection to port {port}: {why}"
                    ))
                };
                match dial.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => failed(&words(&error)),
                    Err(_) => failed(&self.took_too_long()),
                }
            }
            HealthKind::Http { endpoint } => {
                let failed = |why: &str| {
                    Err(format!(
                        "Failed to make HTTP request to '{endpoint}' on port {port}: {why}"
                    ))
                };
                match timeout(self.invocation, status(dir, port, endpoint)).await {
                    Ok(Ok(200)) => Ok(()),
                    Ok(Ok(status)) => failed(&format!("received status code {status}")),
                    Ok(Err(error)) => failed(&words(&error)),
                    Err(_) => failed(&self.took_too_long()),
                }
            }
        }
    }

    fn took_too_long(&self) -> String {
        format!(
            "timed out after {:.2} seconds",
            self.invocation.as_secs_f64()
        )
    }
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}

/// The status of a plain GET.
async fn status(dir: &Path, port: u16, endpoint: &str) -> std::io::Result<u16> {
    let mut stream = sandbox::dial(dir, port).await?;
    let request = format!(
        "GET {endpoint} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: diego-healthcheck\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::with_capacity(STATUS_LINE);
    while !line.contains(&b'\n') && line.len() < STATUS_LINE {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    parse_status(&line).ok_or_else(|| std::io::Error::other("malformed HTTP response"))
}

fn parse_status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.split(|byte| *byte == b'\r').next()?).ok()?;
    line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_soon_at_first_and_every_two_seconds_later() {
        assert_eq!(pause(0), Duration::from_millis(20));
        assert_eq!(pause(3), Duration::from_millis(160));
        assert_eq!(pause(40), Duration::from_secs(2));
    }

    #[test]
    fn reads_a_status_line() {
        let check = |line: &[u8], expected| assert_eq!(parse_status(line), expected);
        check(b"HTTP/1.1 200 OK\r\nServer: x\r\n", Some(200));
        check(b"HTTP/1.0 503\r\n", Some(503));
        check(b"SSH-2.0-OpenSSH\r\n", None);
        check(b"HTTP/1.1 \xff\xff\xff\r\n", None);
        check(b"", None);
    }

    #[test]
    fn nothing_is_looked_at_without_a_pause() {
        let check = HealthCheck {
            kind: HealthKind::Port,
            timeout: None,
            invocation_timeout: Some(0),
            interval: Some(0),
        };
        let check = Check::health(&check, 8080);
        assert_eq!(check.interval, Duration::from_secs(1));
        assert_eq!(check.invocation, Duration::from_secs(1));
    }
}

//! What processes may be, and how changes to them are applied: shared by the endpoints of
//! processes and by manifests.

use super::Config;
use crate::{
    model::{
        AppId, HealthCheck, HealthKind, Megabytes, Metadata, Process, ProcessId, ProcessType,
        ReadinessCheck, Timestamp,
    },
    wire::process::{HealthPatch, Scale},
};

/// Most instances of one process. Each costs the daemon and every reader of stats something
/// even where none can start, and one machine does not run more.
const MOST_INSTANCES: u32 = 1_000;
/// Longest start-up in seconds that a health check may allow, as Cloud Foundry has it.
const LONGEST_START: u32 = 180;
/// Longest other time of a check in seconds.
const LONGEST: u32 = 3_600;
/// Longest start command in characters (Cloud Foundry's limit).
const LONGEST_COMMAND: usize = 4_096;

/// A new process of `app`: web with one instance, others with none.
pub(super) fn fresh(
    config: &Config,
    app: AppId,
    process_type: ProcessType,
    now: Timestamp,
) -> Process {
    let web = process_type == ProcessType::web();
    Process {
        id: if web {
            ProcessId::from(app)
        } else {
            ProcessId::random()
        },
        app,
        process_type,
        command: None,
        instances: u32::from(web),
        memory: config.memory,
        disk: config.disk,
        log_rate_limit: -1,
        health: HealthCheck::default_for(web),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    }
}

/// Applies a scaling.
///
/// # Errors
/// Words for the user.
pub(super) fn scale(process: &mut Process, change: &Scale) -> Result<(), String> {
    if let Some(instances) = change.instances {
        process.instances = self::instances(instances)?;
    }
    if let Some(memory) = size("Memory", change.memory_in_mb)? {
        process.memory = memory;
    }
    if let Some(disk) = size("Disk", change.disk_in_mb)? {
        process.disk = disk;
    }
    if let Some(rate) = log_rate(change.log_rate_limit_in_bytes_per_second)? {
        process.log_rate_limit = rate;
    }
    Ok(())
}

/// The number of instances in a request.
///
/// # Errors
/// Words for the user.
pub(super) fn instances(count: i64) -> Result<u32, String> {
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= MOST_INSTANCES)
        .ok_or_else(|| format!("Instances must be a whole number from 0 to {MOST_INSTANCES}"))
}

/// The size in a request, where it has one; `what` names it.
///
/// # Errors
/// Words for the user.
pub(super) fn size(what: &str, megabytes: Option<i64>) -> Result<Option<Megabytes>, String> {
    let size = |megabytes: i64| {
        u32::try_from(megabytes)
            .ok()
            .filter(|megabytes| *megabytes > 0)
            .map(Megabytes)
            .ok_or_else(|| format!("{what} in mb must be greater than 0"))
    };
    megabytes.map(size).transpose()
}

/// The limit of log bytes per second in a request, where it has one.
///
/// # Errors
/// Words for the user.
pub(super) fn log_rate(rate: Option<i64>) -> Result<Option<i64>, String> {
    match rate {
        Some(rate) if rate < -1 => {
            Err("Log rate limit in bytes per second must be greater than or equal to -1".to_owned())
        }
        rate => Ok(rate),
    }
}

/// Sets the start command; none is the droplet's.
///
/// # Errors
/// Words for the user.
pub(super) fn command(process: &mut Process, command: Option<String>) -> Result<(), String> {
    if let Some(text) = &command {
        if text.trim().is_empty() {
            return Err("Command must not be blank; null resets it to the droplet's".to_owned());
        }
        check_command(text)?;
    }
    process.command = command;
    Ok(())
}

/// Passes where `command` is one that can be run.
///
/// # Errors
/// Words for the user.
pub(super) fn check_command(command: &str) -> Result<(), String> {
    if command.chars().count() > LONGEST_COMMAND || command.contains('\0') {
        return Err(format!(
            "Command must have at most {LONGEST_COMMAND} characters, none of them NUL"
        ));
    }
    Ok(())
}

/// Applies changes to the start-up and liveness check.
///
/// # Errors
/// Words for the user.
pub(super) fn health(check: &mut HealthCheck, patch: &HealthPatch) -> Result<(), String> {
    check.kind = kind("Health check", &check.kind, patch)?;
    let data = &patch.data;
    set(
        "Health check timeout",
        &mut check.timeout,
        data.timeout,
        LONGEST_START,
    )?;
    set(
        "Health check invocation timeout",
        &mut check.invocation_timeout,
        data.invocation_timeout,
        LONGEST,
    )?;
    set(
        "Health check interval",
        &mut check.interval,
        data.interval,
        LONGEST,
    )
}

/// Applies changes to the readiness check.
///
/// # Errors
/// Words for the user.
pub(super) fn readiness(check: &mut ReadinessCheck, patch: &HealthPatch) -> Result<(), String> {
    check.kind = kind("Readiness health check", &check.kind, patch)?;
    let data = &patch.data;
    set(
        "Readiness health check invocation timeout",
        &mut check.invocation_timeout,
        data.invocation_timeout,
        LONGEST,
    )?;
    set(
        "Readiness health check interval",
        &mut check.interval,
        data.interval,
        LONGEST,
    )
}

fn kind(what: &str, old: &HealthKind, patch: &HealthPatch) -> Result<HealthKind, String> {
    let name = patch
        .kind
        .as_deref()
        .unwrap_or_else(|| crate::wire::process::kind_name(old));
    match name {
        "port" => Ok(HealthKind::Port),
        "process" => Ok(HealthKind::Process),
        "http" => {
            let endpoint = match (&patch.data.endpoint, old) {
                (Some(endpoint), _) => endpoint.clone(),
                (None, HealthKind::Http { endpoint }) => endpoint.clone(),
                (None, _) => "/".to_owned(),
            };
            let path = endpoint.starts_with('/')
                && endpoint.len() <= 255
                && endpoint.bytes().all(|b| b > b' ' && b < 0x7f && b != b'#');
            if path {
                Ok(HealthKind::Http { endpoint })
            } else {
                Err(format!(
                    "{what} endpoint must be a valid URI path, such as /health"
                ))
            }
        }
        other => Err(format!(
            "{what} type must be port, http or process, not '{other}'"
        )),
    }
}

fn set(
    what: &str,
    field: &mut Option<u32>,
    change: Option<Option<i64>>,
    most: u32,
) -> Result<(), String> {
    match change {
        None => {}
        Some(None) => *field = None,
        Some(Some(seconds)) => {
            let seconds = u32::try_from(seconds)
                .ok()
                .filter(|seconds| (1..=most).contains(seconds));
            *field =
                Some(seconds.ok_or_else(|| format!("{what} must be from 1 to {most} seconds"))?);
        }
    }
    Ok(())
}

//! What is asked of a deployment beside what it brings.

use crate::{
    actions::process_rules,
    model::{DeploymentOptions, Process, Strategy},
    wire::{
        deployment::{Canary, Options},
        process::Scale,
    },
};

/// The strategy of this name; rolling where nothing is said.
///
/// # Errors
/// Words for the user.
pub(super) fn strategy(name: Option<&str>) -> Result<Strategy, String> {
    match name {
        None | Some("rolling") => Ok(Strategy::Rolling),
        Some("canary") => Ok(Strategy::Canary),
        Some(other) => Err(format!(
            "Strategy '{other}' is not a supported deployment strategy"
        )),
    }
}

/// The options of a deployment.
///
/// # Errors
/// Words for the user.
pub(super) fn options(strategy: Strategy, asked: Options) -> Result<DeploymentOptions, String> {
    let in_flight = asked.max_in_flight.unwrap_or(1);
    let in_flight = u32::try_from(in_flight).ok().filter(|count| *count > 0);
    let steps = match asked.canary {
        None => Vec::new(),
        Some(_) if strategy != Strategy::Canary => {
            return Err("Options.canary are only valid for Canary deployments".to_owned());
        }
        Some(canary) => steps(canary)?,
    };
    let instances = match asked.web_instances {
        None => None,
        Some(count) => Some(process_rules::instances(count)?),
    };
    let memory = process_rules::size("Memory", asked.memory_in_mb)?;
    let disk = process_rules::size("Disk", asked.disk_in_mb)?;
    Ok(DeploymentOptions {
        max_in_flight: in_flight
            .ok_or_else(|| "Max in flight must be an integer greater than 0".to_owned())?,
        instances,
        memory_mb: memory.map(|size| size.0),
        disk_mb: disk.map(|size| size.0),
        log_rate_limit: process_rules::log_rate(asked.log_rate_limit_in_bytes_per_second)?,
        steps,
    })
}

fn steps(canary: Canary) -> Result<Vec<u32>, String> {
    let steps = canary.steps.unwrap_or_default();
    let weights = steps.into_iter().map(|step| {
        let weight = u32::try_from(step.instance_weight).ok();
        weight.filter(|weight| (1..=100).contains(weight))
    });
    let weights: Option<Vec<u32>> = weights.collect();
    let weights = weights.ok_or_else(|| {
        "Options.canary.steps.instance weight must be an Integer between 1-100 (inclusive)"
            .to_owned()
    })?;
    if weights.is_sorted() {
        Ok(weights)
    } else {
        Err("Options.canary.steps.instance weight must be sorted in ascending order".to_owned())
    }
}

/// Makes a process as large as the options want it.
///
/// # Errors
/// Words for the user.
pub(super) fn scale(process: &mut Process, options: &DeploymentOptions) -> Result<(), String> {
    let sizes = Scale {
        instances: None,
        memory_in_mb: options.memory_mb.map(i64::from),
        disk_in_mb: options.disk_mb.map(i64::from),
        log_rate_limit_in_bytes_per_second: options.log_rate_limit,
    };
    process_rules::scale(process, &sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        let check = |json: &str, strategy, expected: Result<usize, &str>| {
            let asked = serde_json::from_str(json).unwrap();
            let options = options(strategy, asked).map(|options| options.steps.len());
            assert_eq!(options, expected.map_err(str::to_owned), "{json}");
        };
        use Strategy::{Canary, Rolling};
        check("{}", Rolling, Ok(0));
        check(r#"{"max_in_flight": null, "canary": null}"#, Rolling, Ok(0));
        check(
            r#"{"max_in_flight": 0}"#,
            Rolling,
            Err("Max in flight must be an integer greater than 0"),
        );
        let steps = r#"{"canary": {"steps": [{"instance_weight": 10}, {"instance_weight": 50}]}}"#;
        check(steps, Canary, Ok(2));
        check(
            steps,
            Rolling,
            Err("Options.canary are only valid for Canary deployments"),
        );
        check(
            &steps.replace("50", "5"),
            Canary,
            Err("Options.canary.steps.instance weight must be sorted in ascending order"),
        );
        check(
            &steps.replace("50", "101"),
            Canary,
            Err(
                "Options.canary.steps.instance weight must be an Integer between 1-100 (inclusive)",
            ),
        );
        check(
            r#"{"web_instances": -1}"#,
            Rolling,
            Err("Instances must be a whole number from 0 to 1000"),
        );
    }
}

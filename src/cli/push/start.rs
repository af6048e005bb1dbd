//! Waits until an app runs, and explains where it does not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::cli::{
    api::{Event, LogLine, Process, Resources, Since, Stats},
    context::Context,
    failure::{Failure, Outcome},
    output::{DIM, paint},
    verbs,
};

/// As long as the stock client waits.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const FIRST_LOOK: Duration = Duration::from_millis(40);
const LAST_LOOK: Duration = Duration::from_millis(500);
/// How long nothing is said: most apps are there by then.
const SILENCE: Duration = Duration::from_secs(10);
/// An instance that was begun again after at least this long will not come up the next time
/// either; one that fails faster is tried three times within a second or two.
const LONG_START: u64 = 10;
/// How many of its last lines an app that failed is quoted with.
const QUOTED: usize = 15;

/// Where a process stands.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Starting,
    Crashed(Option<String>),
}

fn progress(instances: &[Stats]) -> Progress {
    if instances.is_empty() || instances.iter().any(|one| one.state == "RUNNING") {
        return Progress::Running;
    }
    if instances.iter().all(|one| one.state == "CRASHED") {
        let details = instances.iter().find_map(|one| one.details.clone());
        return Progress::Crashed(details);
    }
    Progress::Starting
}

/// Sees that instances are begun again: their clocks start anew.
#[derive(Debug, Default)]
struct Clocks(BTreeMap<u32, u64>);

impl Clocks {
    /// Whether an instance that had been starting for long was given up since the last look.
    fn given_up(&mut self, instances: &[Stats]) -> bool {
        let mut given_up = false;
        for one in instances {
            let now = one.uptime.unwrap_or(0);
            let before = self.0.insert(one.index, now).unwrap_or(0);
            given_up |= before >= LONG_START && now < before;
        }
        given_up
    }
}

/// Waits until every process of an app has an instance that runs.
pub(crate) async fn await_start(context: &Context<'_>, app: &str, name: &str) -> Outcome<()> {
    let (begin, begin_ns) = (Instant::now(), now_ns());
    let wait = async {
        let mut said = false;
        let path = format!("/v3/apps/{app}/processes");
        let processes: Vec<Process> = context.api.all(&path).await?;
        for process in processes.iter().filter(|process| process.instances > 0) {
            let mut pause = FIRST_LOOK;
            let mut clocks = Clocks::default();
            loop {
                let path = format!("/v3/processes/{}/stats", process.guid);
                let stats: Resources<Stats> = context.api.get(&path).await?;
                match progress(&stats.resources) {
                    Progress::Running => break,
                    Progress::Starting if clocks.given_up(&stats.resources) => {
                        return Ok(Some(None));
                    }
                    Progress::Starting if !said && begin.elapsed() > SILENCE => {
                        said = true;
                        still_starting(context, name);
                    }
                    Progress::Starting => {}
                    Progress::Crashed(details) => return Ok(Some(details)),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 3 / 2).min(LAST_LOOK);
            }
        }
        Ok::<_, Failure>(None)
    };
    let details = match tokio::time::timeout(PATIENCE, wait).await {
        Ok(Ok(None)) => return Ok(()),
        Ok(Ok(Some(details))) => details,
        Ok(Err(failure)) => return Err(failure),
        Err(_) => Some("no instance became healthy within 5 minutes (health check)".to_owned()),
    };
    quote(context, app, begin_ns).await;
    let reason = match details.filter(|details| !details.is_empty()) {
        Some(details) => details,
        None => last_crash(context, app).await,
    };
    let app = name.to_owned();
    Err(Failure::Start { app, reason })
}

/// Nanoseconds since the Unix epoch, by our own clock.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn still_starting(context: &Context<'_>, name: &str) {
    context.output.note(format!(
        "{name} runs, and its health check has not passed yet: a web app has to listen on 0.0.0.0 \
         at the port in $PORT. Waiting; `pastina logs {name}` shows what it says"
    ));
}

/// The last lines of what the app itself wrote, and of why it was given up.
/// Where there are lines of this start, which began at `begin_ns`, older ones are left out.
async fn quote(context: &Context<'_>, app: &str, begin_ns: i64) {
    let Ok(lines) = context.api.log_lines(app, Since::Newest(100)).await else {
        return;
    };
    let telling = |line: &&LogLine| {
        let sources = ["APP", "HEALTH"];
        sources.iter().any(|source| line.source.starts_with(source))
    };
    let mut telling: Vec<&LogLine> = lines.iter().filter(telling).collect();
    if telling.iter().any(|line| line.timestamp >= begin_ns) {
        telling.retain(|line| line.timestamp >= begin_ns);
    }
    if telling.is_empty() {
        return;
    }
    context.output.note("The last lines of its log:");
    for line in telling.iter().skip(telling.len().saturating_sub(QUOTED)) {
        let text = verbs::logs::text(line);
        context.output.note(format!("  {} {text}", paint(DIM, "|")));
    }
}

/// What the newest crash event says.
async fn last_crash(context: &Context<'_>, app: &str) -> String {
    let path = format!("/v3/audit_events?target_guids={app}&order_by=-created_at&per_page=20");
    let events: Option<Resources<Event>> = context.api.get(&path).await.ok();
    let crash = events
        .into_iter()
        .flat_map(|events| events.resources)
        .find(|event| event.kind.ends_with("crash"));
    let reason = crash.map(|event| match event.data["exit_description"].as_str() {
        Some(reason) => reason.trim_end_matches('.').to_owned(),
        None => verbs::events::describe(&event.data),
    });
    match reason {
        Some(reason) if !reason.is_empty() => reason,
        _ => "every instance crashed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_running_instance_is_enough_and_all_must_crash() {
        let check = |states: &[&str], expected: Progress| {
            let stats = |state: &&str| -> Stats {
                let json = serde_json::json!({"index": 0, "state": state, "details": "oops"});
                serde_json::from_value(json).unwrap()
            };
            let instances: Vec<Stats> = states.iter().map(stats).collect();
            assert_eq!(progress(&instances), expected, "{states:?}");
        };
        check(&["RUNNING", "CRASHED"], Progress::Running);
        check(&["STARTING", "CRASHED"], Progress::Starting);
        check(&["DOWN"], Progress::Starting);
        check(&["CRASHED"], Progress::Crashed(Some("oops".to_owned())));
        check(&[], Progress::Running);
    }

    #[test]
    fn a_clock_that_starts_anew_tells_of_a_long_start_that_failed() {
        let look = |uptime: u64| -> Vec<Stats> {
            let json = serde_json::json!({"index": 0, "state": "STARTING", "uptime": uptime});
            vec![serde_json::from_value(json).unwrap()]
        };
        let mut clocks = Clocks::default();
        let seen = [0, 2, 1, 30, 59, 0].map(|uptime| clocks.given_up(&look(uptime)));
        assert_eq!(seen, [false, false, false, false, false, true]);
    }
}

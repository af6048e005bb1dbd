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
    /// So many instances run, and that is not enough.
    Starting(usize),
    Crashed(Option<String>),
}

/// How many instances are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enough {
    One,
    All,
}

fn progress(instances: &[Stats], enough: Enough) -> Progress {
    let count = |state: &str| instances.iter().filter(|one| one.state == state).count();
    let (running, crashed) = (count("RUNNING"), count("CRASHED"));
    let (wanted, hopeless) = match enough {
        Enough::One => (instances.len().min(1), instances.len()),
        Enough::All => (instances.len(), 1),
    };
    if running >= wanted {
        return Progress::Running;
    }
    if crashed >= hopeless {
        let details = instances
            .iter()
            .filter(|one| one.state == "CRASHED")
            .find_map(|one| one.details.clone());
        return Progress::Crashed(details);
    }
    Progress::Starting(running)
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
    wait(context, app, name, None).await
}

/// Waits until every instance of one of an app's processes runs, and says how many do.
pub(crate) async fn await_all(
    context: &Context<'_>,
    app: &str,
    name: &str,
    process: &str,
) -> Outcome<()> {
    wait(context, app, name, Some(process)).await
}

/// `all` names the process of which every instance has to run; without, one of each has to.
async fn wait(context: &Context<'_>, app: &str, name: &str, all: Option<&str>) -> Outcome<()> {
    let begin_ns = now_ns();
    let enough = if all.is_some() {
        Enough::All
    } else {
        Enough::One
    };
    let watch = async {
        let mut words = Words::new(name);
        let path = format!("/v3/apps/{app}/processes");
        let processes: Vec<Process> = context.api.all(&path).await?;
        let wanted = |process: &&Process| {
            process.instances > 0 && all.is_none_or(|kind| process.kind == kind)
        };
        for process in processes.iter().filter(wanted) {
            let mut pause = FIRST_LOOK;
            let mut clocks = Clocks::default();
            loop {
                let path = format!("/v3/processes/{}/stats", process.guid);
                let stats: Resources<Stats> = context.api.get(&path).await?;
                match progress(&stats.resources, enough) {
                    Progress::Running => break,
                    Progress::Starting(_) if clocks.given_up(&stats.resources) => {
                        return Ok(Some(None));
                    }
                    Progress::Starting(running) => {
                        words.still(context, enough, running, stats.resources.len());
                    }
                    Progress::Crashed(details) => return Ok(Some(details)),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 3 / 2).min(LAST_LOOK);
            }
        }
        Ok::<_, Failure>(None)
    };
    let details = match tokio::time::timeout(PATIENCE, watch).await {
        Ok(Ok(None)) => return Ok(()),
        Ok(Ok(Some(details))) => details,
        Ok(Err(failure)) => return Err(failure),
        Err(_) => Some(match enough {
            Enough::One => "no instance became healthy within 5 minutes (health check)".to_owned(),
            Enough::All => {
                "some instances did not become healthy within 5 minutes (health check)".to_owned()
            }
        }),
    };
    quote(context, app, begin_ns).await;
    let reason = match details.filter(|details| !details.is_empty()) {
        Some(details) => details,
        None => last_crash(context, app).await,
    };
    let app = name.to_owned();
    Err(Failure::Start { app, reason })
}

/// What is said while it takes its time.
struct Words<'a> {
    name: &'a str,
    begin: Instant,
    hinted: bool,
    counted: Option<usize>,
}

impl<'a> Words<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            begin: Instant::now(),
            hinted: false,
            counted: None,
        }
    }

    fn still(&mut self, context: &Context<'_>, enough: Enough, running: usize, of: usize) {
        if enough == Enough::All && self.counted != Some(running) {
            self.counted = Some(running);
            context
                .output
                .note(format!("{running} of {of} instances run"));
        }
        if !self.hinted && self.begin.elapsed() > SILENCE {
            self.hinted = true;
            still_starting(context, self.name, enough);
        }
    }
}

/// Nanoseconds since the Unix epoch, by our own clock.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn still_starting(context: &Context<'_>, name: &str, enough: Enough) {
    let who = match enough {
        Enough::One => format!("{name} runs, and its health check has"),
        Enough::All => format!("The new instances of {name} run, and their health checks have"),
    };
    context.output.note(format!(
        "{who} not passed yet: a web app has to listen on 0.0.0.0 \
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

    fn check(states: &[&str], enough: Enough, expected: &Progress) {
        let stats = |state: &&str| -> Stats {
            let json = serde_json::json!({"index": 0, "state": state, "details": "oops"});
            serde_json::from_value(json).unwrap()
        };
        let instances: Vec<Stats> = states.iter().map(stats).collect();
        assert_eq!(progress(&instances, enough), *expected, "{states:?}");
    }

    fn crashed() -> Progress {
        Progress::Crashed(Some("oops".to_owned()))
    }

    #[test]
    fn for_a_start_one_running_instance_is_enough_and_all_must_crash() {
        let check = |states: &[&str], expected| check(states, Enough::One, &expected);
        check(&["RUNNING", "CRASHED"], Progress::Running);
        check(&["STARTING", "CRASHED"], Progress::Starting(0));
        check(&["DOWN"], Progress::Starting(0));
        check(&["CRASHED"], crashed());
        check(&[], Progress::Running);
    }

    #[test]
    fn for_a_change_of_size_all_must_run_and_one_may_not_crash() {
        let check = |states: &[&str], expected| check(states, Enough::All, &expected);
        check(&["RUNNING", "RUNNING"], Progress::Running);
        check(&["RUNNING", "DOWN"], Progress::Starting(1));
        check(&["RUNNING", "STARTING", "CRASHED"], crashed());
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

//! `logs`: an app's log, now and as it grows.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::cli::{
    api::{LogLine, Since},
    args::Logs,
    context::Context,
    failure::Outcome,
    output::{BAD, DIM, paint},
};

/// How many lines are shown of what is there already; log-cache gives no more at once.
const RECENT: u32 = 1000;
/// How much context somebody gets who follows.
const BEFORE: u32 = 20;
/// As often as the stock client asks; a person does not see the difference.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) async fn logs(context: &Context<'_>, args: &Logs) -> Outcome<()> {
    let app = context.app(&args.name).await?;
    let count = if args.follow { BEFORE } else { RECENT };
    let lines = context
        .api
        .log_lines(&app.guid, Since::Newest(count))
        .await?;
    print(context, &lines);
    if !args.follow {
        return Ok(());
    }
    let mut last = lines.last().map_or(0, |line| line.timestamp);
    while !context.output.closed() {
        let lines = context.api.log_lines(&app.guid, Since::After(last)).await?;
        print(context, &lines);
        match lines.last() {
            Some(line) => last = line.timestamp,
            None => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(())
}

fn print(context: &Context<'_>, lines: &[LogLine]) {
    for line in lines {
        context.output.entry(line, text);
    }
}

/// A line for people.
pub(crate) fn text(line: &LogLine) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(line.timestamp.into())
        .ok()
        .and_then(|time| {
            time.replace_nanosecond(time.nanosecond() / 10_000_000 * 10_000_000)
                .ok()
        })
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let head = paint(DIM, format!("{time} [{}/{}]", line.source, line.instance));
    if line.stream == "ERR" {
        format!("{head} {} {}", paint(BAD, "ERR"), line.text)
    } else {
        format!("{head} OUT {}", line.text)
    }
}

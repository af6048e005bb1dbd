//! `runtimes`: which languages there are, in which versions, and how to get what is missing.

use serde::{Deserialize, Serialize};

use crate::cli::{context::Context, failure::Outcome, output::Table};

#[derive(Debug, Deserialize)]
struct Page {
    runtimes: Vec<Runtime>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Runtime {
    name: String,
    label: String,
    buildpacks: Vec<String>,
    image: Option<String>,
    versions: Vec<String>,
    ready: bool,
    tools: Vec<Tool>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Tool {
    name: String,
    always: bool,
    there: bool,
    install: String,
}

pub(crate) async fn runtimes(context: &Context<'_>) -> Outcome<()> {
    let page: Page = context.api.get("/pastina/v1/runtimes").await?;
    context.output.result(&page.runtimes, |runtimes| {
        let mut table = Table::new(&["runtime", "language", "versions", "buildpack", "missing"]);
        for runtime in runtimes {
            let Runtime {
                name,
                label,
                versions,
                buildpacks,
                ..
            } = runtime;
            table.row([
                name.clone(),
                label.clone(),
                versions.join(", "),
                buildpacks.first().cloned().unwrap_or_default(),
                missing(runtime),
            ]);
        }
        let mut text = table.render();
        let lacking = runtimes.iter().flat_map(|runtime| &runtime.tools);
        let mut ways: Vec<String> = Vec::new();
        for tool in lacking.filter(|tool| !tool.there) {
            let way = format!("{}: {}", tool.name, tool.install);
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        if !ways.is_empty() {
            text.push_str("\nThe operator can install what is missing:\n");
            for way in ways {
                text.push_str(&format!("  {way}\n"));
            }
        }
        text
    });
    Ok(())
}

/// What a runtime lacks: all of it, or what some apps need.
fn missing(runtime: &Runtime) -> String {
    if let Some(image) = &runtime.image {
        return format!("nothing: its tools are in {image}");
    }
    let lacking = runtime.tools.iter().filter(|tool| !tool.there);
    let names: Vec<&str> = lacking.map(|tool| tool.name.as_str()).collect();
    match (names.is_empty(), runtime.ready) {
        (true, _) => String::new(),
        (false, true) => format!("for some apps {}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

//! `pastina doctor`: what this host can and cannot enforce, and what mends it.

use std::{fmt::Write as _, fs, io::Write as _, path::Path, process::ExitCode};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use serde::Serialize;

use super::{
    config::{self, Config},
    report::Report,
};
use crate::{
    cli::{Format, Places},
    sandbox::{self, Capabilities, Disks, Finding, Verdict},
};

/// Says what the host of the platform can and cannot enforce, each line with its reason and
/// what mends it.
///
/// Where a daemon runs here, it is told what that daemon found, which under systemd has other
/// rights than a shell. Where none runs, or with --here, a sandbox is made as a daemon started
/// from this shell would make it, and is looked at from inside.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Look with the rights of this shell, even where a daemon runs
    #[arg(long)]
    pub here: bool,
    /// Exit with 1 where anything is weaker than it could be, not only where no app can run
    #[arg(long)]
    pub strict: bool,
    /// Configuration file of the daemon that is meant
    #[arg(long, short = 'c', value_name = "FILE", env = "PASTINA_CONFIG")]
    pub config: Option<std::path::PathBuf>,
}

/// What is told.
#[derive(Debug, Serialize)]
struct Told {
    /// Release of the platform that looked.
    version: String,
    /// The kernel's release.
    kernel: String,
    /// Process id of the daemon that looked; none where it was this process.
    daemon: Option<u32>,
    findings: Vec<Finding>,
}

/// Looks, and prints what was found. Exits with 1 where no app can run, or, if strict, where
/// anything is lacking.
///
/// # Errors
/// Where the configuration is not right or the state folder cannot be used.
pub fn main(args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    let config = Config::load(&config::Args {
        config: args.config.clone(),
        ..config::Args::default()
    })?;
    let named = Places::here().named_run_dir;
    let run_dir = named.as_ref().unwrap_or(&config.run_dir);
    let daemon = Report::read(run_dir).ok().filter(|_| !args.here);
    let told = match daemon {
        Some(report) => Told {
            version: report.version,
            kernel: kernel(),
            daemon: Some(report.pid),
            findings: report.findings,
        },
        None => Told {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: kernel(),
            daemon: None,
            findings: look(&config)?,
        },
    };
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&told)? + "\n",
        Format::Text => render(&told),
    };
    // Whoever closed the pipe has read enough.
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(verdict(&told.findings, args.strict))
}

fn verdict(findings: &[Finding], strict: bool) -> ExitCode {
    let lacking = |finding: &Finding| finding.verdict != Verdict::Enforced;
    let fatal =
        |finding: &Finding| finding.verdict == Verdict::Missing && finding.what.contains("sandbox");
    if findings.iter().any(fatal) || (strict && findings.iter().any(lacking)) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// What a daemon would find that is started from here.
fn look(config: &Config) -> anyhow::Result<Vec<Finding>> {
    // Why there are none is among the findings.
    let _ = sandbox::cgroup::prepare();
    let found = sandbox::probe();
    let mut findings = found.findings.clone();
    findings.push(Disks::open(place(config), config.app_disk.bytes()).finding());
    findings.push(sandbox::shows_owners(place(config)));
    if found.sandboxes {
        let known = |tried: &Finding| {
            let mut found = found.lacks();
            // It has its own line.
            tried.reason.starts_with("Landlock")
                || found.any(|lack| tried.reason.contains(&lack.reason))
        };
        let tried = try_one(config, &found)?.into_iter();
        findings.extend(tried.filter(|tried| !known(tried)));
    }
    Ok(findings)
}

/// Where apps' folders are, or would be.
fn place(config: &Config) -> &Path {
    let place = config.state_dir.ancestors().find(|dir| dir.is_dir());
    place.unwrap_or(Path::new("/"))
}

/// Makes a sandbox where those of apps are.
fn try_one(config: &Config, found: &Capabilities) -> anyhow::Result<Vec<Finding>> {
    let place = place(config);
    let made = || format!("cannot make a folder in {}", place.display());
    let dir = tempfile::Builder::new()
        .prefix("pastina-doctor-")
        .tempdir_in(place)
        .with_context(made)?;
    let ids = found.ids(config.app_first_uid.get(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let findings = runtime.block_on(sandbox::trial(dir.path(), ids))?;
    dir.close().with_context(made)?;
    Ok(findings)
}

fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn render(told: &Told) -> String {
    let whose = told.daemon.map_or_else(
        || "As a daemon started from this shell would find it:".to_owned(),
        |pid| format!("As the running daemon (process {pid}) found it at its start:"),
    );
    let mut text = format!(
        "Pastina {} on Linux {}\n{whose}\n\n",
        told.version, told.kernel
    );
    let width = told.findings.iter().map(|finding| finding.what.len()).max();
    let width = width.unwrap_or(0);
    for finding in &told.findings {
        let style = style(finding.verdict);
        let Finding {
            what,
            verdict,
            reason,
            remedy,
        } = finding;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{verdict:<8}{style:#}{what:<width$}  {reason}");
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "{:8}{:<width$}  -> {remedy}", "", "");
        }
    }
    let lacking = told
        .findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Enforced);
    let _ = match lacking.count() {
        0 => writeln!(text, "\nEverything is enforced."),
        1 => writeln!(text, "\nOne line could be better."),
        count => writeln!(text, "\n{count} lines could be better."),
    };
    text
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Enforced => AnsiColor::Green.on_default(),
        Verdict::Weaker => AnsiColor::Yellow.on_default(),
        Verdict::Missing => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_reason_and_what_mends_it() {
        let told = Told {
            version: "1.2.3".to_owned(),
            kernel: "6.1.0".to_owned(),
            daemon: Some(42),
            findings: vec![
                Finding::enforced("sandboxes", "namespaces"),
                Finding::missing("memory limit", "no controller").mended_by("Delegate=yes"),
            ],
        };
        let text = anstream::adapter::strip_str(&render(&told)).to_string();
        insta::assert_snapshot!(text, @r"
        Pastina 1.2.3 on Linux 6.1.0
        As the running daemon (process 42) found it at its start:

        yes     sandboxes     namespaces
        no      memory limit  no controller
                              -> Delegate=yes

        One line could be better.
        ");
    }

    #[test]
    fn scripts_are_told_where_no_app_can_run() {
        let check = |findings: &[Finding], strict: bool, expected: ExitCode| {
            let found = verdict(findings, strict);
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        };
        let fine = Finding::enforced("sandboxes", "all");
        let weak = Finding::missing("memory limit", "none");
        let fatal = Finding::missing("sandboxes", "none");
        check(&[fine.clone(), weak.clone()], false, ExitCode::SUCCESS);
        check(&[fine, weak], true, ExitCode::FAILURE);
        check(&[fatal], false, ExitCode::FAILURE);
    }
}

//! Verbs about tasks, deployments and revisions.

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Run a command once, with an app's code and environment
    Run(RunTask),
    /// List the tasks of an app
    List {
        /// Name of the app
        app: String,
    },
    /// Show one task of an app
    Show {
        /// Name of the app
        app: String,
        /// The task's number
        number: u64,
    },
    /// End a task before its command does
    Cancel {
        /// Name of the app
        app: String,
        /// The task's number
        number: u64,
    },
}

/// Arguments of `task run`.
#[derive(Debug, Clone, Args)]
pub struct RunTask {
    /// Name of the app
    pub app: String,
    /// What runs [default: the command of --process]
    #[arg(short, long)]
    pub command: Option<String>,
    /// Name of the task
    #[arg(long)]
    pub name: Option<String>,
    /// The process whose command and sizes are taken where nothing else is said
    #[arg(long, default_value = "task")]
    pub process: String,
    /// Memory of the task, such as 256M
    #[arg(short, long)]
    pub memory: Option<String>,
    /// Disk of the task, such as 1G
    #[arg(short = 'k', long)]
    pub disk: Option<String>,
    /// Wait until it has ended; fail where it does
    #[arg(short, long)]
    pub wait: bool,
}

/// How new instances of an app that runs take the place of old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// A few at a time, while the app goes on
    Rolling,
    /// One at first; the others after `pastina deployment continue`
    Canary,
}

impl Strategy {
    /// As the API spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Canary => "canary",
        }
    }
}

/// What can be done with an app's deployment that is under way.
#[derive(Debug, Clone, Subcommand)]
pub enum Deployment {
    /// List the deployments of an app
    List {
        /// Name of the app
        app: String,
    },
    /// Let a canary go on to its next step, or to the end
    Continue {
        /// Name of the app
        app: String,
    },
    /// Go back to what ran before
    Cancel {
        /// Name of the app
        app: String,
    },
}

/// Arguments of `restart`.
#[derive(Debug, Clone, Args)]
pub struct Restart {
    /// Name of the app
    pub name: String,
    /// Replace instances while the app goes on
    #[arg(long)]
    pub strategy: Option<Strategy>,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args)]
pub struct Rollback {
    /// Name of the app
    pub name: String,
    /// Number of the revision to go back to
    pub version: u64,
    /// How instances are replaced
    #[arg(long, default_value = "rolling")]
    pub strategy: Strategy,
}

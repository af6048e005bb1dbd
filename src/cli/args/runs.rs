//! Verbs about what runs beside an app's processes.

use clap::{Args, Subcommand};

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

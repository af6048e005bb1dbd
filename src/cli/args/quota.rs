//! Verbs about how much may be used.

use clap::{Args, Subcommand};

/// What can be done with quotas.
#[derive(Debug, Clone, Subcommand)]
pub enum Quota {
    /// Show what the targeted organization and space use, and may use
    Usage,
    /// List the quotas of organizations, or of the targeted organization's spaces
    List {
        /// Of spaces
        #[arg(long)]
        spaces: bool,
    },
    /// Make a quota, or change the limits of one
    Set {
        /// Name of the quota
        name: String,
        /// For spaces of the targeted organization
        #[arg(long)]
        spaces: bool,
        /// How much
        #[command(flatten)]
        limits: Box<QuotaLimits>,
    },
    /// Give the targeted organization a quota, or the targeted space
    Apply {
        /// Name of the quota
        name: String,
        /// To the targeted space
        #[arg(long)]
        space: bool,
    },
    /// Delete a quota that nobody has
    Delete {
        /// Name of the quota
        name: String,
        /// Of spaces
        #[arg(long)]
        spaces: bool,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// How much may be used. A number, a size such as 1G, or `none` to lift a limit.
#[derive(Debug, Clone, Default, Args)]
pub struct QuotaLimits {
    /// Memory of everything that runs
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Memory of one instance or task
    #[arg(short, long, value_name = "SIZE")]
    pub instance_memory: Option<String>,
    /// Instances
    #[arg(short = 'a', long, value_name = "NUMBER")]
    pub instances: Option<String>,
    /// Tasks of one app
    #[arg(long, value_name = "NUMBER")]
    pub tasks: Option<String>,
    /// Log bytes per second of everything that runs
    #[arg(short, long, value_name = "SIZE")]
    pub log_rate: Option<String>,
    /// Routes
    #[arg(short, long, value_name = "NUMBER")]
    pub routes: Option<String>,
    /// Ports of TCP routes
    #[arg(long, value_name = "NUMBER")]
    pub ports: Option<String>,
    /// Managed services
    #[arg(short, long, value_name = "NUMBER")]
    pub services: Option<String>,
    /// Service keys
    #[arg(long, value_name = "NUMBER")]
    pub keys: Option<String>,
    /// Private domains, of organizations only
    #[arg(long, value_name = "NUMBER")]
    pub domains: Option<String>,
}

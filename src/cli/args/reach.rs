//! Verbs about what apps may reach.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with network policies.
#[derive(Debug, Clone, Subcommand)]
pub enum NetworkPolicy {
    /// List which apps of the space may reach which others
    List {
        /// Only what this app may reach
        #[arg(long, value_name = "APP")]
        source: Option<String>,
    },
    /// Open an app of the space to another one
    Add(PolicyEnds),
    /// Close an app to another one
    Remove(PolicyEnds),
}

/// Who may reach whom where.
#[derive(Debug, Clone, Args)]
pub struct PolicyEnds {
    /// Name of the app that may reach the other
    pub source: String,
    /// Name of the app that may be reached
    pub destination: String,
    /// tcp or udp
    #[arg(long, default_value = "tcp", value_parser = ["tcp", "udp"])]
    pub protocol: String,
    /// Port, or range of ports such as 8080-8090
    #[arg(long, default_value = "8080")]
    pub port: String,
}

/// What can be done with security groups.
#[derive(Debug, Clone, Subcommand)]
pub enum SecurityGroup {
    /// List the security groups
    List,
    /// Show the rules of a security group
    Show {
        /// Name of the group
        name: String,
    },
    /// Make a security group
    Create {
        /// Name of the group
        name: String,
        /// JSON file with an array of rules
        rules: PathBuf,
    },
    /// Replace the rules of a security group
    Update {
        /// Name of the group
        name: String,
        /// JSON file with an array of rules
        rules: PathBuf,
    },
    /// Let a security group hold in the space, or everywhere
    Bind(GroupPlace),
    /// End a security group's hold in the space, or everywhere
    Unbind(GroupPlace),
    /// Delete a security group
    Delete {
        /// Name of the group
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// Where a security group holds.
#[derive(Debug, Clone, Args)]
pub struct GroupPlace {
    /// Name of the group
    pub name: String,
    /// In every space, not in the targeted one
    #[arg(long)]
    pub everywhere: bool,
    /// For builds, not for what runs
    #[arg(long)]
    pub staging: bool,
}

//! Verbs about what apps are bound to and may reach.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with services.
#[derive(Debug, Clone, Subcommand)]
pub enum Service {
    /// List the services of the space
    List,
    /// Show one service and the apps that are bound to it
    Show {
        /// Name of the service
        name: String,
    },
    /// Tell the platform of a service that runs elsewhere
    Create {
        /// Name of the service
        name: String,
        /// What is told of it
        #[command(flatten)]
        settings: ServiceSettings,
    },
    /// Change what the platform was told of a service
    Update {
        /// Name of the service
        name: String,
        /// A new name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// What is told of it
        #[command(flatten)]
        settings: ServiceSettings,
    },
    /// Bind an app to a service: its credentials are in the app's VCAP_SERVICES, and the address
    /// in them is open to the app where an admin set them
    Bind {
        /// Name of the app
        app: String,
        /// Name of the service
        service: String,
        /// What the app shall know it by
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// End an app's binding to a service
    Unbind {
        /// Name of the app
        app: String,
        /// Name of the service
        service: String,
    },
    /// Delete a service with its bindings
    Delete {
        /// Name of the service
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// What is told of a service.
#[derive(Clone, Default, Args)]
pub struct ServiceSettings {
    /// Credentials: a JSON object, @FILE with one, or @- for standard input
    #[arg(short, long, value_name = "JSON")]
    pub credentials: Option<String>,
    /// Tag by which apps recognise it
    #[arg(short, long)]
    pub tag: Vec<String>,
    /// Where bound apps' logs go, such as syslog-tls://logs.example.kr:6514
    #[arg(long, value_name = "URL")]
    pub syslog_drain: Option<String>,
    /// Where requests for bound routes go first
    #[arg(long, value_name = "URL")]
    pub route_service: Option<String>,
}

// Credentials are secrets, and URLs may hold some.
impl std::fmt::Debug for ServiceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSettings")
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

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

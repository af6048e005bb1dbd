//! The verbs that lead git to the platform.

use clap::{Args, Subcommand};

/// What can be done about `git push`.
#[derive(Debug, Clone, Subcommand)]
pub enum Git {
    /// Add a remote to the repository here, so that `git push` deploys an app
    Remote(GitRemote),
    /// Show or choose the branch that is deployed
    Branch {
        /// Name of the app
        app: String,
        /// The branch
        branch: Option<String>,
    },
    /// Tell git who you are: what it runs as a credential helper
    Credential {
        /// What git wants: get, store or erase
        action: String,
    },
}

/// Arguments of `git remote`.
#[derive(Debug, Clone, Args)]
pub struct GitRemote {
    /// Name of the app, which the first push makes where there is none
    pub app: String,
    /// Name of the remote
    #[arg(short, long, default_value = "pastina")]
    pub remote: String,
    /// Push over SSH
    #[arg(long)]
    pub ssh: bool,
    /// Print the address, and change nothing
    #[arg(long)]
    pub print: bool,
}

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
    /// Show or name the repository elsewhere that an app is deployed from when its host calls
    Source(GitSource),
    /// Deploy an app from that repository now
    Deploy {
        /// Name of the app
        app: String,
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

/// Arguments of `git source`.
#[derive(Debug, Clone, Args)]
pub struct GitSource {
    /// Name of the app
    pub app: String,
    /// Address of the repository, such as https://github.com/me/shop.git
    pub url: Option<String>,
    /// User name at its host, with the password or token in PASTINA_GIT_PASSWORD
    #[arg(long, value_name = "NAME", requires = "url")]
    pub username: Option<String>,
    /// What its host shows that it knows; made where there is none
    #[arg(long, env = "PASTINA_GIT_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// Deploy it from there no more
    #[arg(long, conflicts_with = "url")]
    pub remove: bool,
}

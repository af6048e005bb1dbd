//! The flags of `pastina serve`.

use std::path::PathBuf;

/// Runs the platform: gateway, control API, and everything that keeps apps running.
///
/// Without any flag or file it runs for the current user, on 127.0.0.1:8080 and :8443 with its
/// state under ~/.local/state/pastina; as root on ports 80 and 443 with /var/lib/pastina.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Configuration file [default: /etc/pastina/pastina.toml as root, else
    /// ~/.config/pastina/pastina.toml]
    #[arg(long, short = 'c', value_name = "FILE", env = "PASTINA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder of everything that must not be lost
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Address for HTTP, or "off"
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<String>,
    /// Address for HTTPS, or "off"
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub https: Option<String>,
    /// Domain of the platform and of the apps
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Any other key of the configuration (docs/configuration.md lists them); may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Checks the configuration, prints what is in effect without its secrets, and exits
    #[arg(long)]
    pub check: bool,
}

//! The verb that enters instances.

use clap::Args;

/// Arguments of `ssh`.
#[derive(Debug, Clone, Args)]
pub struct Ssh {
    /// Name of the app
    pub app: String,
    /// Which instance
    #[arg(short, long, default_value_t = 0)]
    pub index: u32,
    /// Which process of the app
    #[arg(long, default_value = "web")]
    pub process: String,
    /// Lead a port of this machine to one in the instance, such as 9000:localhost:5432
    #[arg(short = 'L', value_name = "PORT:HOST:PORT")]
    pub forward: Vec<String>,
    /// No shell, only what -L leads there
    #[arg(short = 'N', requires = "forward", conflicts_with = "command")]
    pub no_command: bool,
    /// A command to run in place of a shell
    #[arg(trailing_var_arg = true)]
    pub command: Vec<String>,
}

//! The client's verbs and flags.

mod git;
mod people;
mod quota;
mod reach;
mod runs;
mod service;
mod ssh;

pub(super) use git::{Git, GitRemote, GitSource};
pub(super) use people::{NewPassword, Place, Role, RoleName, User, UserRole};
pub(super) use quota::{Quota, QuotaLimits};
pub(super) use reach::{GroupPlace, NetworkPolicy, PolicyEnds, SecurityGroup};

pub(super) use runs::{Deployment, Restart, Rollback, RunTask, Strategy, Task};
pub(super) use service::{Access, Broker, BrokerLogin, Key, Parameters, Service, ServiceSettings};
pub(super) use ssh::Ssh;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Tables and lines for people.
    #[default]
    Text,
    /// One JSON document on standard output; progress stays on standard error.
    Json,
}

/// What a client can be asked for.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Log in; without arguments to the platform of this machine
    Login(Login),
    /// Show or choose the organization and space that the other verbs work in
    Target(Target),
    /// Forget the tokens
    Logout,
    /// Upload an app, build it and start it
    Push(Push),
    /// List the apps of the space
    Apps,
    /// Show one app: its state, instances and addresses
    App(OneApp),
    /// Show an app's log
    Logs(Logs),
    /// Show what happened to an app
    Events(OneApp),
    /// Show which languages there are, in which versions, and how to get what is missing
    Runtimes,
    /// Show or change an app's instances, memory and disk
    Scale(Scale),
    /// Start an app
    Start(OneApp),
    /// Stop an app
    Stop(OneApp),
    /// Stop and start an app, or replace its instances while it goes on
    Restart(Restart),
    /// Build an app's newest package again and restart it
    Restage(OneApp),
    /// Delete an app
    Delete(Delete),
    /// Show an app's environment
    Env(OneApp),
    /// Set a variable in an app's environment; the app sees it after a restart
    SetEnv(SetEnv),
    /// Remove a variable from an app's environment
    UnsetEnv(UnsetEnv),
    /// Deployments of an app: how new instances take the place of old ones
    #[command(subcommand, visible_alias = "deployments")]
    Deployment(Deployment),
    /// List what an app was started with
    Revisions(OneApp),
    /// Go back to an earlier revision of an app, while it goes on
    Rollback(Rollback),
    /// Commands that run once, with an app's code and environment
    #[command(subcommand, visible_alias = "tasks")]
    Task(Task),
    /// Addresses of apps
    #[command(subcommand)]
    Route(Route),
    /// Services that run elsewhere, and the apps that are bound to them
    #[command(subcommand, visible_alias = "services")]
    Service(Service),
    /// Which app may reach which other
    #[command(subcommand, visible_alias = "network-policies")]
    NetworkPolicy(NetworkPolicy),
    /// Rules about what apps and builds may reach
    #[command(subcommand, visible_alias = "security-groups")]
    SecurityGroup(SecurityGroup),
    /// Organizations
    #[command(subcommand, visible_alias = "orgs")]
    Org(Place),
    /// Spaces of the targeted organization
    #[command(subcommand, visible_alias = "spaces")]
    Space(Place),
    /// Who can log in
    #[command(subcommand, visible_alias = "users")]
    User(User),
    /// Who may do what in the targeted organization and space
    #[command(subcommand, visible_alias = "roles")]
    Role(Role),
    /// Programs that offer services
    #[command(subcommand, visible_alias = "brokers")]
    Broker(Broker),
    /// Open a shell in an instance of an app, run a command there, or reach its ports
    Ssh(Ssh),
    /// Deploy by `git push`: add the remote, choose the branch
    #[command(subcommand)]
    Git(Git),
    /// How much organizations and spaces use, and may use
    #[command(subcommand, visible_alias = "quotas")]
    Quota(Quota),
}

/// Arguments of `login`.
#[derive(Debug, Clone, Default, Args)]
pub struct Login {
    /// Address of the API, such as https://api.example.kr
    #[arg(short, long, value_name = "URL")]
    pub api: Option<String>,
    /// User name
    #[arg(short, long, env = "PASTINA_USERNAME")]
    pub username: Option<String>,
    /// Password; asked for where neither it nor PASTINA_PASSWORD is given
    #[arg(short, long, env = "PASTINA_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Log in with a code from the page that this prints, where another identity provider knows you
    #[arg(long)]
    pub sso: bool,
    /// The code of that page
    #[arg(long, value_name = "CODE")]
    pub sso_passcode: Option<String>,
    /// Organization to work in
    #[arg(short, long)]
    pub org: Option<String>,
    /// Space to work in
    #[arg(short, long)]
    pub space: Option<String>,
    /// Trust any certificate (someone in between could read the password)
    #[arg(long)]
    pub skip_ssl_validation: bool,
    /// PEM file of a certificate authority to trust beside the machine's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Arguments of `target`.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// Organization to work in
    #[arg(short, long)]
    pub org: Option<String>,
    /// Space to work in
    #[arg(short, long)]
    pub space: Option<String>,
}

/// The name of an app.
#[derive(Debug, Clone, Args)]
pub struct OneApp {
    /// Name of the app
    pub name: String,
}

/// Arguments of `push`.
#[derive(Debug, Clone, Default, Args)]
pub struct Push {
    /// Name of the app [default: the manifest's apps, or the folder's name]
    pub name: Option<String>,
    /// Folder, archive or program to push
    #[arg(short, long)]
    pub path: Option<PathBuf>,
    /// Manifest [default: manifest.yml where there is one]
    #[arg(short = 'f', long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Image to run in place of code, such as ghcr.io/me/shop:1.2
    #[arg(
        long,
        visible_alias = "docker-image",
        short = 'o',
        value_name = "IMAGE",
        conflicts_with_all = ["path", "buildpack"]
    )]
    pub image: Option<String>,
    /// User name at the image's registry, with the password in CF_DOCKER_PASSWORD
    #[arg(long, value_name = "NAME")]
    pub docker_username: Option<String>,
    /// Start command
    #[arg(short, long)]
    pub command: Option<String>,
    /// Runtime to build with, such as python_buildpack; recognised where not given
    #[arg(short, long, visible_alias = "runtime", value_name = "RUNTIME")]
    pub buildpack: Vec<String>,
    /// How to build: buildpack, or cnb for Cloud Native Buildpacks, with who asks their registries in
    /// CF_CNB_REGISTRY_CREDS
    #[arg(long, value_name = "KIND", conflicts_with = "image")]
    pub lifecycle: Option<String>,
    /// Memory of each instance, such as 256M
    #[arg(short, long)]
    pub memory: Option<String>,
    /// Disk of each instance, such as 1G
    #[arg(short = 'k', long)]
    pub disk: Option<String>,
    /// How many instances
    #[arg(short, long)]
    pub instances: Option<u32>,
    /// Give the app no address
    #[arg(long, conflicts_with = "random_route")]
    pub no_route: bool,
    /// Give the app an address with random words
    #[arg(long)]
    pub random_route: bool,
    /// Upload only; neither build nor start
    #[arg(long)]
    pub no_start: bool,
    /// Replace the instances of an app that runs while it goes on
    #[arg(long, conflicts_with = "no_start")]
    pub strategy: Option<Strategy>,
    /// Value for ((NAME)) in the manifest
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// YAML file of values for the manifest
    #[arg(long, value_name = "FILE")]
    pub vars_file: Vec<PathBuf>,
}

/// Arguments of `logs`.
#[derive(Debug, Clone, Args)]
pub struct Logs {
    /// Name of the app
    pub name: String,
    /// Only what is there already (so it is without --follow, too)
    #[arg(long, conflicts_with = "follow")]
    pub recent: bool,
    /// Go on with new lines until interrupted
    #[arg(short, long)]
    pub follow: bool,
}

/// Arguments of `scale`.
#[derive(Debug, Clone, Args)]
pub struct Scale {
    /// Name of the app
    pub name: String,
    /// How many instances
    #[arg(short, long)]
    pub instances: Option<u32>,
    /// Memory of each instance, such as 256M; restarts the app
    #[arg(short, long)]
    pub memory: Option<String>,
    /// Disk of each instance, such as 1G; restarts the app
    #[arg(short = 'k', long)]
    pub disk: Option<String>,
    /// Which process of the app
    #[arg(long, default_value = "web")]
    pub process: String,
}

/// Arguments of `delete`.
#[derive(Debug, Clone, Args)]
pub struct Delete {
    /// Name of the app
    pub name: String,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Delete its addresses, too
    #[arg(short, long)]
    pub routes: bool,
}

/// Arguments of `set-env`.
#[derive(Debug, Clone, Args)]
pub struct SetEnv {
    /// Name of the app
    pub name: String,
    /// Name of the variable
    pub variable: String,
    /// Its value
    #[arg(allow_hyphen_values = true)]
    pub value: String,
}

/// Arguments of `unset-env`.
#[derive(Debug, Clone, Args)]
pub struct UnsetEnv {
    /// Name of the app
    pub name: String,
    /// Name of the variable
    pub variable: String,
}

/// What can be done with addresses.
#[derive(Debug, Clone, Subcommand)]
pub enum Route {
    /// List the addresses of the space
    List,
    /// Reserve an address, such as shop.example.kr/cart
    Create {
        /// The address
        address: String,
    },
    /// Lead an address to an app; it is created where need be
    Map {
        /// Name of the app
        app: String,
        /// The address
        address: String,
    },
    /// Stop leading an address to an app
    Unmap {
        /// Name of the app
        app: String,
        /// The address
        address: String,
    },
    /// Delete an address
    Delete {
        /// The address
        address: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

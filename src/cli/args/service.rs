//! Verbs about services and the brokers that offer them.

use clap::{Args, Subcommand};

/// What can be done with services.
#[derive(Debug, Clone, Subcommand)]
pub enum Service {
    /// List the services of the space
    List,
    /// List what brokers offer
    Offers,
    /// Show one service and the apps that are bound to it
    Show {
        /// Name of the service
        name: String,
    },
    /// Have a broker make a service (--offer), or tell the platform of one that runs elsewhere
    Create {
        /// Name of the service
        name: String,
        /// What a broker offers
        #[arg(long, value_name = "OFFERING", conflicts_with = "credentials")]
        offer: Option<String>,
        /// The plan of it [default: the only one]
        #[arg(long, requires = "offer")]
        plan: Option<String>,
        /// What the broker is told
        #[command(flatten)]
        parameters: Parameters,
        /// What is told of a service that runs elsewhere
        #[command(flatten)]
        settings: ServiceSettings,
    },
    /// Change a service, or what the platform was told of it
    Update {
        /// Name of the service
        name: String,
        /// A new name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// Another plan of the same offering
        #[arg(long, conflicts_with = "credentials")]
        plan: Option<String>,
        /// What the broker is told
        #[command(flatten)]
        parameters: Parameters,
        /// What is told of a service that runs elsewhere
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
        /// What the broker is told
        #[command(flatten)]
        parameters: Parameters,
    },
    /// End an app's binding to a service
    Unbind {
        /// Name of the app
        app: String,
        /// Name of the service
        service: String,
    },
    /// Credentials of a service for people and programs elsewhere
    #[command(subcommand, visible_alias = "keys")]
    Key(Key),
    /// Delete a service with its bindings
    Delete {
        /// Name of the service
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// What can be done with keys of services.
#[derive(Debug, Clone, Subcommand)]
pub enum Key {
    /// List the keys of a service
    List {
        /// Name of the service
        service: String,
    },
    /// Make a key
    Create {
        /// Name of the service
        service: String,
        /// Name of the key
        name: String,
        /// What the broker is told
        #[command(flatten)]
        parameters: Parameters,
    },
    /// Show the credentials in a key
    Show {
        /// Name of the service
        service: String,
        /// Name of the key
        name: String,
    },
    /// Delete a key
    Delete {
        /// Name of the service
        service: String,
        /// Name of the key
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// What a broker is told. It may hold secrets.
#[derive(Clone, Default, Args)]
pub struct Parameters {
    /// For the broker: a JSON object, @FILE with one, or @- for standard input
    #[arg(short = 'p', long = "parameters", value_name = "JSON")]
    pub text: Option<String>,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parameters(..)")
    }
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

/// What can be done with brokers.
#[derive(Debug, Clone, Subcommand)]
pub enum Broker {
    /// List the brokers
    List,
    /// Register a broker
    Create {
        /// Its name
        name: String,
        /// Its address
        url: String,
        /// How to log in to it
        #[command(flatten)]
        login: BrokerLogin,
        /// For the targeted space alone
        #[arg(long)]
        for_space: bool,
    },
    /// Read a broker's catalog anew, or change its address or login
    Update {
        /// Its name
        name: String,
        /// Its new address
        #[arg(long)]
        url: Option<String>,
        /// How to log in to it
        #[command(flatten)]
        login: BrokerLogin,
    },
    /// Let people use an offering, or one plan of it
    Open(Access),
    /// Keep people from making more of an offering, or of one plan of it
    Close(Access),
    /// Forget a broker that has no services any more
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// How the platform logs in to a broker.
#[derive(Clone, Default, Args)]
pub struct BrokerLogin {
    /// User name at the broker
    #[arg(short, long)]
    pub username: Option<String>,
    /// Password at the broker; asked for where neither it nor PASTINA_BROKER_PASSWORD is given
    #[arg(short, long, env = "PASTINA_BROKER_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
}

impl std::fmt::Debug for BrokerLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What is open to whom.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// Name of the offering
    pub offering: String,
    /// One plan of it
    #[arg(long)]
    pub plan: Option<String>,
    /// To or from the targeted organization alone
    #[arg(long)]
    pub org: bool,
}

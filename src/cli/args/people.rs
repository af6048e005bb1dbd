//! Verbs about organizations, spaces, and the people in them.

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with organizations, and with the targeted organization's spaces.
#[derive(Debug, Clone, Subcommand)]
pub enum Place {
    /// List what there is
    List,
    /// Make one
    Create {
        /// Its name
        name: String,
    },
    /// Give one another name
    Rename {
        /// The name until now
        name: String,
        /// The name from now on
        new_name: String,
    },
    /// Delete one with everything in it
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// What can be done with users.
#[derive(Debug, Clone, Subcommand)]
pub enum User {
    /// List the users
    List,
    /// Make a user; the password is asked for
    Create {
        /// The name to log in by
        name: String,
        /// The identity provider that knows the user, who then has no password here
        #[arg(long, value_name = "PROVIDER")]
        origin: Option<String>,
        /// How the password is told
        #[command(flatten)]
        password: NewPassword,
    },
    /// Set a user's password, or your own where no name is given
    Password {
        /// The user's name
        name: Option<String>,
        /// How the password is told
        #[command(flatten)]
        password: NewPassword,
    },
    /// Delete a user with their roles
    Delete {
        /// The user's name
        name: String,
        /// The identity provider that knows the user
        #[arg(long, value_name = "PROVIDER")]
        origin: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// A password that is set.
#[derive(Clone, Default, Args)]
pub struct NewPassword {
    /// The new password; asked for where neither it nor PASTINA_NEW_PASSWORD is given
    #[arg(
        long = "password",
        value_name = "PASSWORD",
        env = "PASTINA_NEW_PASSWORD",
        hide_env_values = true
    )]
    pub text: Option<String>,
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

/// What can be done with roles.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// List who has which role in the targeted organization and space
    List,
    /// Give a user a role
    Give(UserRole),
    /// Take a role from a user
    Take(UserRole),
}

/// A role of a user.
#[derive(Debug, Clone, Args)]
pub struct UserRole {
    /// The user's name
    pub user: String,
    /// The role, in the targeted organization or space
    pub role: RoleName,
    /// The identity provider that knows the user
    #[arg(long, value_name = "PROVIDER")]
    pub origin: Option<String>,
}

/// Cloud Foundry's roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Pushes and changes the space's apps
    Developer,
    /// Starts, stops and watches the space's apps
    Supporter,
    /// Says who is in the space
    SpaceManager,
    /// Sees the space
    SpaceAuditor,
    /// Says who is in the organization and which spaces it has
    OrgManager,
    /// Sees the organization
    OrgAuditor,
    /// Sees the organization's quota
    BillingManager,
    /// Belongs to the organization
    OrgUser,
}

impl RoleName {
    /// Every role.
    pub(in crate::cli) const ALL: [Self; 8] = [
        Self::Developer,
        Self::Supporter,
        Self::SpaceManager,
        Self::SpaceAuditor,
        Self::OrgManager,
        Self::OrgAuditor,
        Self::BillingManager,
        Self::OrgUser,
    ];

    /// The API's name for it.
    pub(in crate::cli) const fn kind(self) -> &'static str {
        match self {
            Self::Developer => "space_developer",
            Self::Supporter => "space_supporter",
            Self::SpaceManager => "space_manager",
            Self::SpaceAuditor => "space_auditor",
            Self::OrgManager => "organization_manager",
            Self::OrgAuditor => "organization_auditor",
            Self::BillingManager => "organization_billing_manager",
            Self::OrgUser => "organization_user",
        }
    }

    /// Whether it is one in spaces.
    pub(in crate::cli) const fn of_spaces(self) -> bool {
        matches!(
            self,
            Self::Developer | Self::Supporter | Self::SpaceManager | Self::SpaceAuditor
        )
    }

    /// The word that people give it by.
    pub(in crate::cli) fn word(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

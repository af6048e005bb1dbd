//! Roles: what a user may do where.

use serde::{Deserialize, Serialize};

use super::{OrgId, RoleId, SpaceId, Timestamp, UserId};

/// The kinds of role, spelled as the API spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// Belongs to the organization; needed for any role in its spaces.
    OrganizationUser,
    /// Sees the organization.
    OrganizationAuditor,
    /// Manages the organization and sees all its spaces.
    OrganizationManager,
    /// Sees the organization's bills.
    OrganizationBillingManager,
    /// Everything with apps, routes and services of a space.
    SpaceDeveloper,
    /// Sees the space, no secrets.
    SpaceAuditor,
    /// Manages the space and its people.
    SpaceManager,
    /// Operates existing apps of a space.
    SpaceSupporter,
}

impl RoleKind {
    /// The kind's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationUser => "organization_user",
            Self::OrganizationAuditor => "organization_auditor",
            Self::OrganizationManager => "organization_manager",
            Self::OrganizationBillingManager => "organization_billing_manager",
            Self::SpaceDeveloper => "space_developer",
            Self::SpaceAuditor => "space_auditor",
            Self::SpaceManager => "space_manager",
            Self::SpaceSupporter => "space_supporter",
        }
    }

    /// The kind with this name in the API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the role is in a space rather than in an organization.
    #[must_use]
    pub const fn is_space(self) -> bool {
        matches!(
            self,
            Self::SpaceDeveloper | Self::SpaceAuditor | Self::SpaceManager | Self::SpaceSupporter
        )
    }

    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::OrganizationUser,
        Self::OrganizationAuditor,
        Self::OrganizationManager,
        Self::OrganizationBillingManager,
        Self::SpaceDeveloper,
        Self::SpaceAuditor,
        Self::SpaceManager,
        Self::SpaceSupporter,
    ];
}

/// Where a role holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleScope {
    /// In an organization.
    Org(OrgId),
    /// In a space.
    Space(SpaceId),
}

/// A user's role in an organization or space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Identity.
    pub id: RoleId,
    /// Who has it.
    pub user: UserId,
    /// What it allows.
    pub kind: RoleKind,
    /// Where it holds.
    pub scope: RoleScope,
    /// When it was given.
    pub created_at: Timestamp,
}

//! What a platform needs before anybody can ask for anything.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use super::{
    ActionError, Actions, domains, groups, isolation_segments, quotas, seeds, users::ORIGIN,
};
use crate::{
    identity::{Identity, LoginError, Password},
    model::{
        Metadata, Org, OrgId, OrgName, Role, RoleId, RoleKind, RoleScope, Space, SpaceId,
        SpaceName, Timestamp, UserId, Username,
    },
    store::Tx,
};

/// What the first start makes.
#[derive(Debug)]
pub struct Bootstrap {
    /// The name of the first admin.
    pub admin: Username,
    /// Their password; none to make one up and leave it in `password_file`.
    pub password: Option<Password>,
    /// Where a made-up password is left, for its owner's eyes only.
    pub password_file: PathBuf,
    /// An organization and a space in it, so that the first push has somewhere to go.
    pub home: Option<(OrgName, SpaceName)>,
}

/// What the first start could not do.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The file for the made-up password could not be read or written.
    #[error("cannot {what} {}", path.display())]
    PasswordFile {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The password could not be hashed.
    #[error("cannot hash the admin's password")]
    Hash(#[from] LoginError),
    /// The change was refused.
    #[error("cannot make the first admin, domain and space")]
    Action(#[from] ActionError),
}

impl Actions {
    /// Makes the shared domain, the internal one, the first security groups, the quota of new
    /// organizations, the segment `shared` and the groups of admins and auditors, and where there is no user yet the first admin and their home. Called at every start; true where it made the admin.
    ///
    /// # Errors
    /// Where the password's file or the state cannot be written.
    pub async fn bootstrap(
        &self,
        identity: &Identity,
        first: Bootstrap,
    ) -> Result<bool, BootstrapError> {
        self.store.set_witness(super::app_usage::witness);
        let fresh = self.store.state().users.is_empty();
        let hash = if fresh {
            let password = match &first.password {
                Some(password) => password.clone(),
                None => made_up(&first.password_file)?,
            };
            Some(identity.hash(password).await?)
        } else {
            None
        };
        let now = self.now();
        let domain = self.config.domain.clone();
        self.store
            .commit(move |tx| {
                if tx.domain_by_name(&domain).is_none() {
                    tx.put(domains::shared(domain, now));
                }
                domains::put_internal(tx, now);
                seeds::put_security_groups(tx, now)?;
                quotas::put_default(tx, now)?;
                isolation_segments::put_shared(tx, now)?;
                groups::put_known(tx, now);
                if let Some(hash) = hash.filter(|_| tx.users.is_empty()) {
                    let admin = put_admin(tx, &first.admin, hash, now)?;
                    if let Some((org, space)) = first.home {
                        put_home(tx, admin, org, space, now);
                    }
                }
                Ok::<_, ActionError>(())
            })
            .await?;
        Ok(fresh)
    }
}

fn put_admin(
    tx: &mut Tx,
    name: &Username,
    hash: String,
    now: Timestamp,
) -> Result<UserId, ActionError> {
    let mut admin = super::users::fresh(tx, name, ORIGIN, Some(hash), now)?;
    admin.admin = true;
    let id = admin.id;
    tx.put(admin);
    Ok(id)
}

fn put_home(tx: &mut Tx, admin: UserId, org: OrgName, space: SpaceName, now: Timestamp) {
    if tx.org_by_name(&org).is_some() {
        return;
    }
    let org = Org {
        id: OrgId::random(),
        name: org,
        suspended: false,
        quota: None,
        isolation_segment: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let space = Space {
        id: SpaceId::random(),
        org: org.id,
        name: space,
        allow_ssh: true,
        quota: None,
        isolation_segment: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let roles = [
        (RoleKind::OrganizationUser, RoleScope::Org(org.id)),
        (RoleKind::OrganizationManager, RoleScope::Org(org.id)),
        (RoleKind::SpaceManager, RoleScope::Space(space.id)),
        (RoleKind::SpaceDeveloper, RoleScope::Space(space.id)),
    ];
    tx.put(org);
    tx.put(space);
    for (kind, scope) in roles {
        tx.put(Role {
            id: RoleId::random(),
            user: admin,
            kind,
            scope,
            created_at: now,
        });
    }
}

/// A fresh password that is left in the file at `path`. One that is there already was left
/// by a first start that did not come to its end.
fn made_up(path: &PathBuf) -> Result<Password, BootstrapError> {
    let failed = |what| {
        move |source| BootstrapError::PasswordFile {
            what,
            path: path.clone(),
            source,
        }
    };
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Password::entered(text.trim())),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("read")(error));
        }
        _ => {}
    }
    let password = Password::random();
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", password.reveal())?;
        file.sync_all()
    };
    write().map_err(failed("write"))?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_made_up_password_is_left_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin-password");
        let first = made_up(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = made_up(&path).unwrap();
        assert_eq!(first.reveal(), again.reveal());
        let nowhere = dir.path().join("no/such/folder");
        let error = made_up(&nowhere).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }
}

//! How a client finds the daemon of its own machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::places::Places;

/// What a daemon tells the clients of its machine, in `endpoint.json` of its run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address of the control API.
    pub api: String,
    /// Where HTTP is served, as address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_listen: Option<String>,
    /// Where HTTPS is served, as address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_listen: Option<String>,
    /// Where SSH into instances is served, as address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_listen: Option<String>,
    /// The certificate that vouches for that address, where it is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Name of the first administrator.
    pub admin_username: String,
    /// Where the first administrator's password is, for those who may read it.
    pub admin_password_file: PathBuf,
}

/// Name of the file in the run folder.
const FILE: &str = "endpoint.json";

impl Endpoint {
    /// Where the file is for a daemon with this run folder.
    #[must_use]
    pub fn path(run_dir: &Path) -> PathBuf {
        run_dir.join(FILE)
    }

    /// The endpoint of the daemon with this run folder.
    ///
    /// # Errors
    /// Where there is no such file, or it is not one of ours.
    pub fn read(run_dir: &Path) -> io::Result<Self> {
        let text = fs::read(Self::path(run_dir))?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }

    /// Writes the file in one step, readable for everybody: it holds no secret.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub fn write(&self, run_dir: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(run_dir)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(Self::path(run_dir))?;
        Ok(())
    }

    /// The endpoint of the daemon that runs here: the user's own, else the system's.
    #[must_use]
    pub fn find(places: &Places) -> Option<Self> {
        let own = places.run_dir_beside(&places.state_dir);
        let system = PathBuf::from("/run/pastina");
        // Whoever names a folder means that one alone.
        let named = places.named_run_dir.clone();
        let folders = named.map_or_else(|| vec![own, system], |dir| vec![dir]);
        folders.iter().find_map(|dir| Self::read(dir).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint {
            api: "https://127.0.0.1:8443".to_owned(),
            http_listen: Some("127.0.0.1:8080".to_owned()),
            https_listen: None,
            ssh_listen: None,
            ca_file: Some("/s/ca.pem".into()),
            admin_username: "admin".to_owned(),
            admin_password_file: "/s/admin-password".into(),
        };
        endpoint.write(dir.path()).unwrap();
        endpoint.write(dir.path()).unwrap();
        assert_eq!(Endpoint::read(dir.path()).unwrap(), endpoint);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

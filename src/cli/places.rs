//! Where things are kept: the system's folders for root, the XDG ones for everybody else.

use std::{env, fs, os::unix::fs::MetadataExt, path::PathBuf};

/// The folders of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Whether these are the system's, as for root.
    pub system: bool,
    /// The daemon's configuration.
    pub config_file: PathBuf,
    /// What the daemon must not lose.
    pub state_dir: PathBuf,
    /// Sockets and the like; none where there is no place that a reboot clears.
    pub run_dir: Option<PathBuf>,
    /// The operator's own runtimes.
    pub runtimes_dir: PathBuf,
    /// What the client remembers: targets and tokens.
    pub client_dir: PathBuf,
    /// The run folder of the one daemon that a client means, where somebody named it.
    pub named_run_dir: Option<PathBuf>,
}

impl Places {
    /// The places of whoever runs this process.
    #[must_use]
    pub fn here() -> Self {
        // The owner of /proc/self is the effective user; asking needs no C library.
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        Self::of(root, &|name| env::var(name).ok())
    }

    /// The places of root or of a user whose environment is `variable`.
    #[must_use]
    pub fn of(root: bool, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        // A relative path in these variables is to be ignored (XDG base directory 0.8).
        let folder = |name: &str| {
            variable(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let home = folder("HOME").unwrap_or_else(|| "/".into());
        let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let state = folder("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
        let client_dir = folder("PASTINA_HOME").unwrap_or_else(|| config.join("pastina"));
        let named_run_dir = folder("PASTINA_RUN_DIR");
        if root {
            return Self {
                system: true,
                config_file: "/etc/pastina/pastina.toml".into(),
                state_dir: "/var/lib/pastina".into(),
                run_dir: Some("/run/pastina".into()),
                runtimes_dir: "/etc/pastina/runtimes".into(),
                client_dir,
                named_run_dir,
            };
        }
        Self {
            system: false,
            config_file: config.join("pastina/pastina.toml"),
            state_dir: state.join("pastina"),
            run_dir: folder("XDG_RUNTIME_DIR").map(|dir| dir.join("pastina")),
            runtimes_dir: config.join("pastina/runtimes"),
            client_dir,
            named_run_dir,
        }
    }

    /// Where sockets go when the state is in `state_dir`.
    #[must_use]
    pub fn run_dir_beside(&self, state_dir: &std::path::Path) -> PathBuf {
        match &self.run_dir {
            // A daemon that keeps its state elsewhere is another one than the user's usual
            // daemon, and must not take over its sockets.
            Some(run_dir) if state_dir == self.state_dir => run_dir.clone(),
            _ => state_dir.join("run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: bool, variables: &[(&str, &str)]) -> Places {
        Places::of(root, &|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_user_gets_the_xdg_folders() {
        let plain = places(false, &[("HOME", "/home/kim")]);
        assert_eq!(
            plain.state_dir,
            PathBuf::from("/home/kim/.local/state/pastina")
        );
        assert_eq!(
            plain.run_dir_beside(&plain.state_dir),
            PathBuf::from("/home/kim/.local/state/pastina/run")
        );
        let full = places(
            false,
            &[
                ("HOME", "/home/kim"),
                ("XDG_RUNTIME_DIR", "/run/user/7"),
                ("XDG_STATE_HOME", "relative"),
                ("PASTINA_HOME", "/tmp/p"),
            ],
        );
        assert_eq!(full.state_dir, plain.state_dir);
        assert_eq!(full.client_dir, PathBuf::from("/tmp/p"));
        assert_eq!(
            full.run_dir_beside(&full.state_dir),
            PathBuf::from("/run/user/7/pastina")
        );
        assert_eq!(
            full.run_dir_beside("/srv/other".as_ref()),
            PathBuf::from("/srv/other/run")
        );
    }

    #[test]
    fn root_gets_the_systems_folders() {
        let root = places(true, &[("HOME", "/root")]);
        assert_eq!(root.state_dir, PathBuf::from("/var/lib/pastina"));
        assert_eq!(root.client_dir, PathBuf::from("/root/.config/pastina"));
    }
}

//! Repositories, and who pushes them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::json;

use crate::support::{Api, Daemon, folder, text};

/// The password of everybody whom [`user`] makes.
pub(super) const PASSWORD: &str = "correct horse battery";

/// A repository whose remote `pastina` is an app in the daemon's first space.
pub(super) struct Repo<'a> {
    pub(super) daemon: &'a Daemon,
    app: String,
    dir: tempfile::TempDir,
    /// What is not the repository's: its user's home.
    home: tempfile::TempDir,
}

impl<'a> Repo<'a> {
    pub(super) fn new(daemon: &'a Daemon, app: &str) -> Self {
        let repo = Self {
            daemon,
            app: app.to_owned(),
            dir: folder(&[]),
            home: tempfile::tempdir().unwrap(),
        };
        repo.git_ok(&["init", "-q", "-b", "main"]);
        repo.git_ok(&["config", "user.name", "Kim"]);
        repo.git_ok(&["config", "user.email", "kim@example.kr"]);
        repo.git_ok(&["remote", "add", "pastina", &repo.url()]);
        repo
    }

    /// The files of the repository, which outlast this.
    pub(super) fn into_folder(self) -> tempfile::TempDir {
        self.dir
    }

    /// A repository that was there before.
    pub(super) fn again(daemon: &'a Daemon, app: &str, dir: tempfile::TempDir) -> Self {
        Self {
            daemon,
            app: app.to_owned(),
            dir,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The address to push to.
    pub(super) fn url(&self) -> String {
        format!("{}/git/dev/dev/{}.git", self.daemon.https(), self.app)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn file(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn remove(&self, names: &[&str]) {
        for name in names {
            fs::remove_file(self.path().join(name)).unwrap();
        }
    }

    pub(super) fn commit(&self, message: &str) {
        self.git_ok(&["add", "-A", "-f"]);
        self.git_ok(&["commit", "-q", "-m", message]);
    }

    /// The commit that is checked out.
    pub(super) fn head(&self) -> String {
        self.git_ok(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// A program that git asks for a name and a password.
    pub(super) fn asked(&self, (name, password): (&str, &str)) -> PathBuf {
        let ask = self.home.path().join("ask");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in User*) echo '{name}';; *) echo '{password}';; esac\n"
        );
        fs::write(&ask, script).unwrap();
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
        ask
    }

    /// The real git, which trusts the daemon's authority and knows nothing else.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(self.path())
            .args(arguments)
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env(
                "GIT_SSL_CAINFO",
                self.daemon.state_dir().join("certs/ca.pem"),
            )
            .env("LC_ALL", "C.UTF-8")
            .env_remove("GIT_DIR")
            .env_remove("SSH_ASKPASS")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn git(&self, arguments: &[&str]) -> Output {
        let admin = ("admin", &*self.daemon.admin_password());
        let mut command = self.command(arguments);
        command.env("GIT_ASKPASS", self.asked(admin));
        command.output().unwrap()
    }

    /// Git with variables, and nobody who could be asked.
    pub(super) fn git_with(&self, env: &[(String, PathBuf)], arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env("GIT_ASKPASS", "/bin/false");
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    #[track_caller]
    pub(super) fn git_ok(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            text(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Pushes as the administrator.
    pub(super) fn push(&self, what: &[&str]) -> Output {
        let all: Vec<&str> = ["push", "pastina"].iter().chain(what).copied().collect();
        self.git(&all)
    }

    /// Pushes as somebody.
    pub(super) fn push_as(&self, who: (&str, &str), what: &[&str]) -> Output {
        let all: Vec<&str> = ["push", "pastina"].iter().chain(what).copied().collect();
        let mut command = self.command(&all);
        command.env("GIT_ASKPASS", self.asked(who));
        command.output().unwrap()
    }

    pub(super) fn app_guid(&self) -> String {
        let api = Api::login(self.daemon);
        let apps = api.get(&format!("/v3/apps?names={}", self.app)).expect(200);
        apps["resources"][0]["guid"].as_str().unwrap().to_owned()
    }

    /// Bytes of the packs that the platform keeps of the app.
    pub(super) fn kept(&self) -> u64 {
        let name = format!("builds/caches/{}.git/pack", self.app_guid());
        let packs = fs::read_dir(self.daemon.state_dir().join(name)).unwrap();
        let packs = packs.map(|entry| entry.unwrap().path());
        let packs = packs.filter(|path| path.extension().is_some_and(|kind| kind == "pack"));
        packs.map(|path| path.metadata().unwrap().len()).sum()
    }
}

/// What a push said that succeeded.
#[track_caller]
pub(super) fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    text(output)
}

/// What a push said that was refused.
#[track_caller]
pub(super) fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", text(output));
    text(output)
}

/// Makes a user with roles in the daemon's first space.
pub(super) fn user(daemon: &Daemon, name: &str, roles: &[&str]) {
    let api = Api::login(daemon);
    let body = json!({ "userName": name, "password": PASSWORD, "origin": "uaa" });
    let made = api.send("POST", "/Users", &body).expect(201);
    let user = made["id"].as_str().unwrap();
    let spaces = api.get("/v3/spaces?names=dev").expect(200);
    let space = &spaces["resources"][0];
    let org = &space["relationships"]["organization"]["data"]["guid"];
    let give = |role: &str, place: &str, guid: &serde_json::Value| {
        let body = json!({ "type": role, "relationships": {
            "user": { "data": { "guid": user } },
            place: { "data": { "guid": guid } },
        }});
        api.send("POST", "/v3/roles", &body).expect(201);
    };
    if !roles.is_empty() {
        give("organization_user", "organization", org);
    }
    for role in roles {
        give(role, "space", &space["guid"]);
    }
}

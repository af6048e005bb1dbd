//! Debian's `docker-registry` on a free port of the loopback.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use super::made::{Image, digest};
use crate::support::eventually;

/// A user of the registry, and the bcrypt of the password.
pub(super) const USERNAME: &str = "student";
pub(super) const PASSWORD: &str = "correct horse";
const HTPASSWD: &str = "student:$2b$05$y/McampmdQ.ar2KkDKXJfuQhj3dFjdHE05bRnRocs0gCoSzes55WW\n";

/// A registry that ends when it is dropped.
pub(super) struct Registry {
    child: Child,
    dir: tempfile::TempDir,
    at: String,
    login: bool,
}

impl Registry {
    /// One for everybody.
    pub(super) fn start() -> Self {
        Self::with(false)
    }

    /// One that wants to know who asks.
    pub(super) fn with_login() -> Self {
        Self::with(true)
    }

    fn with(login: bool) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pastina-it-registry-")
            .tempdir()
            .unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(dir.path().join("users"), HTPASSWD).unwrap();
        let auth = if login {
            format!(
                "auth:\n  htpasswd:\n    realm: here\n    path: {}\n",
                at("users")
            )
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n\
             log:\n  level: info\n{auth}",
            at("data")
        );
        fs::write(dir.path().join("config.yml"), config).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry is not here: run `make prerequisites`");
        let said = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        let at = eventually("the registry to listen", || {
            let said = said();
            let (_, rest) = said.split_once("listening on 127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("127.0.0.1:{port}"))
        });
        Self {
            child,
            dir,
            at,
            login,
        }
    }

    /// Host and port.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Puts an image under a name and tag, and gives its full name.
    pub(super) fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        for blob in &image.blobs {
            self.upload(name, blob);
        }
        self.put_manifest(
            name,
            tag,
            &image.manifest.to_string(),
            &image.manifest["mediaType"],
        );
        format!("{}/{name}:{tag}", self.at)
    }

    /// Puts any manifest.
    pub(super) fn put_manifest(
        &self,
        name: &str,
        tag: &str,
        manifest: &str,
        kind: &serde_json::Value,
    ) {
        let file = self.file(manifest.as_bytes());
        let kind = format!("Content-Type: {}", kind.as_str().unwrap());
        let url = format!("http://{}/v2/{name}/manifests/{tag}", self.at);
        let status = self
            .curl(&["-X", "PUT", "-H", &kind, "--data-binary", &file, &url])
            .0;
        assert_eq!(status, 201, "{manifest}");
    }

    fn upload(&self, name: &str, blob: &[u8]) {
        let url = format!("http://{}/v2/{name}/blobs/uploads/", self.at);
        let (status, head) = self.curl(&["-X", "POST", "-D", "-", &url]);
        assert_eq!(status, 202, "{head}");
        let line = head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case("location")
                .then(|| value.trim().to_owned())
        });
        let url = format!("{}&digest={}", line.unwrap(), digest(blob));
        let file = self.file(blob);
        let kind = "Content-Type: application/octet-stream";
        let (status, said) = self.curl(&["-X", "PUT", "-H", kind, "--data-binary", &file, &url]);
        assert_eq!(status, 201, "{said}");
    }

    fn file(&self, content: &[u8]) -> String {
        let path = self.dir.path().join("upload");
        fs::write(&path, content).unwrap();
        format!("@{}", path.display())
    }

    fn curl(&self, arguments: &[&str]) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-s", "--max-time", "60", "-w", "\n%{http_code}"]);
        if self.login {
            command.args(["-u", &format!("{USERNAME}:{PASSWORD}")]);
        }
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), body.to_owned())
    }

    /// How often a path that contains `part` was asked for with this method.
    pub(super) fn asked(&self, method: &str, part: &str) -> usize {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let wanted = format!("\"{method} ");
        log.lines()
            .filter(|line| line.contains(&wanted) && line.contains(part))
            .count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

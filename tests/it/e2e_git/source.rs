//! Deploying from a repository elsewhere, when its host calls.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    program,
    support::{PASSWORD, Repo, user},
};
use crate::support::{Answer, Api, Daemon, Own, Setup, eventually};

/// A host of repositories: git's own server behind Python's, for one user.
const HOST: &str = r#"
import base64, http.server, os, subprocess, sys
root, who = sys.argv[1], 'Basic ' + base64.b64encode(sys.argv[2].encode()).decode()
class Host(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def serve(self):
        if self.headers.get('Authorization') != who:
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Basic realm="host"')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        path, _, query = self.path.partition('?')
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL='1', PATH_INFO=path,
            QUERY_STRING=query, REQUEST_METHOD=self.command, REMOTE_USER='me',
            CONTENT_TYPE=self.headers.get('Content-Type', ''),
            HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding', ''),
            GIT_PROTOCOL=self.headers.get('Git-Protocol', ''),
            GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0='safe.directory', GIT_CONFIG_VALUE_0='*')
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        ran = subprocess.run(['git', 'http-backend'], input=body, env=env, stdout=subprocess.PIPE)
        head, _, rest = ran.stdout.partition(b'\r\n\r\n')
        fields = [line.split(': ', 1) for line in head.decode().split('\r\n') if line]
        status = [value for name, value in fields if name == 'Status']
        self.send_response(int(status[0].split()[0]) if status else 200)
        for name, value in fields:
            if name != 'Status': self.send_header(name, value)
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)
    do_GET = do_POST = serve
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Host)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A running host.
struct Host {
    child: Child,
    root: tempfile::TempDir,
    at: String,
}

impl Host {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let made = Command::new("git")
            .args(["init", "-q", "--bare", "-b", "main", "shop.git"])
            .current_dir(root.path())
            .status();
        assert!(made.unwrap().success());
        let mut child = Command::new("python3")
            .args(["-c", HOST])
            .arg(root.path())
            .arg("me:secret word")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut port).unwrap();
        // The name of this machine inside of sandboxes.
        let at = format!("http://host.pastina.internal:{}", port.trim());
        Self { child, root, at }
    }

    fn url(&self) -> String {
        format!("{}/shop.git", self.at)
    }

    /// Has what `repo` has.
    fn take(&self, repo: &Repo, branch: &str) {
        let path = self.root.path().join("shop.git");
        repo.git_ok(&["push", "-q", "--force", path.to_str().unwrap(), branch]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon whose builds may reach `host`.
fn daemon(host: &Host, dir: &Path) -> Daemon {
    let file = dir.join("pastina.toml");
    fs::write(&file, format!("[builds.env]\nMIRROR = \"{}\"\n", host.at)).unwrap();
    Daemon::with(Setup {
        arguments: vec!["--config".to_owned(), file.to_str().unwrap().to_owned()],
        ..Setup::default()
    })
}

/// What GitHub sends, signed with `secret`.
fn signature(secret: &str, body: &str) -> String {
    let script = "import hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), \
                  'sha256').hexdigest())";
    let output = Command::new("python3")
        .args(["-c", script, secret, body])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A call of a host.
fn call(api: &Api, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut arguments = vec!["-H", "Content-Type: application/json"];
    arguments.extend(headers.iter().flat_map(|header| ["-H", header]));
    arguments.extend(["--data-binary", body]);
    api.with_token("").curl("POST", path, &arguments)
}

fn pushed(branch: &str) -> String {
    json!({ "ref": format!("refs/heads/{branch}"), "after": "1".repeat(40) }).to_string()
}

/// The roles of a user in spaces.
fn roles(api: &Api, name: &str) -> Vec<String> {
    let users = api.get(&format!("/v3/users?usernames={name}")).expect(200);
    let user = users["resources"][0]["guid"].as_str().unwrap();
    let path = format!("/v3/roles?types=space_developer&user_guids={user}");
    let roles = api.get(&path).expect(200);
    let guids = roles["resources"].as_array().unwrap().iter();
    guids
        .map(|role| role["guid"].as_str().unwrap().to_owned())
        .collect()
}

/// What came of pushes to an app, the newest first.
fn results(api: &Api, app: &str) -> Vec<Value> {
    let path = format!(
        "/v3/audit_events?target_guids={app}&types=audit.app.git-push&order_by=-created_at"
    );
    let events = api.get(&path).expect(200);
    let events = events["resources"].as_array().unwrap().clone();
    events
        .into_iter()
        .map(|event| event["data"].clone())
        .collect()
}

#[test]
fn what_is_pushed_elsewhere_is_deployed_when_its_host_calls() {
    let (host, dir) = (Host::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&host, dir.path());
    let repo = Repo::new(&daemon, "sourced");
    program(&repo, "one");
    repo.commit("one");
    host.take(&repo, "main");
    let api = Api::login(&daemon);
    let (app, _) = api.app_with_package("sourced");
    let path = format!("/pastina/v1/apps/{app}/git_source");
    let hook = format!("{path}/webhook");
    let source = |password: &str, url: &str| {
        let body = json!({ "url": url, "username": "me", "password": password });
        api.send("PUT", &path, &body).expect(200)
    };
    let named = source("secret word", &host.url());
    let secret = named["secret"].as_str().unwrap().to_owned();
    assert!(
        named["webhook"].as_str().unwrap().ends_with(&hook),
        "{named}"
    );
    let shown = api.get(&path);
    assert!(!shown.body.contains("secret"), "{shown:?}");

    // Who does not know the secret learns nothing and moves nothing.
    let body = pushed("main");
    let event = "X-GitHub-Event: push";
    let wrong = format!("X-Hub-Signature-256: sha256={}", signature("guess", &body));
    for headers in [
        &[event][..],
        &[event, &wrong],
        &[event, "X-Gitlab-Token: guess"],
    ] {
        assert_eq!(call(&api, &hook, headers, &body).status, 403);
    }
    let nowhere = format!("/pastina/v1/apps/{}/git_source/webhook", "0".repeat(36));
    assert!(call(&api, &nowhere, &[event], &body).status >= 403);

    // GitHub.
    let good = format!("X-Hub-Signature-256: sha256={}", signature(&secret, &body));
    let answer = call(&api, &hook, &["X-GitHub-Event: ping", &good], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = call(&api, &hook, &[event, &good], &body);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(daemon.get_ok("sourced"), "one");
    let first = eventually("the deployment to be noted", || results(&api, &app).pop());
    assert_eq!(first["result"], "deployed", "{first}");
    assert_eq!(first["commit"], json!(repo.head()), "{first}");
    assert_eq!(first["from"], json!(host.url()), "{first}");

    // The same call once more deploys nothing: what counts is what is there.
    call(&api, &hook, &[event, &good], &body).expect(202);
    eventually("the second call to be told", || {
        let log = Own::login(&daemon).output(Path::new("/"), &["logs", "sourced", "--recent"]);
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        log.contains("Its newest commit is what is deployed")
            .then_some(())
    });
    assert_eq!(results(&api, &app).len(), 1);

    // GitLab, and Gitea.
    repo.file("page.txt", "two");
    repo.commit("two");
    host.take(&repo, "main");
    let token = format!("X-Gitlab-Token: {secret}");
    call(&api, &hook, &["X-Gitlab-Event: Push Hook", &token], &body).expect(202);
    // Asking for it again and again fills the app's log, which must hold nothing up.
    eventually("the second version", || {
        (daemon.get("sourced", "/").1 == "two").then_some(())
    });
    repo.file("page.txt", "three");
    repo.commit("three");
    host.take(&repo, "main");
    let gitea = format!("X-Gitea-Signature: {}", signature(&secret, &body));
    call(&api, &hook, &["X-Gitea-Event: push", &gitea], &body).expect(202);
    eventually("the third version", || {
        (daemon.get("sourced", "/").1 == "three").then_some(())
    });

    // Another branch is none of it.
    let other = pushed("other");
    let signed = format!("X-Gitea-Signature: {}", signature(&secret, &other));
    let answer = call(&api, &hook, &["X-Gitea-Event: push", &signed], &other);
    assert_eq!(
        answer.expect(200)["result"],
        "this is not the branch that is deployed"
    );

    // What cannot be had, and what builds may not reach.
    let closed = Host::start();
    closed.take(&repo, "main");
    for (password, url) in [("wrong", host.url()), ("secret word", closed.url())] {
        repo.file("page.txt", &url);
        repo.commit("four");
        host.take(&repo, "main");
        closed.take(&repo, "main");
        let before = results(&api, &app).len();
        source(password, &url);
        api.send("POST", &format!("{path}/deploy"), &json!({}))
            .expect(202);
        let newest = eventually("the refusal", || {
            let all = results(&api, &app);
            (all.len() > before).then(|| all[0].clone())
        });
        assert_eq!(newest["result"], "refused", "{newest}");
        let reason = newest["reason"].as_str().unwrap();
        assert!(reason.contains("cannot be fetched"), "{newest}");
    }
    assert_eq!(daemon.get_ok("sourced"), "three");
    for bad in ["ssh://host/x", "http://me:secret@host/x", "/etc"] {
        let body = json!({ "url": bad });
        assert_eq!(api.send("PUT", &path, &body).status, 422, "{bad}");
    }

    // The client, and the end of it.
    let own = Own::login(&daemon);
    let shown = own.json(Path::new("/"), &["git", "source", "sourced"]);
    assert_eq!(shown["url"], json!(closed.url()));
    own.json(Path::new("/"), &["git", "source", "sourced", "--remove"]);
    assert_eq!(call(&api, &hook, &[event, &good], &body).status, 403);
}

#[test]
fn it_is_deployed_with_the_rights_of_who_named_it() {
    let (host, dir) = (Host::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&host, dir.path());
    let repo = Repo::new(&daemon, "lent");
    program(&repo, "one");
    repo.commit("one");
    host.take(&repo, "main");
    user(&daemon, "git-lender", &["space_developer"]);
    let api = Api::login(&daemon);
    let lender = Api::login_as(&daemon, "git-lender", PASSWORD);
    let (app, _) = api.app_with_package("lent");
    let path = format!("/pastina/v1/apps/{app}/git_source");
    let body = json!({ "url": host.url(), "username": "me", "password": "secret word" });
    lender.send("PUT", &path, &body).expect(200);
    let role = roles(&api, "git-lender").pop().unwrap();
    assert_eq!(api.delete(&format!("/v3/roles/{role}")).status, 202);
    api.send("POST", &format!("{path}/deploy"), &json!({}))
        .expect(202);
    let own = Own::login(&daemon);
    eventually("the refusal to be told", || {
        let log = own.output(Path::new("/"), &["logs", "lent", "--recent"]);
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        log.contains("Refused: ").then_some(())
    });
    assert_ne!(daemon.get("lent", "/").0, 200);
}

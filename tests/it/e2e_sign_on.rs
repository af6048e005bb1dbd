//! Signing on with an account that somebody else keeps: a real OpenID Connect provider, the
//! stock cf, and a program that people log in to.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Api, Cf, Daemon, Setup};

/// What the provider knows the platform by.
const SECRET: &str = "a secret / with + signs";

/// A provider of its own, which ends with the test.
struct Provider {
    child: Child,
    issuer: String,
    /// What else it prints goes here, since it ends where it cannot.
    _lines: BufReader<ChildStdout>,
}

impl Provider {
    fn start() -> Self {
        let script = tool("oidc/provider.mjs");
        assert!(
            script.exists(),
            "{} is not there: run `make prerequisites`",
            script.display()
        );
        let mut child = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut issuer).unwrap();
        let issuer = issuer.trim().to_owned();
        assert!(issuer.starts_with("http://"), "{issuer:?}");
        Self {
            child,
            issuer,
            _lines: lines,
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the stock cf.
fn tool(name: &str) -> PathBuf {
    crate::support::stock_cf().parent().unwrap().join(name)
}

/// A browser as far as redirections, cookies and forms go.
struct Browser {
    dir: tempfile::TempDir,
}

/// Where a browser ended, and what it shows.
struct Page {
    url: String,
    status: u16,
    text: String,
}

impl Browser {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn jar(&self) -> PathBuf {
        self.dir.path().join("jar")
    }

    fn open(&self, url: &str) -> Page {
        self.load(url, &[])
    }

    fn send(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        let fields = fields.iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let arguments = fields.iter().flat_map(|field| ["--data-urlencode", field]);
        self.load(url, &arguments.collect::<Vec<_>>())
    }

    fn load(&self, url: &str, arguments: &[&str]) -> Page {
        let output = Command::new("curl")
            .args([
                "-skL",
                "--max-time",
                "60",
                "-w",
                "\n%{http_code} %{url_effective}",
            ])
            .args(["-b".as_ref(), self.jar().as_os_str()])
            .args(["-c".as_ref(), self.jar().as_os_str()])
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (text, last) = text.rsplit_once('\n').unwrap();
        let (status, url) = last.split_once(' ').unwrap();
        Page {
            url: url.to_owned(),
            status: status.parse().unwrap(),
            text: text.to_owned(),
        }
    }

    /// Fills in what the provider asks until it sends the browser away.
    fn sign_on(&self, provider: &Provider, name: &str, mut page: Page) -> Page {
        while page
            .url
            .starts_with(&format!("{}/interaction/", provider.issuer))
        {
            page = if page.text.contains("name=\"login\"") {
                let fields = [("prompt", "login"), ("login", name), ("password", "any")];
                self.send(&page.url, &fields)
            } else {
                self.send(&page.url, &[("prompt", "consent")])
            };
        }
        page
    }
}

/// A daemon that knows `provider` as the school.
fn daemon(provider: &Provider, dir: &Path, more: &str) -> Daemon {
    let secret = dir.join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let config = dir.join("pastina.toml");
    let text = format!(
        "[identity.providers.school]\nissuer = \"{}\"\nclient_id = \"pastina\"\n\
         client_secret_file = \"{}\"\ntitle = \"한국대학교\"\n{more}\n",
        provider.issuer,
        secret.display(),
    );
    fs::write(&config, text).unwrap();
    Daemon::with(Setup {
        arguments: vec!["--config".to_owned(), config.display().to_string()],
        ..Setup::default()
    })
}

fn passcode(page: &Page) -> String {
    let code = page.text.split("<code>").nth(1);
    let code = code.unwrap_or_else(|| panic!("no code at {}: {}", page.url, page.text));
    code.split('<').next().unwrap().to_owned()
}

#[test]
fn people_sign_on_with_the_account_that_they_have() {
    let (provider, dir) = (Provider::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&provider, dir.path(), "");
    let (api, browser) = (Api::login(&daemon), Browser::new());

    // The command line: `cf login --sso` names a page.
    let page = browser.open(&format!("{}/passcode", daemon.https()));
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("한국대학교 계정으로 로그인"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("href=\"/login/provider/school?\""),
        "{}",
        page.text
    );
    let start = format!("{}/login/provider/school?", daemon.https());
    let page = browser.sign_on(&provider, "ann", browser.open(&start));
    let cf = Cf::new();
    cf.run(&["api", &daemon.https(), "--skip-ssl-validation"]);
    cf.run(&["login", "--sso-passcode", &passcode(&page)]);
    assert!(cf.run(&["target"]).contains("ann"));

    // Who comes again is the same user, and a user like any other for admins.
    let user = || {
        let users = api.get("/v3/users?usernames=ann").expect(200);
        assert_eq!(users["pagination"]["total_results"], 1, "{users}");
        users["resources"][0].clone()
    };
    let ann = user();
    assert_eq!(ann["origin"], "school");
    browser.sign_on(&provider, "ann", browser.open(&start));
    assert_eq!(user(), ann);
    let admin = Cf::login(&daemon);
    admin.run(&[
        "set-space-role",
        "ann",
        "dev",
        "dev",
        "SpaceDeveloper",
        "--origin",
        "school",
    ]);
    assert!(cf.run(&["orgs"]).contains("dev"));
    // No password is theirs here.
    let refused = cf.fail(&["auth", "ann", "any", "--origin", "school"]);
    assert!(refused.contains("Credentials were rejected"), "{refused}");

    // A program that names the provider gets there at once, and the user back with a code.
    let back = format!("{}/healthz", daemon.https());
    let client = json!({
        "client_id": "dashboard", "client_secret": "s3cret", "redirect_uri": [back],
        "authorized_grant_types": ["authorization_code"], "scope": ["cloud_controller.read"],
    });
    api.send("POST", "/oauth/clients", &client).expect(201);
    let query = "client_id=dashboard&response_type=code&state=s%26t&\
                 login_hint=%7B%22origin%22%3A%22school%22%7D";
    let page = browser.open(&format!("{}/oauth/authorize?{query}", daemon.https()));
    let page = browser.sign_on(&provider, "ann", page);
    assert!(
        page.url.starts_with(&back) && page.url.ends_with("&state=s%26t"),
        "{}",
        page.url
    );
    let code = page.url.split("code=").nth(1).unwrap();
    let form = format!(
        "grant_type=authorization_code&code={}",
        code.split('&').next().unwrap()
    );
    let answer = api.with_token("").curl(
        "POST",
        "/oauth/token",
        &["-u", "dashboard:s3cret", "-d", &form],
    );
    let token = answer.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let info = api.with_token(&token).get("/userinfo").expect(200);
    assert_eq!(info["user_name"], "ann");
}

/// An ID token of the provider about `name`, as another program of the school's would get one.
fn id_token(provider: &Provider, daemon: &Daemon, browser: &Browser, name: &str) -> String {
    // The SHA-256 of forty-three times "a".
    let (verifier, challenge) = (
        "a".repeat(43),
        "ZtNPunH49FD35FWYhT5Tv8I7vRKQJ8uxMaL0_9eHjNA",
    );
    let back = format!("{}/login/callback/school", daemon.https());
    let page = browser.open(&format!(
        "{}/auth?client_id=pastina&response_type=code&scope=openid+profile&redirect_uri={back}&\
         code_challenge={challenge}&code_challenge_method=S256",
        provider.issuer
    ));
    // The platform does not take it, since nobody left from there.
    let page = browser.sign_on(provider, name, page);
    assert_eq!(page.status, 400, "{}: {}", page.url, page.text);
    let code = page.url.split("code=").nth(1).unwrap();
    let output = Command::new("curl")
        .args(["-s", "-u", "pastina:a%20secret%20%2F%20with%20%2B%20signs"])
        .args(["-d", "grant_type=authorization_code"])
        .args(["-d", &format!("code={}", code.split('&').next().unwrap())])
        .args(["-d", &format!("code_verifier={verifier}")])
        .args(["--data-urlencode", &format!("redirect_uri={back}")])
        .arg(format!("{}/token", provider.issuer))
        .output()
        .unwrap();
    let tokens: Value = serde_json::from_slice(&output.stdout).unwrap();
    let token = tokens["id_token"].as_str();
    token.unwrap_or_else(|| panic!("{tokens}")).to_owned()
}

#[test]
fn an_id_token_is_an_assertion() {
    let (provider, dir) = (Provider::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&provider, dir.path(), "");
    let (api, browser) = (Api::login(&daemon), Browser::new());
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let client = json!({
        "client_id": "pipeline", "client_secret": "s3cret", "authorized_grant_types": [bearer],
        "scope": ["openid", "cloud_controller.read"],
    });
    api.send("POST", "/oauth/clients", &client).expect(201);
    let grant = |token: &str| {
        let form = format!("grant_type={bearer}&assertion={token}");
        let arguments = ["-u", "pipeline:s3cret", "-d", &form];
        api.with_token("").curl("POST", "/oauth/token", &arguments)
    };
    let token = id_token(&provider, &daemon, &browser, "ann");
    // The provider's tokens do not say what people are called, so it has to be known.
    grant(&token).expect(401);
    let start = format!("{}/login/provider/school?", daemon.https());
    passcode(&browser.sign_on(&provider, "ann", browser.open(&start)));
    let access = grant(&token).expect(200)["access_token"].clone();
    let info = api.with_token(access.as_str().unwrap()).get("/userinfo");
    assert_eq!(info.expect(200)["user_name"], "ann");
    let forged = format!("{}x", &token[..token.len() - 4]);
    for wrong in [forged.as_str(), "a.b.c", ""] {
        grant(wrong).expect(401);
    }
}

#[test]
fn nobody_is_signed_on_whom_the_operator_does_not_want() {
    let (provider, dir) = (Provider::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&provider, dir.path(), "create_users = false");
    let start = format!("{}/login/provider/school?", daemon.https());

    // Strangers are told what an administrator can do, and it helps.
    let browser = Browser::new();
    let page = browser.sign_on(&provider, "bob", browser.open(&start));
    assert_eq!(page.status, 400);
    assert!(
        page.text.contains("cf create-user bob --origin school"),
        "{}",
        page.text
    );
    Cf::login(&daemon).run(&["create-user", "bob", "--origin", "school"]);
    passcode(&browser.sign_on(&provider, "bob", browser.open(&start)));

    // A link that somebody else began, one that was used, and one that was made up.
    let left = Command::new("curl")
        .args(["-sk", "-o", "/dev/null", "-w", "%{redirect_url}", &start])
        .output()
        .unwrap();
    let left = String::from_utf8(left.stdout).unwrap();
    assert!(left.starts_with(&provider.issuer), "{left}");
    let page = browser.sign_on(&provider, "eve", browser.open(&left));
    assert_eq!(page.status, 400);
    assert!(page.text.contains("in another browser"), "{}", page.text);
    let again = browser.open(&page.url);
    assert_eq!(again.status, 400);
    for path in [
        "login/callback/school?code=a&state=b",
        "login/callback/school",
    ] {
        assert_eq!(
            browser.open(&format!("{}/{path}", daemon.https())).status,
            400
        );
    }
    let page = browser.open(&format!("{}/login/provider/nobody", daemon.https()));
    assert!(
        page.text.contains("There is no identity provider"),
        "{}",
        page.text
    );

    let users: Value = Api::login(&daemon)
        .get("/v3/users?usernames=eve")
        .expect(200);
    assert_eq!(users["pagination"]["total_results"], 0);
}

#[test]
fn a_provider_that_is_away_is_said_to_be() {
    let (provider, dir) = (Provider::start(), tempfile::tempdir().unwrap());
    let daemon = daemon(&provider, dir.path(), "");
    drop(provider);
    let page = Browser::new().open(&format!("{}/login/provider/school", daemon.https()));
    assert_eq!(page.status, 400);
    assert!(
        page.text.contains("한국대학교 cannot be asked"),
        "{}",
        page.text
    );
    assert!(
        daemon
            .log()
            .contains("an identity provider could not be used")
    );
    // The platform's own users are not kept out by that.
    Api::login(&daemon).get("/v3/organizations").expect(200);
}

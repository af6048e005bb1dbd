//! The API by hand, for what no command line would send.

use std::process::Command;

use serde_json::Value;

use super::Daemon;

/// Somebody who is logged in.
#[derive(Clone)]
pub struct Api {
    url: String,
    /// The access token; empty for nobody.
    pub token: String,
}

/// What a request was answered with.
#[derive(Debug)]
pub struct Answer {
    /// 0 where no answer came.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The document, where the status is as expected.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The guid of what was made or found.
    #[track_caller]
    pub fn guid(&self) -> String {
        assert!(matches!(self.status, 200 | 201), "{self:?}");
        let value: Value = serde_json::from_str(&self.body).unwrap();
        value["guid"].as_str().unwrap().to_owned()
    }

    /// The text of the first error, where the status is as expected.
    #[track_caller]
    pub fn refusal(&self, status: u16) -> String {
        let value = self.expect(status);
        let error = &value["errors"][0];
        for member in ["title", "detail"] {
            assert!(error[member].is_string(), "no {member} in {}", self.body);
        }
        assert!(error["code"].is_number(), "no code in {}", self.body);
        error["detail"].as_str().unwrap().to_owned()
    }
}

impl Api {
    /// Logs in as the admin.
    pub fn login(daemon: &Daemon) -> Self {
        Self::login_as(daemon, "admin", &daemon.admin_password())
    }

    /// Logs in as somebody.
    #[track_caller]
    pub fn login_as(daemon: &Daemon, name: &str, password: &str) -> Self {
        let mut api = Self {
            url: daemon.https(),
            token: String::new(),
        };
        let form =
            |key: &str, value: &str| ["--data-urlencode".to_owned(), format!("{key}={value}")];
        let mut arguments = vec!["-u".to_owned(), "cf:".to_owned()];
        arguments.extend(form("grant_type", "password"));
        arguments.extend(form("username", name));
        arguments.extend(form("password", password));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let tokens = api.curl("POST", "/oauth/token", &arguments).expect(200);
        api.token = tokens["access_token"].as_str().unwrap().to_owned();
        api
    }

    /// The same API for the holder of another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            url: self.url.clone(),
            token: token.to_owned(),
        }
    }

    /// A request with whatever curl is told beside.
    pub fn curl(&self, method: &str, path: &str, arguments: &[&str]) -> Answer {
        let mut command = Command::new("curl");
        command
            .args(["-sk", "--max-time", "60", "-X", method, "-o", "-"])
            .args(["-w", "\n%{http_code}"])
            .args(arguments)
            .arg(format!("{}{path}", self.url));
        if !self.token.is_empty() {
            command.args(["-H", &format!("Authorization: bearer {}", self.token)]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, last) = text.rsplit_once('\n').unwrap_or(("", "0"));
        Answer {
            status: last.parse().unwrap_or(0),
            body: body.to_owned(),
        }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Answer {
        self.curl("GET", path, &[])
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        self.curl("DELETE", path, &[])
    }

    /// A request with a JSON document.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.raw(method, path, "application/json", &body.to_string())
    }

    /// A request with a body of any kind.
    pub fn raw(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let kind = format!("Content-Type: {kind}");
        self.curl(method, path, &["-H", &kind, "--data-binary", body])
    }

    /// The guid of the space that the daemon starts with.
    #[track_caller]
    pub fn space(&self) -> String {
        let spaces = self.get("/v3/spaces?names=dev").expect(200);
        spaces["resources"][0]["guid"].as_str().unwrap().to_owned()
    }

    /// Makes an app with a package that waits for its bits; both guids.
    #[track_caller]
    pub fn app_with_package(&self, name: &str) -> (String, String) {
        let to = |guid: &str| serde_json::json!({ "data": { "guid": guid } });
        let body =
            serde_json::json!({ "name": name, "relationships": { "space": to(&self.space()) } });
        let app = self.send("POST", "/v3/apps", &body).guid();
        let body = serde_json::json!({ "type": "bits", "relationships": { "app": to(&app) } });
        let package = self.send("POST", "/v3/packages", &body).guid();
        (app, package)
    }
}

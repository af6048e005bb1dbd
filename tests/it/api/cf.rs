//! The stock command line against the API.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::harness::{PASSWORD, Platform};
use crate::support::stock_cf;

/// The command line with a home folder of its own.
pub(super) struct Cf {
    pub(super) program: PathBuf,
    pub(super) home: tempfile::TempDir,
}

impl Cf {
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .env("CF_HOME", self.home.path())
            .env("CF_COLOR", "false")
            .env_remove("CF_TRACE")
            .output()
            .unwrap()
    }

    /// What it prints, where it ends well.
    #[track_caller]
    pub(super) fn good(&self, line: &str) -> String {
        let arguments: Vec<_> = line.split(' ').map(|word| word.replace('+', " ")).collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = self.run(&arguments);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "cf {line}:\n{text}");
        text
    }
}

pub(super) async fn serve(platform: &Platform) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = platform.router.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                // A client that goes away is no failure of the test.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_command_line_works() {
    let platform = Platform::start().await;
    let address = serve(&platform).await;
    let cf = Cf {
        program: stock_cf(),
        home: tempfile::tempdir().unwrap(),
    };
    let client = json!({
        "client_id": "deployer", "client_secret": "s3cret",
        "authorized_grant_types": ["client_credentials"],
        "authorities": ["cloud_controller.admin"],
    });
    platform.make("/oauth/clients", client).await;
    let code = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let page = platform.form("/passcode", &code).await.expect(200);
    let page = page.as_str().unwrap().to_owned();
    let code = page.split("<code>").nth(1).unwrap();
    let code = code.split('<').next().unwrap().to_owned();
    let story = move || {
        let api = format!("http://{address}");
        tell(&cf, &api);
        // A program, and a person who logged in on a page.
        cf.good("auth deployer s3cret --client-credentials");
        assert!(cf.good("orgs").contains("dev"));
        cf.good("logout");
        cf.good(&format!("login -a {api} --sso-passcode {code}"));
        assert!(cf.good("target").contains("admin"));
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}

fn tell(cf: &Cf, api: &str) {
    let check = |line: &str, expected: &[&str]| {
        let text = cf.good(line);
        for part in expected {
            assert!(text.contains(part), "cf {line} lacks {part:?}:\n{text}");
        }
    };
    let password = PASSWORD.replace(' ', "+");
    check(&format!("api {api}"), &["OK"]);
    assert!(!cf.run(&["auth", "admin", "wrong"]).status.success());
    check(
        &format!("login -a {api} -u admin -p {password}"),
        &["OK", "org:", "dev", "space:"],
    );
    check("orgs", &["dev"]);
    check("create-org lab -q default", &["OK"]);
    check("create-org lab", &["already exists", "OK"]);
    check("target -o lab", &["lab"]);
    check(
        "create-space web",
        &["OK", "SpaceManager", "SpaceDeveloper"],
    );
    check("create-space web", &["already exists"]);
    check("target -s web", &["web"]);
    check("org lab", &["web", "apps.test", "default"]);
    check("spaces", &["web"]);
    check(&format!("create-user ann {password}"), &["OK"]);
    check(&format!("create-user ann {password}"), &["already exists"]);
    check("set-org-role ann lab OrgManager", &["OK"]);
    check("set-space-role ann lab web SpaceDeveloper", &["OK"]);
    check("set-space-role ann lab web SpaceDeveloper", &["OK"]);
    check("org-users lab", &["ORG MANAGER", "ann (uaa)"]);
    check(
        "space-users lab web",
        &["SPACE DEVELOPER", "ann (uaa)", "admin (uaa)"],
    );
    check("unset-space-role ann lab web SpaceDeveloper", &["OK"]);
    check("domains", &["apps.test", "shared"]);
    check("create-private-domain lab lab.example", &["OK"]);
    check("create-private-domain lab lab.example", &["already in use"]);
    check(
        "create-route apps.test --hostname site --path /v1",
        &["site.apps.test/v1"],
    );
    check(
        "create-route apps.test --hostname site --path /v1",
        &["already exists"],
    );
    check(
        "check-route apps.test --hostname site --path /v1",
        &["does exist"],
    );
    check("route apps.test --hostname site --path /v1", &["site"]);
    check("set-label org lab term=2026", &["OK"]);
    check("orgs --labels term=2026", &["lab"]);
    check("labels org lab", &["term", "2026"]);
    check(
        "delete-route apps.test --hostname site --path /v1 -f",
        &["OK"],
    );
    check("create-route lab.example", &["OK"]);
    check("delete-orphaned-routes -f", &["OK"]);
    check("delete-private-domain lab.example -f", &["OK"]);
    check("space-ssh-allowed web", &["enabled"]);
    check("disallow-space-ssh web", &["OK"]);
    check("rename-space web site", &["OK"]);
    check("rename-org lab labor", &["OK"]);
    check("org-quotas", &["default"]);
    check("org-quota default", &["unlimited"]);
    check(
        "create-org-quota small -m 1G -i 256M -r 1 -s 0 -a 4 --reserved-route-ports 0 -l 1M",
        &["OK"],
    );
    check("create-org-quota small", &["already exists"]);
    check("set-org-quota labor small", &["OK"]);
    check("org labor", &["small"]);
    check("org-quota small", &["1G", "256M", "disallowed"]);
    check(
        "update-org-quota small --allow-paid-service-plans -n tiny",
        &["OK"],
    );
    check("org-quota tiny", &["allowed"]);
    check("org-quotas", &["default", "tiny", "1G"]);
    check("target -o labor", &["labor"]);
    check("create-space-quota student -m 128M -r 5", &["OK"]);
    check("space-quotas", &["student", "128M"]);
    check("set-space-quota site student", &["OK"]);
    check("space-quota student", &["128M", "unlimited"]);
    check("update-space-quota student -m 64M", &["OK"]);
    check("unset-space-quota site student", &["OK"]);
    check("delete-space-quota student -f", &["OK"]);
    check("delete-space-quota student -f", &["not found"]);
    check("set-org-quota labor default", &["OK"]);
    check("delete-org-quota tiny -f", &["OK"]);
    check("create-isolation-segment gpu", &["OK"]);
    check("enable-org-isolation labor gpu", &["OK"]);
    check("isolation-segments", &["gpu", "labor", "shared"]);
    check("set-org-default-isolation-segment labor gpu", &["OK"]);
    check("org labor", &["gpu (default)"]);
    check("set-space-isolation-segment site gpu", &["OK"]);
    check("space site", &["gpu"]);
    check("reset-space-isolation-segment site", &["OK"]);
    check("reset-org-default-isolation-segment labor", &["OK"]);
    check("disable-org-isolation labor gpu", &["OK"]);
    check("delete-isolation-segment gpu -f", &["OK"]);
    check("disable-feature-flag app_scaling", &["OK"]);
    check("feature-flag app_scaling", &["disabled"]);
    check("enable-feature-flag app_scaling", &["OK"]);
    check(
        "set-running-environment-variable-group {\"PROXY\":\"http://proxy\"}",
        &["OK"],
    );
    check(
        "running-environment-variable-group",
        &["PROXY", "http://proxy"],
    );
    check("set-running-environment-variable-group {}", &["OK"]);
    check("stacks", &["cflinuxfs4"]);
    check("feature-flags", &["user_org_creation"]);
    check("isolation-segments", &["shared"]);
    check(
        "running-environment-variable-group",
        &["running environment variable group"],
    );
    check("security-groups", &["public_networks", "dns"]);
    check("service-brokers", &["No service brokers found"]);
    check("router-groups", &[]);
    check("oauth-token", &["bearer "]);
    check("curl /v3/info", &["pastina"]);
    check("target -o labor -s site", &["site"]);
    check("space site", &["site", "labor"]);
    check("create-route apps.test --hostname r1", &["OK"]);
    check("routes", &["r1", "site"]);
    check("routes --org-level", &["r1"]);
    check("apps", &["No apps found"]);
    check("services", &["No service instances found"]);
    check("marketplace", &["No service"]);
    check("delete-user ann -f", &["OK"]);
    check("delete-user ann -f", &["does not exist"]);
    check("delete-space site -f", &["OK"]);
    check("delete-org labor -f", &["OK"]);
    check("delete-org labor -f", &["does not exist"]);
    check("logout", &["OK"]);
    assert!(!cf.run(&["orgs"]).status.success());
}

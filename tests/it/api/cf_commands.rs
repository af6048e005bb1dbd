//! Commands of the stock client that no other story needs, so that each of `cf help -a` is run
//! at least once.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    cf::{Cf, serve},
    cf_push::reconcile,
    harness::{PASSWORD, Platform},
};
use crate::support::stock_cf;

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_the_commands_work() {
    let platform = Platform::start().await;
    let address = serve(&platform).await;
    let stand_in = tokio::spawn(reconcile(
        platform.actions.clone(),
        platform.observed.clone(),
    ));
    let cf = Cf {
        program: stock_cf(),
        home: tempfile::tempdir().unwrap(),
    };
    let story = move || {
        let folder = tempfile::tempdir().unwrap();
        let api = format!("http://{address}");
        let password = PASSWORD.replace(' ', "+");
        cf.good(&format!(
            "login -a {api} -u admin -p {password} -o dev -s dev"
        ));
        let story = Story { cf };
        story.domains_and_people();
        story.apps(folder.path());
        story.services();
        story.programs_own();
        story.password();
    };
    tokio::task::spawn_blocking(story).await.unwrap();
    stand_in.abort();
}

struct Story {
    cf: Cf,
}

impl Story {
    #[track_caller]
    fn check(&self, line: &str, expected: &[&str]) {
        let text = self.cf.good(line);
        for part in expected {
            assert!(text.contains(part), "cf {line} lacks {part:?}:\n{text}");
        }
    }

    /// The same for a command that asks, and is answered with `input`.
    #[track_caller]
    fn answering(&self, input: &str, arguments: &[&str], expected: &str) {
        let mut child = Command::new(&self.cf.program)
            .args(arguments)
            .env("CF_HOME", self.cf.home.path())
            .env("CF_COLOR", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = crate::support::text(&output);
        assert!(output.status.success(), "cf {arguments:?}:\n{text}");
        assert!(text.contains(expected), "cf {arguments:?}:\n{text}");
    }

    /// The same where it must fail.
    #[track_caller]
    fn refused(&self, arguments: &[&str], expected: &str) {
        let output = self.cf.run(arguments);
        let text = crate::support::text(&output);
        assert!(!output.status.success(), "cf {arguments:?}:\n{text}");
        assert!(text.contains(expected), "cf {arguments:?}:\n{text}");
    }

    fn domains_and_people(&self) {
        let password = PASSWORD.replace(' ', "+");
        self.check("create-shared-domain shared.example", &["OK"]);
        self.check("domains", &["shared.example", "shared"]);
        self.refused(
            &["create-shared-domain", "shared.example"],
            "already in use",
        );
        self.check("delete-shared-domain shared.example -f", &["OK"]);
        self.check("create-org guest", &["OK"]);
        self.check("create-private-domain dev own.example", &["OK"]);
        self.check("share-private-domain guest own.example", &["OK"]);
        self.check("target -o guest", &["guest"]);
        self.check("domains", &["own.example", "private"]);
        self.check("target -o dev -s dev", &["dev"]);
        self.answering(
            "y\n",
            &["unshare-private-domain", "guest", "own.example"],
            "OK",
        );
        self.check("delete-private-domain own.example -f", &["OK"]);

        self.check(&format!("create-user eve {password}"), &["OK"]);
        self.check("set-org-role eve guest OrgAuditor", &["OK"]);
        self.check("org-users guest", &["eve"]);
        self.check("unset-org-role eve guest OrgAuditor", &["OK"]);
        assert!(
            !self
                .cf
                .good("org-users guest -a")
                .contains("ORG AUDITOR\n  eve")
        );
        self.check("set-label org guest term=2026 kind=class", &["OK"]);
        self.check("unset-label org guest kind", &["OK"]);
        let labels = self.cf.good("labels org guest");
        assert!(
            labels.contains("term") && !labels.contains("kind"),
            "{labels}"
        );
        self.check(
            "set-staging-environment-variable-group {\"MIRROR\":\"here\"}",
            &["OK"],
        );
        self.check("staging-environment-variable-group", &["MIRROR", "here"]);
        self.check("set-staging-environment-variable-group {}", &["OK"]);
        self.check("delete-org guest -f", &["OK"]);
        self.check("update-stack cflinuxfs4 --state deprecated", &["OK"]);
        self.check("stack cflinuxfs4", &["DEPRECATED"]);
        self.check("update-stack cflinuxfs4 --state active", &["OK"]);
    }

    fn apps(&self, folder: &Path) {
        self.check("create-app shop", &["OK"]);
        self.check("create-app shop", &["already exists"]);
        self.check("get-health-check shop", &["port", "web"]);
        self.check("get-readiness-health-check shop", &["process", "web"]);
        let manifest = folder.join("manifest.yml");
        let text = "applications:\n- name: shop\n  memory: 32M\n  env: {COLOUR: green}\n  \
                    readiness-health-check-type: http\n  \
                    readiness-health-check-http-endpoint: /ready\n";
        fs::write(&manifest, text).unwrap();
        self.check(
            &format!("apply-manifest -f {}", manifest.display()),
            &["OK", "COLOUR"],
        );
        self.check("env shop", &["COLOUR", "green"]);
        self.check("get-readiness-health-check shop", &["http", "/ready"]);
        let site = folder.join("site");
        fs::create_dir(&site).unwrap();
        fs::write(site.join("index.html"), "hello").unwrap();
        let made = self
            .cf
            .good(&format!("create-package shop -p {}", site.display()));
        let package = made.split('\'').nth(1).unwrap();
        self.check("packages shop", &[package, "ready"]);
        self.check(
            &format!("stage-package shop --package-guid {package}"),
            &["droplet guid:"],
        );
        self.check("droplets shop", &["staged"]);
        self.check("create-route apps.test --hostname till", &["OK"]);
        self.check("map-route shop apps.test --hostname till", &["OK"]);
        self.check(
            "update-destination shop apps.test --hostname till --app-protocol http2",
            &["OK"],
        );
        self.check("route apps.test --hostname till", &["http2"]);
        self.check("cleanup-outdated-service-bindings shop", &[]);
        self.check("delete shop -f", &["OK"]);
    }

    fn services(&self) {
        self.check(
            "create-user-provided-service db -p {\"url\":\"mysql://one\"} -t sql,small",
            &["OK"],
        );
        self.check("service db", &["user-provided", "sql, small"]);
        self.check(
            "update-user-provided-service db -p {\"url\":\"mysql://two\"} -l https://logs.example",
            &["OK"],
        );
        self.check("service db", &["https://logs.example"]);
        self.check("delete-service db -f", &["OK"]);
    }

    /// What the program does without a platform.
    fn programs_own(&self) {
        self.check("help push", &["USAGE"]);
        self.check("list-plugin-repos", &["CF-Community"]);
        self.refused(&["add-plugin-repo", "none", "http://127.0.0.1:1"], "");
        self.refused(&["repo-plugins", "-r", "none"], "");
        self.check("remove-plugin-repo CF-Community", &["OK"]);
        self.check("plugins", &["Listing installed plugins"]);
        self.refused(&["install-plugin", "/nowhere", "-f"], "not found");
        self.refused(&["uninstall-plugin", "none"], "not");
    }

    /// Last, since it ends the login.
    fn password(&self) {
        let new = "another horse battery";
        let input = format!("{PASSWORD}\n{new}\n{new}\n");
        self.answering(&input, &["passwd"], "OK");
        self.refused(&["auth", "admin", PASSWORD], "");
        self.check("auth admin another+horse+battery", &["OK"]);
    }
}

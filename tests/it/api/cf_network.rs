//! The stock command line's words about what apps may reach.

use super::{
    cf::{Cf, serve},
    harness::{PASSWORD, Platform},
};
use crate::support::stock_cf;

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_command_line_rules_what_apps_may_reach() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    for app in ["shop", "orders"] {
        platform.app(app, &space).await;
    }
    let address = serve(&platform).await;
    let cf = Cf {
        program: stock_cf(),
        home: tempfile::tempdir().unwrap(),
    };
    let story = move || {
        let password = PASSWORD.replace(' ', "+");
        cf.good(&format!("login -a http://{address} -u admin -p {password}"));
        cf.good("target -o dev -s dev");
        groups(&cf);
        policies(&cf);
        services(&cf);
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}

fn check(cf: &Cf, line: &str, expected: &[&str]) {
    let text = cf.good(line);
    for part in expected {
        assert!(text.contains(part), "cf {line} lacks {part:?}:\n{text}");
    }
}

#[track_caller]
fn lacks(cf: &Cf, line: &str, part: &str) {
    let text = cf.good(line);
    assert!(!text.contains(part), "cf {line} has {part:?}:\n{text}");
}

fn groups(cf: &Cf) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rules = file(
        "rules.json",
        r#"[{"protocol": "tcp", "destination": "10.0.0.0/24", "ports": "5432", "log": true}]"#,
    );
    let wider = file(
        "wider.json",
        r#"[{"protocol": "all", "destination": "10.0.0.0/8"}]"#,
    );
    let wrong = file(
        "wrong.json",
        r#"[{"protocol": "tcp", "destination": "db"}]"#,
    );
    let check = |line: &str, expected: &[&str]| check(cf, line, expected);
    check(&format!("create-security-group db {rules}"), &["OK"]);
    check(
        &format!("create-security-group db {rules}"),
        &["already exists"],
    );
    let refused = cf.run(&["create-security-group", "x", &wrong]);
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("Rules[0]"), "{text}");
    check(
        "security-groups",
        &["db", "dns", "public_networks", "<all>"],
    );
    check(
        "security-group db",
        &["10.0.0.0/24", "5432", "No spaces assigned"],
    );
    check("bind-security-group db dev", &["OK"]);
    check("bind-security-group db dev --space dev", &["OK"]);
    check(
        "bind-security-group db dev --space dev --lifecycle staging",
        &["OK"],
    );
    check("security-group db", &["dev"]);
    check("security-groups", &["running", "staging"]);
    check("space dev", &["running security groups:", "db"]);
    check("space dev --security-group-rules", &["10.0.0.0/24", "5432"]);
    check(&format!("update-security-group db {wider}"), &["OK"]);
    check("security-group db", &["10.0.0.0/8"]);
    check(
        "unbind-security-group db dev dev --lifecycle staging",
        &["OK"],
    );
    check(
        "unbind-security-group db dev dev --lifecycle staging",
        &["OK"],
    );
    check("unbind-security-group db dev dev", &["OK"]);
    check("bind-running-security-group db", &["OK"]);
    check("bind-staging-security-group db", &["OK"]);
    check("running-security-groups", &["db", "dns", "public_networks"]);
    check("staging-security-groups", &["db"]);
    check("unbind-running-security-group db", &["OK"]);
    check("unbind-staging-security-group db", &["OK"]);
    lacks(cf, "running-security-groups", "db");
    check("delete-security-group db -f", &["OK"]);
    check("delete-security-group db -f", &["does not exist"]);
    lacks(cf, "security-groups", "db");
}

fn policies(cf: &Cf) {
    let check = |line: &str, expected: &[&str]| check(cf, line, expected);
    check("add-network-policy shop orders", &["OK"]);
    check(
        "add-network-policy shop orders --protocol udp --port 5000-5010",
        &["OK"],
    );
    check(
        "network-policies",
        &["shop", "orders", "tcp", "8080", "udp", "5000-5010", "dev"],
    );
    check("network-policies --source shop", &["orders"]);
    lacks(cf, "network-policies --source orders", "8080");
    check(
        "remove-network-policy shop orders --protocol udp --port 5000-5010",
        &["OK"],
    );
    lacks(cf, "network-policies", "5000");
    check(
        "create-route apps.internal --hostname orders",
        &["orders.apps.internal"],
    );
    check("map-route orders apps.internal --hostname orders", &["OK"]);
    check("routes", &["orders", "apps.internal"]);
    check("domains", &["apps.internal", "shared"]);
    check(
        "unmap-route orders apps.internal --hostname orders",
        &["OK"],
    );
}

fn services(cf: &Cf) {
    let check = |line: &str, expected: &[&str]| check(cf, line, expected);
    let uri = r#"{"uri":"postgres://u:s3cret@db.lan:5432/x"}"#;
    check(&format!("cups db -p {uri} -t sql,orders"), &["OK"]);
    check(&format!("cups db -p {uri}"), &["already exists"]);
    check("services", &["db", "user-provided"]);
    check(
        "service db",
        &["user-provided", "sql, orders", "no bound apps"],
    );
    check("bind-service shop db --binding-name orders", &["OK"]);
    check("bind-service shop db", &["already bound", "OK"]);
    check("services", &["db", "shop"]);
    check("service db", &["shop", "orders"]);
    check(
        "env shop",
        &["VCAP_SERVICES", "s3cret", "binding_name", "orders"],
    );
    check("uups db -l syslog://logs.example.kr:514", &["OK"]);
    check("service db", &["syslog://logs.example.kr:514"]);
    check("rename-service db database", &["OK"]);
    check("service database --guid", &["-"]);
    check("unbind-service shop database", &["OK"]);
    check("unbind-service shop database", &["OK"]);
    lacks(cf, "env shop", "s3cret");
    lacks(cf, "events shop", "s3cret");
    check("delete-service database -f", &["OK"]);
    check("delete-service database -f", &["OK"]);
    check("services", &["No service instances found"]);
}

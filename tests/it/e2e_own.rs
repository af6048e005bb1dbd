//! Our own command line where several people share a platform: places, people, roles, services,
//! and the way into an instance.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Broker, Daemon, Own, PASSWORD, USER, example, text};

const HERE: &str = "/";

fn run(own: &Own<'_>, line: &[&str]) -> Value {
    own.json(Path::new(HERE), line)
}

fn names(list: &Value) -> Vec<&str> {
    let each = list.as_array().unwrap().iter();
    each.filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn a_class_gets_its_places_and_its_people_theirs() {
    let daemon = Daemon::start();
    let own = Own::login(&daemon);
    run(&own, &["org", "create", "univ"]);
    run(&own, &["target", "-o", "univ"]);
    run(&own, &["space", "create", "lab"]);
    run(&own, &["space", "create", "spare"]);
    run(&own, &["target", "-s", "lab"]);
    assert_eq!(names(&run(&own, &["org", "list"])), ["dev", "univ"]);
    assert_eq!(names(&run(&own, &["spaces", "list"])), ["lab", "spare"]);
    run(&own, &["space", "rename", "lab", "lab-1"]);
    assert_eq!(run(&own, &["target"])["space"], "lab-1");
    run(&own, &["space", "delete", "spare", "-f"]);
    own.fail(Path::new(HERE), &["space", "delete", "spare", "-f"], 4);

    let word = "correct horse";
    run(&own, &["user", "create", "ann", "--password", word]);
    let again = own.fail(
        Path::new(HERE),
        &["user", "create", "ann", "--password", word],
        5,
    );
    assert!(again.contains("already in use"), "{again}");
    let nobody = own.fail(Path::new(HERE), &["user", "create", "bob"], 2);
    assert!(nobody.contains("PASTINA_NEW_PASSWORD"), "{nobody}");
    run(&own, &["role", "give", "ann", "developer"]);
    // Twice is as good as once.
    run(&own, &["role", "give", "ann", "developer"]);
    let roles = run(&own, &["role", "list"]);
    let of_ann = roles.as_array().unwrap().iter();
    let of_ann: Vec<_> = of_ann
        .filter(|role| role["user"] == "ann")
        .map(|role| {
            (
                role["role"].as_str().unwrap(),
                role["place"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(of_ann, [("org-user", "univ"), ("developer", "lab-1")]);

    let ann = Own::login_as(&daemon, "ann", word);
    assert_eq!(run(&ann, &["target"])["space"], "lab-1");
    ann.json(
        &example("static-site"),
        &["push", "hers", "-m", "32M", "--no-start"],
    );
    own.fail(Path::new(HERE), &["role", "take", "ann", "org-manager"], 4);
    run(&own, &["role", "take", "ann", "developer"]);
    ann.fail(Path::new(HERE), &["app", "hers"], 4);
    run(
        &own,
        &["user", "password", "ann", "--password", "battery staple"],
    );
    ann.fail(Path::new(HERE), &["apps"], 3);
    Own::login_as(&daemon, "ann", "battery staple");
    run(&own, &["user", "delete", "ann", "-f"]);
    let users = run(&own, &["user", "list"]);
    let mut users = users.as_array().unwrap().iter();
    assert!(users.all(|user| user["username"] != "ann"));
    own.fail(Path::new(HERE), &["user", "delete", "ann", "-f"], 4);
    run(&own, &["org", "delete", "univ", "-f"]);
    assert_eq!(run(&own, &["target"])["org"], "dev");
}

#[test]
fn a_broker_is_registered_and_makes_a_service() {
    let daemon = Daemon::start();
    let (own, broker) = (Own::login(&daemon), Broker::start("db"));
    let login = ["-u", USER, "-p", PASSWORD];
    let url = broker.url();
    let mut line = vec!["broker", "create", "databases", &url];
    line.extend(login);
    run(&own, &line);
    assert_eq!(names(&run(&own, &["broker", "list"])), ["databases"]);
    own.fail(Path::new(HERE), &["broker", "open", "queue"], 4);
    run(&own, &["broker", "open", "db", "--plan", "small", "--org"]);
    let offers = run(&own, &["service", "offers"]);
    assert!(
        offers
            .as_array()
            .unwrap()
            .iter()
            .any(|offer| offer["plan"] == "small"),
        "{offers}"
    );
    run(&own, &["broker", "open", "db"]);
    run(&own, &["broker", "update", "databases"]);
    let several = own.fail(
        Path::new(HERE),
        &["service", "create", "mine", "--offer", "db"],
        2,
    );
    assert!(
        several.contains("large, small") || several.contains("small, large"),
        "{several}"
    );
    let make = [
        "service", "create", "mine", "--offer", "db", "--plan", "small",
    ];
    run(
        &own,
        &[&make[..], &["--parameters", "{\"size\": 3}"]].concat(),
    );
    let asked = broker.seen("PUT", "/v2/service_instances/");
    assert_eq!(asked[0].body["parameters"], json!({ "size": 3 }));
    let shown = run(&own, &["service", "show", "mine"]);
    assert_eq!(shown["last_operation"]["state"], "succeeded", "{shown}");
    run(&own, &["service", "update", "mine", "--plan", "large"]);
    let asked = broker.seen("PATCH", "/v2/service_instances/");
    assert_eq!(asked[0].body["plan_id"], "db-large");

    run(&own, &["service", "key", "create", "mine", "laptop"]);
    assert_eq!(
        names(&run(&own, &["service", "keys", "list", "mine"])),
        ["laptop"]
    );
    let key = run(&own, &["service", "key", "show", "mine", "laptop"]);
    assert_eq!(key["uri"], "mysql://user:word@db.example.kr:3306/x");
    run(&own, &["service", "key", "delete", "mine", "laptop", "-f"]);
    run(&own, &["service", "delete", "mine", "-f"]);
    assert_eq!(broker.holds(), (0, 0));
    run(&own, &["broker", "close", "db"]);
    run(&own, &["broker", "delete", "databases", "-f"]);
    assert_eq!(names(&run(&own, &["brokers", "list"])), Vec::<&str>::new());
}

#[test]
fn an_instance_is_entered_and_its_exit_code_comes_out() {
    let daemon = Daemon::start();
    let own = Own::login(&daemon);
    own.json(&example("procfile"), &["push", "procfile", "-m", "128M"]);
    let enter = |line: &[&str]| {
        let mut all = vec!["ssh", "procfile"];
        all.extend(line);
        own.output(Path::new(HERE), &all)
    };
    let output = enter(&["ls", "app"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("Procfile"), "{}", text(&output));
    let output = enter(&["echo $CF_INSTANCE_INDEX; exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    assert_eq!(text(&output), "0\n");
    own.fail(Path::new(HERE), &["ssh", "nothing"], 4);
    own.fail(
        Path::new(HERE),
        &["ssh", "procfile", "--process", "none"],
        4,
    );
}

//! Who sees what: plans of organizations and of one space, and instances that are shared.

use serde_json::json;

use super::{detail, ends, found, instance, register, registration, to};
use crate::support::{Api, Broker, Cf, Daemon, PASSWORD, USER, catalog};

#[test]
fn a_plan_is_for_those_who_may_see_it() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("seen-db");
    cf.run(&[
        "create-service-broker",
        "seen",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    cf.run(&["create-org", "seen-org"]);
    cf.run(&[
        "enable-service-access",
        "seen-db",
        "-p",
        "small",
        "-o",
        "seen-org",
    ]);
    let access = cf.run(&["service-access", "-b", "seen"]);
    assert!(
        access.contains("limited") && access.contains("seen-org"),
        "{access}"
    );
    let refused = cf.fail(&["create-service", "seen-db", "small", "seen-one"]);
    assert!(
        refused.contains("is not enabled in this organization"),
        "{refused}"
    );
    // Who is nobody sees what is public alone.
    let nobody = api.with_token("");
    let path = "/v3/service_plans?service_broker_names=seen";
    let count = |api: &Api| api.get(path).expect(200)["pagination"]["total_results"].clone();
    assert_eq!((count(&api), count(&nobody)), (json!(2), json!(0)));
    cf.run(&["enable-service-access", "seen-db", "-p", "large"]);
    assert_eq!(count(&nobody), 1);
    cf.run(&[
        "disable-service-access",
        "seen-db",
        "-p",
        "small",
        "-o",
        "seen-org",
    ]);
    cf.run(&["disable-service-access", "seen-db"]);
    assert_eq!(count(&nobody), 0);
    cf.run(&["delete-service-broker", "seen", "-f"]);
    cf.run(&["delete-org", "seen-org", "-f"]);
}

#[test]
fn a_broker_of_one_space_serves_it_alone_and_opens_no_address() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("own-db");
    cf.run(&["create-space", "own-space"]);
    cf.run(&["target", "-s", "own-space"]);
    let create = ["create-service-broker", "own", USER, PASSWORD];
    cf.run(&[create.as_slice(), &[&broker.url(), "--space-scoped"]].concat());
    cf.run(&["create-service", "own-db", "small", "own-one", "--wait"]);
    let plan = found(&api, "own-one").unwrap()["relationships"]["service_plan"]["data"]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = instance("own-two", &plan, &api.space());
    let refused = api.send("POST", "/v3/service_instances", &body);
    assert!(refused.refusal(422).contains("space-scoped broker"));
    let visibility = api.get(&format!("/v3/service_plans/{plan}/visibility"));
    assert_eq!(visibility.expect(200)["type"], "space");
    // The space takes all of it along, and the broker hears of it.
    cf.run(&["create-service-key", "own-one", "key", "--wait"]);
    assert_eq!(broker.holds(), (1, 1));
    cf.run(&["delete-space", "own-space", "-f"]);
    assert_eq!(broker.holds(), (0, 0));
    assert!(!cf.run(&["service-brokers"]).contains(&broker.url()));
}

#[test]
fn a_developers_broker_is_asked_on_the_internet_alone() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    cf.run(&["create-user", "broker-dev", "pass word"]);
    cf.run(&[
        "set-space-role",
        "broker-dev",
        "dev",
        "dev",
        "SpaceDeveloper",
    ]);
    let dev = Api::login_as(&daemon, "broker-dev", "pass word");
    let broker = Broker::start("inside-db");
    let port = broker.url().rsplit(':').next().unwrap().to_owned();
    let mut body = registration("inside", &broker);
    body["relationships"] = json!({ "space": to(&api.space()) });
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "broker.localhost",
    ] {
        body["url"] = format!("http://{host}:{port}").into();
        let job = ends(&dev, "/v3/service_brokers", "POST", &body, "FAILED");
        assert!(
            detail(&job).contains("is not on the internet"),
            "{host}: {job}"
        );
        assert_eq!(job["errors"][0]["title"], "CF-ServiceBrokerApiUnreachable");
        cf.run(&["delete-service-broker", "inside", "-f"]);
    }
    assert!(broker.seen("GET", "").is_empty());
    // For all there are only brokers of admins.
    let refused = dev.send(
        "POST",
        "/v3/service_brokers",
        &registration("mine", &broker),
    );
    refused.refusal(403);
    cf.run(&["delete-user", "broker-dev", "-f"]);
}

#[test]
fn a_new_catalog_changes_what_is_offered() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("moving-db");
    let plan = register(&api, "moving", &broker);
    let body = instance("moving-one", &plan, &api.space());
    ends(&api, "/v3/service_instances", "POST", &body, "COMPLETE");
    broker.change(|rules| {
        rules.catalog = catalog("moving-db");
        let plans = rules.catalog["services"][0]["plans"]
            .as_array_mut()
            .unwrap();
        plans.retain(|plan| plan["name"] != "small");
    });
    let update = [
        "update-service-broker",
        "moving",
        USER,
        PASSWORD,
        &broker.url(),
    ];
    let warned = cf.run(&update);
    assert!(warned.contains("Plans deactivated: small"), "{warned}");
    let body = instance("moving-two", &plan, &api.space());
    let refused = api.send("POST", "/v3/service_instances", &body);
    assert!(
        refused
            .refusal(422)
            .contains("has been removed from the service broker's catalog")
    );
    cf.run(&["delete-service", "moving-one", "-f", "--wait"]);
    cf.run(&update);
    let gone = api.get(&format!("/v3/service_plans/{plan}"));
    assert_eq!(gone.refusal(404), "Service plan not found");
    // A catalog that is none changes nothing.
    broker.change(|rules| rules.catalog = json!({ "services": [] }));
    let refused = cf.fail(&update);
    assert!(
        refused.contains(
            "Service broker catalog is invalid: \nService broker must provide at least one service"
        ),
        "{refused}"
    );
    assert!(
        cf.run(&["service-access", "-b", "moving"])
            .contains("large")
    );
    cf.run(&["delete-service-broker", "moving", "-f"]);
}

//! Instances that are shared with other spaces, with the stock command line.

use serde_json::json;

use super::{found, register, to};
use crate::support::{Api, Broker, Cf, Daemon, PASSWORD, USER, folder};

#[test]
fn an_instance_is_used_in_other_spaces_until_its_owners_take_it_back() {
    let daemon = Daemon::start();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("shared-db");
    cf.run(&[
        "create-service-broker",
        "sharing",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    cf.run(&["enable-service-access", "shared-db"]);
    cf.run(&["create-service", "shared-db", "small", "common", "--wait"]);
    cf.run(&["create-org", "guests"]);
    cf.run(&["create-space", "garden", "-o", "guests"]);
    let share = ["share-service", "common", "-o", "guests", "-s", "garden"];
    let unshare = ["unshare-service", "common", "-o", "guests", "-s", "garden"];
    let refused = cf.fail(&share);
    assert!(refused.contains("service_instance_sharing"), "{refused}");
    cf.run(&["enable-feature-flag", "service_instance_sharing"]);
    cf.run(&share);
    let again = cf.fail(&["share-service", "common", "-s", "dev"]);
    assert!(
        again.contains("cannot be shared into the space where they were created"),
        "{again}"
    );
    let shown = cf.run(&["service", "common"]);
    assert!(
        shown.contains("Shared with spaces:") && shown.contains("garden"),
        "{shown}"
    );
    let service = found(&api, "common").unwrap();
    let path = format!(
        "/v3/service_instances/{}/relationships/shared_spaces",
        service["guid"].as_str().unwrap()
    );
    let whole = format!("{path}?fields[space]=name,guid&fields[space.organization]=name");
    let whole = api
        .get(&whole.replace('[', "%5B").replace(']', "%5D"))
        .expect(200);
    assert_eq!(whole["included"]["spaces"][0]["name"], "garden");
    assert_eq!(whole["included"]["organizations"][0]["name"], "guests");
    let refused = api.get(&format!("{path}?fields%5Bapp%5D=name"));
    assert!(
        refused
            .refusal(400)
            .contains("Fields [app] valid resources are: 'space'")
    );

    // In the other space it is there to be bound.
    cf.run(&["target", "-o", "guests", "-s", "garden"]);
    assert!(cf.run(&["services"]).contains("common"));
    let shown = cf.run(&["service", "common"]);
    assert!(
        shown.contains("This service instance is shared from space dev of org dev"),
        "{shown}"
    );
    let files = folder(&[("Procfile", "web: sleep 1000\n")]);
    cf.run_in(files.path(), &["push", "rose", "--no-start", "-m", "64M"]);
    cf.run(&["bind-service", "rose", "common", "--wait"]);
    assert_eq!(broker.holds(), (1, 1));

    // Who has a place in the other space alone sees the instance, not who else uses it, and may
    // not change it.
    cf.run(&["create-user", "gardener", "pass word"]);
    let role = [
        "set-space-role",
        "gardener",
        "guests",
        "garden",
        "SpaceDeveloper",
    ];
    cf.run(&role);
    let guest = Api::login_as(&daemon, "gardener", "pass word");
    assert!(found(&guest, "common").is_some());
    let own = path.trim_end_matches("/relationships/shared_spaces");
    for (path, status) in [(own, 200), (path.as_str(), 404)] {
        guest.get(path).expect(status);
    }
    guest.get(&format!("{path}/usage_summary")).expect(404);
    guest
        .send("PATCH", own, &json!({ "name": "mine" }))
        .refusal(403);

    let summary = api.get(&format!("{path}/usage_summary")).expect(200);
    assert_eq!(summary["usage_summary"][0]["bound_app_count"], 1);
    // Owners cannot rename what is shared, and the end of sharing ends the bindings there.
    cf.run(&["target", "-o", "dev", "-s", "dev"]);
    let refused = cf.fail(&["rename-service", "common", "mine"]);
    assert!(refused.contains("shared"), "{refused}");
    cf.run(&[unshare.as_slice(), &["-f"]].concat());
    assert_eq!(broker.holds(), (1, 0));
    assert_eq!(api.get(&path).expect(200)["data"], json!([]));
    let gone = cf.fail(&[unshare.as_slice(), &["-f"]].concat());
    assert!(
        gone.contains("Ensure the space exists and the service instance has been shared"),
        "{gone}"
    );
    cf.run(&["target", "-o", "guests", "-s", "garden"]);
    assert!(!cf.run(&["services"]).contains("common"));

    cf.run(&["disable-feature-flag", "service_instance_sharing"]);
    cf.run(&["target", "-o", "dev", "-s", "dev"]);
    cf.run(&["delete-service", "common", "-f", "--wait"]);
    cf.run(&["delete-org", "guests", "-f"]);
    cf.run(&["delete-user", "gardener", "-f"]);
    cf.run(&["delete-service-broker", "sharing", "-f"]);
}

#[test]
fn what_cannot_be_shared_is_not() {
    let daemon = Daemon::start();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("lonely-db");
    broker.change(|rules| {
        rules.catalog["services"][0]["metadata"]["shareable"] = json!(false);
    });
    register(&api, "lonely", &broker);
    cf.run(&["enable-service-access", "lonely-db"]);
    cf.run(&["create-service", "lonely-db", "small", "lonely", "--wait"]);
    cf.run(&["create-user-provided-service", "own", "-p", "{}"]);
    cf.run(&["create-space", "other"]);
    cf.run(&["enable-feature-flag", "service_instance_sharing"]);
    let other = api.get("/v3/spaces?names=other").expect(200)["resources"][0]["guid"].clone();
    let body = json!({ "data": [to(other.as_str().unwrap())["data"]] });
    for (name, text) in [
        (
            "lonely",
            "The lonely-db service does not support service instance sharing.",
        ),
        ("own", "User-provided services cannot be shared."),
    ] {
        let service = found(&api, name).unwrap();
        let path = format!(
            "/v3/service_instances/{}/relationships/shared_spaces",
            service["guid"].as_str().unwrap()
        );
        assert_eq!(api.send("POST", &path, &body).refusal(422), text);
    }
    cf.run(&["delete-service", "lonely", "-f", "--wait"]);
    cf.run(&["delete-service-broker", "lonely", "-f"]);
}

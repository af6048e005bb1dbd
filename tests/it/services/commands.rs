//! Commands for brokers and sharing that no other story needs.

use super::{found, register};
use crate::support::{Api, Broker, Cf, Daemon};

#[test]
fn a_broker_is_renamed_and_an_instance_shared() {
    let daemon = Daemon::start();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("lend-db");
    register(&api, "lend", &broker);
    cf.run(&["rename-service-broker", "lend", "lender"]);
    assert!(cf.run(&["service-brokers"]).contains("lender"));
    cf.run(&["enable-feature-flag", "service_instance_sharing"]);
    cf.run(&["create-service", "lend-db", "small", "lend-one", "--wait"]);
    cf.run(&["create-space", "lend-space"]);
    cf.run(&["share-service", "lend-one", "-s", "lend-space"]);
    let shown = cf.run(&["service", "lend-one"]);
    assert!(shown.contains("lend-space"), "{shown}");
    cf.run(&["target", "-s", "lend-space"]);
    assert!(cf.run(&["services"]).contains("lend-one"));
    cf.run(&["target", "-s", "dev"]);
    cf.run(&["unshare-service", "lend-one", "-s", "lend-space", "-f"]);
    let shown = cf.run(&["service", "lend-one"]);
    assert!(!shown.contains("lend-space"), "{shown}");
    cf.run(&["delete-service", "lend-one", "-f", "--wait"]);
    assert!(found(&api, "lend-one").is_none());
    cf.run(&["delete-space", "lend-space", "-f"]);
    cf.run(&["delete-service-broker", "lender", "-f"]);
}

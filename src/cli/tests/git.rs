//! What leads git to the platform.

use serde_json::{Value, json};

use super::fake::{Fake, page};

fn app(annotations: &Value) -> Value {
    json!({ "guid": "shop-id", "name": "shop", "state": "STARTED",
        "metadata": { "labels": {}, "annotations": annotations } })
}

#[tokio::test]
async fn the_branch_is_shown_and_chosen() {
    let fake = Fake::new().await;
    fake.logged_in();
    fake.teach(
        "GET /v3/apps?names=shop&",
        200,
        page(json!([app(&json!({}))])),
    );
    fake.teach("GET /v3/apps/shop-id ", 200, app(&json!({})));
    fake.teach("PATCH /v3/apps/shop-id ", 200, app(&json!({})));
    let (outcome, out, _) = fake.run(&["git", "branch", "shop"]).await;
    outcome.unwrap();
    assert_eq!(out, "main\n");
    let (outcome, out, _) = fake.run(&["git", "branch", "shop", "release"]).await;
    outcome.unwrap();
    assert_eq!(out, "release\n");
    assert_eq!(
        fake.one("PATCH /v3/apps/shop-id ").json(),
        json!({ "metadata": { "annotations": { "git-branch": "release" } } })
    );
}

#[tokio::test]
async fn the_address_has_the_names_of_the_target() {
    let fake = Fake::new().await;
    fake.logged_in();
    let (outcome, out, _) = fake.run(&["git", "remote", "가게", "--print"]).await;
    outcome.unwrap();
    let expected = format!("{}/git/org/space/%EA%B0%80%EA%B2%8C.git\n", fake.api);
    assert_eq!(out, expected);
}

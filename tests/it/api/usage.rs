//! Usage events: what was running from when to when.

use pastina::{
    model::{App, AppId, AppState},
    store::StoreError,
};
use serde_json::{Value, json};

use super::harness::{Platform, guid, to_one};

async fn events(platform: &Platform, query: &str) -> Vec<Value> {
    let path = format!("/v3/app_usage_events?order_by=created_at&per_page=500{query}");
    let page = platform.get(&path).await;
    page["resources"].as_array().unwrap().clone()
}

fn told(events: &[Value]) -> Vec<(String, u64, u64)> {
    events
        .iter()
        .map(|event| {
            let state = event["state"]["current"].as_str().unwrap().to_owned();
            let number = |key: &str| event[key]["current"].as_u64().unwrap();
            (
                state,
                number("instance_count"),
                number("memory_in_mb_per_instance"),
            )
        })
        .collect()
}

async fn app(platform: &Platform) -> String {
    let (_, space) = platform.home().await;
    let body = json!({ "name": "shop", "relationships": { "space": to_one(&space) } });
    guid(&platform.make("/v3/apps", body).await)
}

async fn set(platform: &Platform, app: &str, state: AppState) {
    let id: AppId = app.parse().unwrap();
    let done: Result<(), StoreError> = platform
        .store
        .commit(move |tx| {
            let mut app = App::clone(&tx.apps[&id]);
            app.state = state;
            tx.put(app);
            Ok(())
        })
        .await;
    done.unwrap();
}

#[tokio::test]
async fn starts_stops_and_scaling_are_told() {
    let platform = Platform::start().await;
    let app = app(&platform).await;
    assert!(events(&platform, "").await.is_empty());
    let call = async |method: &str, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let scale = format!("/v3/apps/{app}/processes/web/actions/scale");
    call(
        "POST",
        &scale,
        json!({ "instances": 2, "memory_in_mb": 128 }),
    )
    .await
    .expect(202);
    assert!(events(&platform, "").await.is_empty(), "nothing runs yet");

    set(&platform, &app, AppState::Started).await;
    call("POST", &scale, json!({ "instances": 3 }))
        .await
        .expect(202);
    set(&platform, &app, AppState::Stopped).await;
    let all = events(&platform, "").await;
    let states: Vec<_> = told(&all);
    assert_eq!(
        states,
        [
            ("STARTED".to_owned(), 2, 128),
            ("STARTED".to_owned(), 3, 128),
            ("STOPPED".to_owned(), 3, 128),
        ]
    );
    let second = &all[1];
    assert_eq!(second["state"]["previous"], "STARTED");
    assert_eq!(second["instance_count"]["previous"], 2);
    assert_eq!(second["app"]["name"], "shop");
    assert_eq!(second["process"]["type"], "web");
    assert_eq!(second["space"]["name"], "dev");
    assert_eq!(second["task"]["guid"], Value::Null);

    let after = events(&platform, &format!("&after_guid={}", guid(&all[1]))).await;
    assert_eq!(told(&after), states[2..]);
    let one = events(&platform, &format!("&guids={}", guid(&all[0]))).await;
    assert_eq!(told(&one), states[..1]);
    let path = format!("/v3/app_usage_events/{}", guid(&all[0]));
    assert_eq!(platform.get(&path).await, all[0]);
    let missing = call("GET", "/v3/app_usage_events?after_guid=x", Value::Null).await;
    assert!(missing.refusal(422).contains("valid app usage event guid"));

    set(&platform, &app, AppState::Started).await;
    let reseed = "/v3/app_usage_events/actions/destructively_purge_all_and_reseed";
    call("POST", reseed, Value::Null).await.expect(200);
    let all = events(&platform, "").await;
    assert_eq!(told(&all), [("STARTED".to_owned(), 3, 128)]);
    assert_eq!(all[0]["state"]["previous"], Value::Null);

    let gone = call("DELETE", &format!("/v3/apps/{app}"), Value::Null).await;
    gone.expect(202);
    let last = told(&events(&platform, "").await).pop().unwrap();
    assert_eq!(last, ("STOPPED".to_owned(), 3, 128));
}

#[tokio::test]
async fn only_who_sees_everything_sees_usage() {
    let platform = Platform::start().await;
    let app = app(&platform).await;
    set(&platform, &app, AppState::Started).await;
    let event = guid(&events(&platform, "").await[0]);
    let (kim_id, kim) = platform.user("kim").await;
    let call =
        async |method: &str, path: &str| platform.call(&kim, method, path, Value::Null).await;
    let list = call("GET", "/v3/app_usage_events").await.expect(200);
    assert_eq!(list["pagination"]["total_results"], 0);
    call("GET", &format!("/v3/app_usage_events/{event}"))
        .await
        .expect(404);
    let reseed = "/v3/app_usage_events/actions/destructively_purge_all_and_reseed";
    call("POST", reseed).await.expect(403);
    let group = "/Groups?filter=displayName+eq+%22cloud_controller.global_auditor%22";
    let group = platform.get(group).await["resources"][0]["id"].clone();
    let members = format!("/Groups/{}/members", group.as_str().unwrap());
    platform.make(&members, json!({ "value": kim_id })).await;
    call("GET", &format!("/v3/app_usage_events/{event}"))
        .await
        .expect(200);
    call("POST", reseed).await.expect(403);
}

//! From an app to what it runs: packages, builds and droplets.

use std::collections::BTreeMap;

use pastina::{
    model::{
        AppId, Build, BuildId, BuildState, Droplet, DropletId, DropletKind, DropletState, Metadata,
        Package, PackageId, PackageState, ProcessType,
    },
    store::StoreError,
};
use serde_json::{Value, json};

use super::{
    apps::make_app,
    harness::{Platform, all, guid, to_one},
};

/// A package of `app` whose bits are there, past the API.
async fn ready(platform: &Platform, app: &str) -> String {
    let now = platform.actions.now();
    let package = Package {
        id: PackageId::random(),
        app: app.parse().unwrap(),
        state: PackageState::Ready {
            sha256: "00".repeat(32),
        },
        image: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let id = package.id.to_string();
    let commit = platform.store.commit(|tx| {
        tx.put(package);
        Ok::<_, StoreError>(())
    });
    commit.await.unwrap();
    id
}

/// Ends a build as the builder would; the droplet's guid.
pub(super) async fn finish(platform: &Platform, build: &str) -> String {
    let build: BuildId = build.parse().unwrap();
    let now = platform.actions.now();
    let droplet = DropletId::random();
    let commit = platform.store.commit(|tx| {
        let mut build = Build::clone(&tx.builds[&build]);
        let staged = made_of(droplet, build.app, Some(&build), now);
        build.state = BuildState::Staged { droplet };
        tx.put(build);
        tx.put(staged);
        Ok::<_, StoreError>(())
    });
    commit.await.unwrap();
    droplet.to_string()
}

pub(super) fn made_of(
    id: DropletId,
    app: AppId,
    build: Option<&Build>,
    now: pastina::model::Timestamp,
) -> Droplet {
    let kinds = [("web", "serve"), ("worker", "work")];
    Droplet {
        id,
        app,
        package: build.map(|build| build.package),
        build: build.map(|build| build.id),
        state: DropletState::Staged {
            sha256: "11".repeat(32),
            size: 1,
        },
        kind: DropletKind::Process,
        process_types: kinds
            .map(|(kind, command)| (ProcessType::parse(kind).unwrap(), command.to_owned()))
            .into(),
        env: BTreeMap::new(),
        static_root: String::new(),
        image: None,
        launch: None,
        buildpacks: Vec::new(),
        stack: "cflinuxfs4".to_owned(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    }
}

/// A droplet of `app`, past the API.
pub(super) async fn droplet(platform: &Platform, app: &str) -> String {
    let now = platform.actions.now();
    let id = DropletId::random();
    let made = made_of(id, app.parse().unwrap(), None, now);
    let commit = platform.store.commit(|tx| {
        tx.put(made);
        Ok::<_, StoreError>(())
    });
    commit.await.unwrap();
    id.to_string()
}

#[tokio::test]
async fn a_package_becomes_a_droplet_and_the_droplet_processes() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let start = format!("/v3/apps/{app}/actions/start");
    let early = platform
        .call(&platform.admin, "POST", &start, Value::Null)
        .await;
    assert_eq!(
        early.refusal(422),
        "Assign a droplet before starting this app."
    );
    let none = platform
        .call(
            &platform.admin,
            "GET",
            &format!("/v3/apps/{app}/droplets/current"),
            Value::Null,
        )
        .await;
    assert_eq!(none.refusal(404), "Droplet not found");
    let body = json!({ "type": "bits", "relationships": { "app": to_one(&app) } });
    let empty = platform.make("/v3/packages", body).await;
    assert_eq!(empty["state"], "AWAITING_UPLOAD");
    let stage = |package: &str| json!({ "package": { "guid": package } });
    let too_early = platform
        .call(&platform.admin, "POST", "/v3/builds", stage(&guid(&empty)))
        .await;
    assert_eq!(
        too_early.refusal(400),
        "Bad request: Cannot stage package whose state is not ready."
    );
    let package = ready(&platform, &app).await;
    let build = platform.make("/v3/builds", stage(&package)).await;
    assert_eq!(
        (&build["state"], &build["droplet"]),
        (&json!("STAGING"), &Value::Null)
    );
    let second = platform
        .call(&platform.admin, "POST", "/v3/builds", stage(&package))
        .await;
    assert_eq!(second.json["errors"][0]["code"], 170_017);
    let in_use = platform
        .call(
            &platform.admin,
            "DELETE",
            &format!("/v3/packages/{package}"),
            Value::Null,
        )
        .await;
    assert!(in_use.refusal(422).contains("being staged"));
    let droplet = finish(&platform, &guid(&build)).await;
    let built = platform.get(&format!("/v3/builds/{}", guid(&build))).await;
    assert_eq!(
        (&built["state"], &built["droplet"]["guid"]),
        (&json!("STAGED"), &json!(droplet))
    );
    let staged = platform
        .get(&format!("/v3/packages/{package}/droplets?states=STAGED"))
        .await;
    assert_eq!(all(&staged, "guid"), [droplet.as_str()]);
    let current = format!("/v3/apps/{app}/relationships/current_droplet");
    let other = make_app(&platform, "other").await;
    let foreign = format!("/v3/apps/{other}/relationships/current_droplet");
    let wrong = platform
        .call(&platform.admin, "PATCH", &foreign, to_one(&droplet))
        .await;
    assert!(wrong.refusal(422).contains("belongs to this app"));
    let assigned = platform
        .call(&platform.admin, "PATCH", &current, to_one(&droplet))
        .await;
    assert_eq!(assigned.expect(200)["data"]["guid"], droplet.as_str());
    let processes = platform.get(&format!("/v3/apps/{app}/processes")).await;
    let mut scales: Vec<_> = all(&processes, "type")
        .into_iter()
        .zip(processes["resources"].as_array().unwrap())
        .map(|(kind, process)| (kind, process["instances"].clone()))
        .collect();
    scales.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        scales,
        [
            ("web".to_owned(), json!(1)),
            ("worker".to_owned(), json!(0))
        ]
    );
    let web = platform.get(&format!("/v3/apps/{app}/processes/web")).await;
    assert_eq!(web["command"], "serve");
    let busy = platform
        .call(
            &platform.admin,
            "DELETE",
            &format!("/v3/droplets/{droplet}"),
            Value::Null,
        )
        .await;
    assert!(busy.refusal(422).contains("assign another"));
    let list = platform
        .get(&format!(
            "/v3/droplets?app_guids={app}&order_by=-created_at"
        ))
        .await;
    assert_eq!(all(&list, "guid"), [droplet.as_str()]);
    let copy = json!({ "relationships": { "app": to_one(&other) } });
    let path = format!("/v3/packages?source_guid={package}");
    let copied = platform.make(&path, copy).await;
    assert_eq!(copied["state"], "READY");
    let newest = platform
        .get(&format!(
            "/v3/packages?app_guids={app}&states=READY&order_by=-created_at&per_page=1&page=1"
        ))
        .await;
    assert_eq!(all(&newest, "guid"), [package.as_str()]);
}

#[tokio::test]
async fn a_restart_is_a_new_generation_and_a_start_of_a_started_app_is_none() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let droplet = droplet(&platform, &app).await;
    let current = format!("/v3/apps/{app}/relationships/current_droplet");
    platform
        .call(&platform.admin, "PATCH", &current, to_one(&droplet))
        .await
        .expect(200);
    let check = async |verb: &str, state: &str, generation: u64| {
        let path = format!("/v3/apps/{app}/actions/{verb}");
        let answer = platform
            .call(&platform.admin, "POST", &path, Value::Null)
            .await;
        assert_eq!(answer.expect(200)["state"], state);
        let id: AppId = app.parse().unwrap();
        assert_eq!(platform.store.state().apps[&id].generation, generation);
    };
    check("start", "STARTED", 1).await;
    check("start", "STARTED", 1).await;
    check("restart", "STARTED", 2).await;
    check("stop", "STOPPED", 2).await;
    check("restart", "STARTED", 3).await;
}

#[tokio::test]
async fn an_image_is_a_package_that_hides_its_password() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({
        "name": "shop",
        "lifecycle": { "type": "docker", "data": {} },
        "relationships": { "space": to_one(&space) },
    });
    let shown = platform.make("/v3/apps", body).await;
    assert_eq!(shown["lifecycle"], json!({ "type": "docker", "data": {} }));
    let app = guid(&shown);
    let body = |data: Value| json!({ "type": "docker", "data": data, "relationships": { "app": to_one(&app) } });
    let login = json!({ "image": "ghcr.io/me/shop:1", "username": "me", "password": "secret" });
    let package = platform.make("/v3/packages", body(login.clone())).await;
    assert_eq!(
        (&package["type"], &package["state"]),
        (&json!("docker"), &json!("READY"))
    );
    let mut hidden = login.clone();
    hidden["password"] = json!("***");
    assert_eq!(package["data"], hidden);
    let path = format!("/v3/packages/{}", guid(&package));
    assert_eq!(platform.get(&path).await["data"], hidden);
    for (filter, count) in [("types=docker", 1), ("types=bits", 0)] {
        let list = platform.get(&format!("/v3/packages?{filter}")).await;
        assert_eq!(list["pagination"]["total_results"], count, "{filter}");
    }
    for (filter, count) in [
        ("lifecycle_type=docker", 1),
        ("lifecycle_type=buildpack", 0),
    ] {
        let list = platform.get(&format!("/v3/apps?{filter}")).await;
        assert_eq!(list["pagination"]["total_results"], count, "{filter}");
    }
    let refused = async |token: &str, path: &str, body: Value| {
        let answer = platform.call(token, "POST", path, body).await;
        let status = answer.status;
        (status, answer.refusal(status))
    };
    let admin = platform.admin.clone();
    for (data, words) in [
        (json!({}), "Data Image required"),
        (json!({ "image": "https://x" }), "leave out the scheme"),
        (
            json!({ "image": "x", "username": "me" }),
            "Password required",
        ),
        (
            json!({ "image": "x", "password": "me" }),
            "Username required",
        ),
        (
            json!({ "image": "x", "username": "a:b", "password": "c" }),
            "no colon",
        ),
        (
            json!({ "image": "x", "username": "a", "password": "c\n" }),
            "control characters",
        ),
    ] {
        let (status, text) = refused(&admin, "/v3/packages", body(data)).await;
        assert!(status == 422 && text.contains(words), "{status} {text}");
    }
    let bits = json!({ "type": "bits", "relationships": { "app": to_one(&app) } });
    let (status, text) = refused(&admin, "/v3/packages", bits).await;
    assert!(
        status == 422 && text.contains("bits package for a Docker app"),
        "{text}"
    );

    // Whoever may look sees no more than that there is an image; a stranger not even that.
    let (auditor, token) = platform.user("auditor").await;
    platform.role("organization_user", &auditor, &org).await;
    let stranger = platform.call(&token, "GET", &path, Value::Null).await;
    assert_eq!(stranger.status, 404);
    platform.role("space_auditor", &auditor, &space).await;
    let seen = platform.call(&token, "GET", &path, Value::Null).await;
    assert_eq!(seen.expect(200)["data"], hidden);
    let (status, _) = refused(&token, "/v3/packages", body(login)).await;
    assert!(matches!(status, 403 | 422), "{status}");
}

#[tokio::test]
async fn an_app_of_files_takes_no_image_and_an_upload_must_be_one() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let body = json!({ "type": "docker", "data": { "image": "x" },
        "relationships": { "app": to_one(&app) } });
    let docker = platform
        .call(&platform.admin, "POST", "/v3/packages", body)
        .await;
    assert!(docker.refusal(422).contains("Docker"));
    let body = json!({ "type": "bits", "relationships": { "app": to_one(&app) } });
    let package = guid(&platform.make("/v3/packages", body).await);
    let path = format!("/v3/packages/{package}/upload");
    let plain = platform
        .call(&platform.admin, "POST", &path, json!({}))
        .await;
    assert!(plain.refusal(422).contains("multipart/form-data"));
    let body = json!({ "resources": [] });
    let matched = platform.make("/v3/resource_matches", body).await;
    assert_eq!(matched, json!({ "resources": [] }));
}

#[tokio::test]
async fn of_two_builds_at_once_one_wins_and_nothing_is_lost() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let (one, two) = (ready(&platform, &app).await, ready(&platform, &app).await);
    let build = async |package: &str| {
        let body = json!({ "package": { "guid": package } });
        platform
            .call(&platform.admin, "POST", "/v3/builds", body)
            .await
    };
    let (first, second) = tokio::join!(build(&one), build(&two));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    let builds = platform.get(&format!("/v3/apps/{app}/builds")).await;
    let running = all(&builds, "guid");
    assert_eq!(running.len(), 1);
    finish(&platform, &running[0]).await;
    let packages = platform.get(&format!("/v3/apps/{app}/packages")).await;
    assert_eq!(all(&packages, "state"), ["READY", "READY"]);
    assert_eq!(build(&two).await.status, 201);
}

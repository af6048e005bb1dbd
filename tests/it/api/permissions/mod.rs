//! Every endpoint for every role: what is refused, what is not there, and what is not in lists.
//!
//! The endpoints come from the router itself, so that a new one without a row here fails.

mod streams;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use pastina::{
    model::{
        Actor, AppId, AppState, Blueprint, Build, BuildId, BuildState, Deployment, DeploymentId,
        DeploymentOptions, DeploymentState, Droplet, DropletId, DropletKind, DropletState,
        Lifecycle, Megabytes, Metadata, PackageId, ProcessId, ProcessType, Revision, RevisionId,
        Strategy, Task, TaskId, TaskState, Timestamp,
    },
    store::{State, Store, StoreError},
};
use serde_json::{Value, json};

use self::table::{ALL, ELSEWHERE, PUBLIC, ROWS};
use super::harness::{Platform, all, guid, to_one};

/// Who asks, in the order of the letters in the table.
const ROLES: [&str; 12] = [
    "admin",
    "admin_read_only",
    "global_auditor",
    "organization_user",
    "organization_billing_manager",
    "organization_auditor",
    "organization_manager",
    "space_developer",
    "space_supporter",
    "space_auditor",
    "space_manager",
    "stranger",
];

/// What stands in paths and bodies.
type Names = BTreeMap<&'static str, String>;

fn fill(text: &str, names: &Names) -> String {
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

/// A path with nothing in its braces.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '{' => {
                inside = true;
                shape.push_str("{}");
            }
            '}' => inside = false,
            '?' => break,
            c if !inside => shape.push(c),
            _ => {}
        }
    }
    shape
}

/// Every method and path that the router answers, out of what it shows of itself.
fn endpoints(router: &axum::Router) -> BTreeSet<(String, String)> {
    let text = format!("{router:?}");
    // What follows counts anew and answers what nothing else does.
    let text = text.split("fallback_router").next().unwrap_or_default();
    let between = |text: &str, start: &str, end: &str| {
        let (_, rest) = text.split_once(start)?;
        rest.split_once(end).map(|(found, _)| found.to_owned())
    };
    let (mut methods, mut paths) = (BTreeMap::new(), BTreeMap::new());
    for part in text.split("RouteId(").skip(1) {
        let Some((id, rest)) = part.split_once(')') else {
            continue;
        };
        if let Some(path) = rest.strip_prefix(": \"") {
            let path = path.split('"').next().unwrap_or_default();
            paths.insert(id.to_owned(), path.to_owned());
        } else if rest.starts_with(": MethodRouter")
            && let Some(allowed) = between(rest, "allow_header: Bytes(b\"", "\"")
        {
            methods.insert(id.to_owned(), allowed);
        }
    }
    let mut found = BTreeSet::new();
    for (id, allowed) in methods {
        let Some(path) = paths.get(&id) else { continue };
        for method in allowed.split(',').filter(|method| *method != "HEAD") {
            found.insert((method.to_owned(), shape(path)));
        }
    }
    found
}

#[tokio::test]
async fn every_endpoint_has_its_row() {
    let platform = Platform::start().await;
    let there = endpoints(&platform.router);
    assert!(
        there.len() > 100,
        "the router shows its endpoints differently: {there:?}"
    );
    let listed = ROWS.iter();
    let listed: BTreeSet<_> = listed
        .map(|(method, path, ..)| ((*method).to_owned(), shape(path)))
        .collect();
    let missing: Vec<_> = there.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "who may call these? add rows: {missing:#?}"
    );
    let gone: Vec<_> = listed.difference(&there).collect();
    assert!(gone.is_empty(), "these are no endpoints: {gone:#?}");
}

/// What the document of the API tells is what the table has.
#[tokio::test]
async fn every_endpoint_is_in_the_document() {
    let platform = Platform::start().await;
    let document = platform.get("/openapi.json").await;
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            told.insert((method.to_uppercase(), shape(path)));
        }
    }
    let listed = ROWS.iter();
    let listed: BTreeSet<_> = listed
        .map(|(method, path, ..)| ((*method).to_owned(), shape(path)))
        .collect();
    let difference: Vec<_> = told.symmetric_difference(&listed).collect();
    assert!(
        difference.is_empty(),
        "only in one of them: {difference:#?}"
    );
}

#[tokio::test]
async fn every_role_is_answered_as_the_table_says() {
    let platform = Platform::start().await;
    let (names, tokens) = fixture(&platform).await;
    let before = platform.store.state();
    let mut wrong = Vec::new();
    for (method, path, access, body) in ROWS {
        if *access == ELSEWHERE {
            continue;
        }
        let body = match *body {
            "" => Value::Null,
            text if text.starts_with('{') => serde_json::from_str(&fill(text, &names)).unwrap(),
            manifest => Value::String(manifest.to_owned()),
        };
        let path = fill(path, &names);
        let nobody = if *access == PUBLIC { 'y' } else { 'x' };
        let letters: Vec<char> = match *access {
            PUBLIC => ALL.chars().collect(),
            access => access.chars().collect(),
        };
        assert_eq!(letters.len(), ROLES.len(), "{path}");
        // Who may comes last, since the thing may be gone after that.
        let mut asked: Vec<_> = ROLES.iter().zip(&tokens).zip(letters).collect();
        let nobody_asks = ("nobody", String::new());
        asked.push(((&nobody_asks.0, &nobody_asks.1), nobody));
        for ((role, token), expected) in asked {
            let answer = match &body {
                Value::String(manifest) => platform.manifest(token, &path, manifest).await,
                body => platform.call(token, method, &path, body.clone()).await,
            };
            let status = answer.status;
            let right = match expected {
                'f' | 'd' => status == 403,
                'n' => status == 404,
                'u' => status == 422,
                'x' => status == 401,
                _ => ![401, 403, 404, 500].contains(&status),
            };
            if !right {
                let error = &answer.json["errors"][0]["detail"];
                wrong.push(format!(
                    "{role}: {method} {path}: not {expected} but {status} {error}"
                ));
            }
            if status == 403 && path.starts_with("/v3/") {
                let code = &answer.json["errors"][0]["code"];
                let wanted = if expected == 'd' { 330_002 } else { 10_003 };
                if *code != wanted {
                    wrong.push(format!("{role}: {method} {path}: 403 with code {code}"));
                }
            }
            restore(&platform.store, &before).await;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn what_one_may_not_see_is_in_no_list() {
    let platform = Platform::start().await;
    let (names, tokens) = fixture(&platform).await;
    let mut wrong = Vec::new();
    for (method, path, access, _) in ROWS {
        let Some((list, last)) = path.rsplit_once('/') else {
            continue;
        };
        let one = last
            .strip_prefix('{')
            .and_then(|last| last.strip_suffix('}'));
        let Some(one) = one.filter(|_| *method == "GET" && list.matches('/').count() == 2) else {
            continue;
        };
        let listed = ROWS
            .iter()
            .any(|(method, path, ..)| *method == "GET" && *path == list);
        if !listed
            || *access == ELSEWHERE
            || !list.starts_with("/v3/")
            || ["stack", "buildpack", "flag"].contains(&one)
        {
            continue;
        }
        let id = &names[one];
        for ((role, token), letter) in ROLES.iter().zip(&tokens).zip(access.chars()) {
            let path = format!("{list}?per_page=5000");
            let answer = platform.call(token, "GET", &path, Value::Null).await;
            let seen = all(&answer.expect(200), "guid").contains(id);
            if seen != (letter == 'y') && one != "quota" {
                wrong.push(format!("{role}: GET {list}: {one} is there: {seen}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Makes the state again what it was.
pub(super) async fn restore(store: &Store, before: &State) {
    if store.state().revision == before.revision {
        return;
    }
    let put = store.commit(|tx| {
        let now: Vec<_> = tx.records().collect();
        let then: BTreeMap<_, _> = before
            .records()
            .map(|record| (record.key(), record))
            .collect();
        for record in now {
            if !then.contains_key(&record.key()) {
                tx.delete(record.key());
            }
        }
        for (key, record) in then {
            if tx.record(key).as_ref() != Some(&record) {
                tx.put(record);
            }
        }
        Ok::<_, StoreError>(())
    });
    put.await.unwrap();
}

/// A platform with one thing of each kind, and a user for each role.
async fn fixture(platform: &Platform) -> (Names, Vec<String>) {
    let (org, space) = platform.home().await;
    let mut names = Names::new();
    let mut tokens = Vec::new();
    for role in ROLES {
        if role == "admin" {
            tokens.push(platform.admin.clone());
            continue;
        }
        let (user, token) = platform.user(role).await;
        match role {
            "admin_read_only" | "global_auditor" => {
                let filter = format!("/Groups?filter=displayName+eq+%22cloud_controller.{role}%22");
                let group = platform.get(&filter).await["resources"][0]["id"].clone();
                let path = format!("/Groups/{}/members", group.as_str().unwrap());
                platform.make(&path, json!({ "value": user })).await;
            }
            "stranger" => {}
            _ if role.starts_with("space") => {
                platform.role("organization_user", &user, &org).await;
                let id = platform.role(role, &user, &space).await;
                names.insert("role", id);
            }
            _ => {
                platform.role(role, &user, &org).await;
            }
        }
        names.insert(
            if role == "stranger" {
                "stranger"
            } else {
                "user"
            },
            user,
        );
        tokens.push(token);
    }
    for name in ["home_org", "home_space"] {
        names.insert(name, "dev".to_owned());
    }
    names.insert("any", "shop.git".to_owned());
    let in_space = json!({ "space": to_one(&space) });
    let app = json!({ "name": "app", "relationships": in_space });
    let app = guid(&platform.make("/v3/apps", app).await);
    let in_space = json!({ "space": to_one(&space) });
    let sourced = json!({ "name": "sourced", "relationships": in_space });
    let sourced = guid(&platform.make("/v3/apps", sourced).await);
    let path = format!("/pastina/v1/apps/{sourced}/git_source");
    let source = json!({ "url": "https://git.example/a.git" });
    let made = platform.call(&platform.admin, "PUT", &path, source).await;
    assert!(made.expect(200)["secret"].is_string());
    names.insert("sourced", sourced);
    let sidecar = json!({ "name": "proxy", "command": "true", "process_types": ["web"] });
    let path = format!("/v3/apps/{app}/sidecars");
    let sidecar = guid(&platform.make(&path, sidecar).await);
    let classic = platform.make("/v3/buildpacks", json!({ "name": "classic" }));
    names.insert("classic", guid(&classic.await));
    let package = json!({ "type": "bits", "relationships": { "app": to_one(&app) } });
    let package = guid(&platform.make("/v3/packages", package).await);
    let domain = json!({ "name": "own.test", "relationships": { "organization": to_one(&org) } });
    let domain = guid(&platform.make("/v3/domains", domain).await);
    let route = json!({ "host": "web", "relationships": {
        "space": to_one(&space), "domain": to_one(&domain),
    } });
    let route = guid(&platform.make("/v3/routes", route).await);
    let flag = "/v3/feature_flags/route_sharing";
    let on = json!({ "enabled": true });
    let set = platform.call(&platform.admin, "PATCH", flag, on).await;
    set.expect(200);
    let path = format!("/v3/routes/{route}/destinations");
    let body = json!({ "destinations": [{ "app": { "guid": app } }] });
    let mapped = platform
        .call(&platform.admin, "POST", &path, body)
        .await
        .expect(200);
    let group = json!({ "name": "rules", "relationships": {
        "running_spaces": { "data": [{ "guid": space }] },
    } });
    let group = guid(&platform.make("/v3/security_groups", group).await);
    let service = json!({ "type": "user-provided", "name": "db", "relationships": in_space });
    let service = guid(&platform.make("/v3/service_instances", service).await);
    let binding = json!({ "type": "app", "relationships": {
        "app": to_one(&app), "service_instance": to_one(&service),
    } });
    let binding = guid(
        &platform
            .make("/v3/service_credential_bindings", binding)
            .await,
    );
    let quota = json!({ "name": "class", "relationships": {
        "organizations": { "data": [{ "guid": org }] },
    } });
    let quota = guid(&platform.make("/v3/organization_quotas", quota).await);
    let squota = json!({ "name": "student", "relationships": {
        "organization": to_one(&org), "spaces": { "data": [{ "guid": space }] },
    } });
    let squota = guid(&platform.make("/v3/space_quotas", squota).await);
    let segment = guid(
        &platform
            .make("/v3/isolation_segments", json!({ "name": "gpu" }))
            .await,
    );
    let path = format!("/v3/isolation_segments/{segment}/relationships/organizations");
    let body = json!({ "data": [{ "guid": org }] });
    platform
        .call(&platform.admin, "POST", &path, body)
        .await
        .expect(200);
    let group_id = platform
        .make("/Groups", json!({ "displayName": "teachers" }))
        .await["id"]
        .clone();
    let client = json!({
        "client_id": "deployer", "client_secret": "secret",
        "authorized_grant_types": ["client_credentials"],
    });
    platform.make("/oauth/clients", client).await;
    let records = Records::new(app.parse().unwrap(), package.parse().unwrap());
    for (name, id) in records.put(&platform.store).await {
        names.insert(name, id);
    }
    let usage = platform.get("/v3/app_usage_events").await;
    names.insert("app_usage", guid(&usage["resources"][0]));
    let path = format!("/v3/audit_events?target_guids={app}&types=audit.app.create");
    let events = platform.get(&path);
    names.insert("event", guid(&events.await["resources"][0]));
    let made = platform.get("/v3/stacks").await;
    names.insert("stack", guid(&made["resources"][0]));
    let made = platform.get("/v3/buildpacks").await;
    names.insert("buildpack", guid(&made["resources"][0]));
    let other = json!({ "name": "old", "relationships": in_space });
    let other = guid(&platform.make("/v3/apps", other).await);
    let answer = platform
        .call(
            &platform.admin,
            "DELETE",
            &format!("/v3/apps/{other}"),
            Value::Null,
        )
        .await;
    let job = answer.headers["location"].to_str().unwrap();
    names.insert("job", job.rsplit('/').next().unwrap().to_owned());
    let destination = guid(&mapped["destinations"][0]);
    for (name, id) in [
        ("org", org),
        ("space", space),
        ("app", app),
        ("package", package),
        ("sidecar", sidecar),
        ("domain", domain),
        ("route", route),
        ("destination", destination),
        ("security_group", group),
        ("service", service),
        ("binding", binding),
        ("quota", quota),
        ("squota", squota),
        ("segment", segment),
        ("group", group_id.as_str().unwrap().to_owned()),
    ] {
        names.insert(name, id);
    }
    for (name, text) in [
        ("flag", "app_scaling"),
        ("env_group", "running"),
        ("router_group", "00000000-0000-4000-8000-000000000004"),
        ("feature", "ssh"),
        ("process_type", "web"),
        ("index", "0"),
        ("client", "deployer"),
        ("jti", "nothing"),
    ] {
        names.insert(name, text.to_owned());
    }
    names.insert("process", names["app"].clone());
    (names, tokens)
}

/// What only a running platform makes.
pub(super) struct Records {
    pub(super) droplet: Droplet,
    pub(super) build: Build,
    pub(super) task: Task,
    pub(super) revision: Revision,
    pub(super) deployment: Deployment,
}

impl Records {
    pub(super) fn new(app: AppId, package: PackageId) -> Self {
        let now = Timestamp::from_millis(1_000);
        let droplet = Droplet {
            id: DropletId::random(),
            app,
            package: Some(package),
            build: None,
            state: DropletState::Expired,
            kind: DropletKind::Process,
            process_types: [(ProcessType::web(), "./web".to_owned())].into(),
            env: BTreeMap::new(),
            static_root: String::new(),
            image: None,
            launch: None,
            buildpacks: Vec::new(),
            stack: "cflinuxfs4".to_owned(),
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        let build = Build {
            id: BuildId::random(),
            app,
            package,
            state: BuildState::Staged {
                droplet: droplet.id,
            },
            lifecycle: Lifecycle::default(),
            memory: None,
            created_by: Actor::system(),
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        let task = Task {
            id: TaskId::random(),
            app,
            sequence: 1,
            name: "once".to_owned(),
            command: "true".to_owned(),
            state: TaskState::Pending,
            droplet: droplet.id,
            memory: Megabytes(64),
            disk: Megabytes(64),
            log_rate_limit: -1,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        let revision = Revision {
            id: RevisionId::random(),
            app,
            version: 1,
            description: "Initial revision.".to_owned(),
            blueprint: Blueprint {
                droplet: droplet.id,
                env: BTreeMap::new(),
                commands: BTreeMap::new(),
                sidecars: Vec::new(),
            },
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        let deployment = Deployment {
            id: DeploymentId::random(),
            app,
            strategy: Strategy::Canary,
            state: DeploymentState::Paused,
            options: DeploymentOptions {
                max_in_flight: 1,
                instances: None,
                memory_mb: None,
                disk_mb: None,
                log_rate_limit: None,
                steps: Vec::new(),
            },
            step: 0,
            original: 1,
            droplet: droplet.id,
            previous_droplet: Some(droplet.id),
            process: Some(ProcessId::from(app)),
            revision: None,
            rollback: false,
            healthy_at: now,
            state_at: now,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        Self {
            droplet,
            build,
            task,
            revision,
            deployment,
        }
    }

    pub(super) async fn put(self, store: &Store) -> [(&'static str, String); 5] {
        let names = [
            ("droplet", self.droplet.id.to_string()),
            ("build", self.build.id.to_string()),
            ("task", self.task.id.to_string()),
            ("revision", self.revision.id.to_string()),
            ("deployment", self.deployment.id.to_string()),
        ];
        let put = store.commit(|tx| {
            let mut app = pastina::model::App::clone(&tx.apps[&self.droplet.app]);
            app.current_droplet = Some(self.droplet.id);
            app.state = AppState::Started;
            tx.put(app);
            tx.put(self.droplet);
            tx.put(self.build);
            tx.put(self.task);
            tx.put(self.revision);
            tx.put(self.deployment);
            Ok::<_, StoreError>(())
        });
        put.await.unwrap();
        names
    }
}

//! A platform in memory with its API.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use pastina::{
    actions::{Actions, Bootstrap, Config},
    api::{Api, router},
    blobs::{Blobs, Limits},
    brokers::{self, Brokers},
    identity::{Identity, Password},
    logs::Logs,
    model::{
        App, AppId, AppName, AppState, DomainName, InstanceRestart, Lifecycle, Megabytes, Metadata,
        Observed, OrgName, PortRange, SpaceId, SpaceName, Timestamp, Username,
    },
    runtimes::Catalog,
    store::{Store, StoreError},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};
use tower_service::Service as _;

/// The admin's password.
pub(super) const PASSWORD: &str = "correct horse battery";

const LIMITS: Limits = Limits {
    upload: 1 << 20,
    unpacked: 1 << 20,
    entries: 100,
};

/// A platform in memory: an admin, the domain `apps.test`, org `dev` with space `dev`.
pub(super) struct Platform {
    pub(super) router: Router,
    pub(super) store: Store,
    /// The admin's access token.
    pub(super) admin: String,
    dir: tempfile::TempDir,
    /// What runs, as tests want it.
    pub(super) observed: watch::Sender<Arc<Observed>>,
    /// Wishes to replace single instances.
    pub(super) wishes: Mutex<mpsc::Receiver<InstanceRestart>>,
    pub(super) actions: Actions,
}

/// What a request was answered with.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body; null where there is none.
    pub(super) json: Value,
}

impl Answer {
    /// The document, where the status is as expected.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        self.json
    }

    /// The text of the first error, where the status is as expected.
    #[track_caller]
    pub(super) fn refusal(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.json);
        let detail = self.json["errors"][0]["detail"].as_str();
        detail
            .unwrap_or_else(|| panic!("no error in {}", self.json))
            .to_owned()
    }
}

impl Platform {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_memory();
        let identity = Identity::ephemeral(store.clone()).unwrap();
        let config = Config {
            domain: DomainName::parse("apps.test").unwrap(),
            memory: Megabytes(256),
            disk: Megabytes(512),
            upload: LIMITS.upload,
            first_uid: 100_000,
            builder: false,
            images: true,
            tcp_ports: Some(PortRange {
                first: 61_000,
                last: 61_002,
            }),
        };
        let actions = Actions {
            brokers: Brokers::try_new(brokers::Config::default()).unwrap(),
            store: store.clone(),
            blobs: Blobs::open(dir.path(), LIMITS).unwrap(),
            logs: Logs::default(),
            config: Arc::new(config),
            runtimes: watch::channel(Arc::new(Catalog::load(None).unwrap())).1,
        };
        let bootstrap = || Bootstrap {
            admin: Username::parse("admin").unwrap(),
            password: Some(Password::entered(PASSWORD)),
            password_file: dir.path().join("password"),
            home: Some((
                OrgName::parse("dev").unwrap(),
                SpaceName::parse("dev").unwrap(),
            )),
        };
        assert!(actions.bootstrap(&identity, bootstrap()).await.unwrap());
        assert!(!actions.bootstrap(&identity, bootstrap()).await.unwrap());
        let (observed, receiver) = watch::channel(Arc::new(Observed::default()));
        let (restarts, wishes) = mpsc::channel(8);
        let router = router(Api {
            actions: actions.clone(),
            identity,
            observed: receiver,
            restarts,
            streams: pastina::api::Streams::default(),
            ssh: None,
            git: None,
        });
        let mut platform = Self {
            router,
            store,
            admin: String::new(),
            dir,
            observed,
            wishes: Mutex::new(wishes),
            actions,
        };
        platform.admin = platform.log_in("admin", PASSWORD).await;
        platform
    }

    /// The folder of the blobs.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Sends any request.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let mut service = self.router.clone().into_service::<Body>();
        let response = service.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        let json = if bytes.is_empty() {
            Value::Null
        } else {
            // Pages and manifests are no JSON.
            serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                let text = String::from_utf8_lossy(&bytes);
                Value::String(text.into_owned())
            })
        };
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json,
        }
    }

    /// Sends a request as the holder of `token`; a null body is none.
    pub(super) async fn call(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "api.apps.test")
            .header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Sends a manifest as the holder of `token`.
    pub(super) async fn manifest(&self, token: &str, path: &str, text: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "api.apps.test")
            .header(header::AUTHORIZATION, format!("bearer {token}"))
            .header(header::CONTENT_TYPE, "application/x-yaml")
            .body(Body::from(text.to_owned()));
        self.send(request.unwrap()).await
    }

    /// A GET as the admin, which must be answered with 200.
    pub(super) async fn get(&self, path: &str) -> Value {
        self.call(&self.admin, "GET", path, Value::Null)
            .await
            .expect(200)
    }

    /// A POST as the admin, which must be answered with 201.
    pub(super) async fn make(&self, path: &str, body: Value) -> Value {
        self.call(&self.admin, "POST", path, body).await.expect(201)
    }

    /// A POST of a form with the CLI's client credentials.
    pub(super) async fn form(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "api.apps.test")
            .header(header::AUTHORIZATION, "Basic Y2Y6")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        self.send(request).await
    }

    /// The access token of a user.
    pub(super) async fn log_in(&self, name: &str, password: &str) -> String {
        let password = password.replace(' ', "+");
        let form = format!("grant_type=password&username={name}&password={password}");
        let tokens = self.form("/oauth/token", &form).await.expect(200);
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// Makes a user and logs them in; their guid and token.
    pub(super) async fn user(&self, name: &str) -> (String, String) {
        let body = json!({ "userName": name, "password": PASSWORD, "origin": "uaa" });
        let user = self.make("/Users", body).await;
        let token = self.log_in(name, PASSWORD).await;
        (guid_at(&user, "id"), token)
    }

    /// Puts a user into one of the groups that every platform has.
    pub(super) async fn enter(&self, group: &str, user: &str) {
        let filter = format!("/Groups?filter=displayName+eq+%22{group}%22");
        let group = guid_at(&self.get(&filter).await["resources"][0], "id");
        let member = json!({ "origin": "uaa", "type": "USER", "value": user });
        self.make(&format!("/Groups/{group}/members"), member).await;
    }

    /// Gives a role; its guid.
    pub(super) async fn role(&self, kind: &str, user: &str, place: &str) -> String {
        let scope = if kind.starts_with("space") {
            "space"
        } else {
            "organization"
        };
        let mut relationships = json!({ "user": { "data": { "guid": user } } });
        relationships[scope] = to_one(place);
        let body = json!({ "type": kind, "relationships": relationships });
        guid(&self.make("/v3/roles", body).await)
    }

    /// The guids of org `dev` and space `dev`.
    pub(super) async fn home(&self) -> (String, String) {
        let orgs = self.get("/v3/organizations?names=dev").await;
        let spaces = self.get("/v3/spaces?names=dev").await;
        (guid(&orgs["resources"][0]), guid(&spaces["resources"][0]))
    }

    /// Puts an app into a space, past the API.
    pub(super) async fn app(&self, name: &str, space: &str) -> String {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let now = Timestamp::from_millis(u64::try_from(now).unwrap());
        let space: SpaceId = space.parse().unwrap();
        let app = App {
            id: AppId::random(),
            space,
            name: AppName::parse(name).unwrap(),
            state: AppState::Stopped,
            lifecycle: Lifecycle::default(),
            env: std::collections::BTreeMap::new(),
            current_droplet: None,
            generation: 0,
            features: std::collections::BTreeMap::new(),
            uid_range: None,
            cache_cleared_at: None,
            git_source: None,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        let id = app.id.to_string();
        self.store
            .commit(|tx| {
                tx.put(app);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        id
    }

    /// Deletes something as the admin and sees that the job is done.
    pub(super) async fn delete(&self, path: &str) {
        let answer = self.call(&self.admin, "DELETE", path, Value::Null).await;
        let location = answer.headers[header::LOCATION]
            .to_str()
            .unwrap()
            .to_owned();
        answer.expect(202);
        let job = location.strip_prefix("http://api.apps.test").unwrap();
        assert_eq!(self.get(job).await["state"], "COMPLETE");
    }
}

/// `{"data": {"guid": ...}}`.
pub(super) fn to_one(guid: &str) -> Value {
    json!({ "data": { "guid": guid } })
}

/// The guid of a resource.
pub(super) fn guid(resource: &Value) -> String {
    guid_at(resource, "guid")
}

fn guid_at(resource: &Value, member: &str) -> String {
    let guid = resource[member].as_str();
    guid.unwrap_or_else(|| panic!("no {member} in {resource}"))
        .to_owned()
}

/// The names (or what `member` says) of a list's resources.
pub(super) fn all(list: &Value, member: &str) -> Vec<String> {
    let resources = list["resources"].as_array().unwrap().iter();
    resources
        .map(|item| item[member].as_str().unwrap_or_default().to_owned())
        .collect()
}

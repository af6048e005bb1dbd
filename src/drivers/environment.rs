//! The environment of apps and builds, as Cloud Foundry defines it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Version, bindings,
    config::{FILES, Platform},
    credentials,
};
use crate::{
    certs::TRUSTED,
    model::{
        App, AppId, Droplet, InstanceId, Launch, Megabytes, Org, Process, SidecarPlan, Space,
        TaskId, Workload,
    },
    store::State,
};

/// Where the app is inside.
const APP: &str = "/home/vcap/app";

/// An app and what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The app.
    pub app: &'a App,
    /// Its space.
    pub space: &'a Space,
    /// Its organization.
    pub org: &'a Org,
    /// The addresses of its routes, without a scheme.
    pub uris: &'a [String],
    /// `VCAP_SERVICES`: what it is bound to.
    pub services: &'a Value,
    /// The variables of everything that runs.
    pub shared: &'a BTreeMap<String, String>,
}

/// The addresses of the app's routes, without a scheme, in order.
#[must_use]
pub fn uris(state: &State, app: AppId) -> Vec<String> {
    let mut uris: Vec<String> = state
        .routes_of_app(app)
        .filter_map(|route| Some(route.url(&state.domains.get(&route.domain)?.name)))
        .collect();
    uris.sort();
    uris
}

/// Calls `with` with the app and what stands around it; none where there is no such app.
pub fn with_subject<T>(
    state: &State,
    app: AppId,
    with: impl FnOnce(&Subject<'_>) -> T,
) -> Option<T> {
    let app = state.apps.get(&app)?;
    let space = state.spaces.get(&app.space)?;
    let org = state.orgs.get(&space.org)?;
    let uris = uris(state, app.id);
    let services = state.vcap_services(app.id);
    let none = BTreeMap::new();
    let shared = state.env_group(Workload::Running);
    Some(with(&Subject {
        app,
        space,
        org,
        uris: &uris,
        services: &services,
        shared: shared.map_or(&none, |group| &group.var),
    }))
}

/// One instance, as far as its environment tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which start of the slot it is.
    pub instance: InstanceId,
    /// The slot's number.
    pub index: u32,
    /// The port on which the app has to listen.
    pub port: u16,
}

/// `VCAP_APPLICATION`: of a running instance, or, without a place, of a build and of `cf env`.
#[must_use]
pub fn vcap_application(
    platform: &Platform,
    subject: &Subject<'_>,
    process: Option<&Process>,
    place: Option<Place>,
) -> Value {
    let Subject {
        app,
        space,
        org,
        uris,
        ..
    } = subject;
    let version = version_of(app, process);
    let mut value = json!({
        "cf_api": platform.api_url,
        "limits": { "fds": FILES },
        "application_id": app.id.to_string(),
        "application_name": app.name.as_str(),
        "name": app.name.as_str(),
        "application_uris": uris,
        "uris": uris,
        "application_version": version,
        "version": version,
        "space_id": space.id.to_string(),
        "space_name": space.name.as_str(),
        "organization_id": org.id.to_string(),
        "organization_name": org.name.as_str(),
    });
    if let Some(process) = process {
        value["limits"]["mem"] = process.memory.0.into();
        value["limits"]["disk"] = process.disk.0.into();
        value["process_id"] = process.id.to_string().into();
        value["process_type"] = process.process_type.as_str().into();
    }
    match place {
        Some(place) => {
            value["instance_id"] = place.instance.to_string().into();
            value["instance_index"] = place.index.into();
            value["host"] = "0.0.0.0".into();
            value["port"] = place.port.into();
        }
        None => value["users"] = Value::Null,
    }
    value
}

/// A version that is another one after each restart, and the same until then.
fn version_of(app: &App, process: Option<&Process>) -> String {
    let version = process.and_then(|process| Version::wanted(app, process));
    let (generation, droplet) = version.map_or((app.generation, 0), |version| {
        let both = version.app.rotate_left(32) ^ version.process;
        (both, version.droplet.uuid().as_u128())
    });
    let bits = app.id.uuid().as_u128() ^ droplet.rotate_left(1) ^ u128::from(generation);
    uuid::Builder::from_u128(bits)
        .with_version(uuid::Version::Random)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
        .to_string()
}

/// What a process of an instance sees; what is the instance's own wins.
#[must_use]
pub fn running(
    platform: &Platform,
    subject: &Subject<'_>,
    process: &Process,
    droplet: &Droplet,
    place: Place,
) -> Vec<(String, String)> {
    let mut env = base(subject, process, droplet);
    let vcap = vcap_application(platform, subject, Some(process), Some(place));
    let (index, instance) = (place.index.to_string(), place.instance.to_string());
    let port = place.port.to_string();
    let ports = json!([{
        "external": place.port, "internal": place.port,
        "external_tls_proxy": null, "internal_tls_proxy": null,
    }]);
    set(
        &mut env,
        [
            ("VCAP_APPLICATION", vcap.to_string()),
            ("PORT", port.clone()),
            ("VCAP_APP_PORT", port.clone()),
            ("VCAP_APP_HOST", "0.0.0.0".to_owned()),
            ("CF_INSTANCE_INDEX", index.clone()),
            ("INSTANCE_INDEX", index),
            ("CF_INSTANCE_GUID", instance.clone()),
            ("INSTANCE_GUID", instance),
            ("CF_INSTANCE_IP", platform.address.clone()),
            ("CF_INSTANCE_INTERNAL_IP", "127.0.0.1".to_owned()),
            ("CF_INSTANCE_ADDR", format!("{}:{port}", platform.address)),
            ("CF_INSTANCE_PORT", port),
            ("CF_INSTANCE_PORTS", ports.to_string()),
        ],
    );
    env.into_iter().collect()
}

/// What the command of a task sees: as a process, but nothing calls it and nothing is beside it.
#[must_use]
pub fn task(
    platform: &Platform,
    subject: &Subject<'_>,
    process: &Process,
    droplet: &Droplet,
    task: TaskId,
) -> Vec<(String, String)> {
    let mut env = base(subject, process, droplet);
    let mut vcap = vcap_application(platform, subject, Some(process), None);
    // It is no process, as Cloud Foundry sees it.
    if let Some(members) = vcap.as_object_mut() {
        members.remove("process_id");
        members.remove("process_type");
    }
    set(
        &mut env,
        [
            ("VCAP_APPLICATION", vcap.to_string()),
            ("CF_INSTANCE_GUID", task.to_string()),
            ("INSTANCE_GUID", task.to_string()),
            ("CF_INSTANCE_IP", platform.address.clone()),
            ("CF_INSTANCE_INTERNAL_IP", "127.0.0.1".to_owned()),
            ("CF_INSTANCE_ADDR", String::new()),
            ("CF_INSTANCE_PORT", String::new()),
            ("CF_INSTANCE_PORTS", "[]".to_owned()),
        ],
    );
    env.into_iter().collect()
}

/// What every command of an app sees. Later wins: the runtime's, the user's, the platform's.
fn base(subject: &Subject<'_>, process: &Process, droplet: &Droplet) -> BTreeMap<String, String> {
    // An image is a world of its own, to which nothing here has to fit.
    let mut env = match droplet.launch {
        Some(_) => BTreeMap::new(),
        None => defaults(),
    };
    env.extend(droplet.env.clone());
    env.extend(subject.shared.clone());
    env.extend(subject.app.env.clone());
    common(&mut env, subject, process.memory);
    match &droplet.launch {
        Some(launch) => of_image(&mut env, droplet, launch),
        None => set(
            &mut env,
            [
                ("USER", "vcap".to_owned()),
                ("HOME", APP.to_owned()),
                ("PWD", APP.to_owned()),
                ("TMPDIR", "/home/vcap/tmp".to_owned()),
                ("DEPS_DIR", "/home/vcap/deps".to_owned()),
            ],
        ),
    }
    env
}

/// Tells a process that part of its instance's memory is meant for sidecars.
pub fn share_memory(env: &mut [(String, String)], process: &Process, sidecars: &[SidecarPlan]) {
    let taken = sidecars.iter().filter_map(|one| one.memory);
    let left = process
        .memory
        .0
        .saturating_sub(taken.map(|size| size.0).sum());
    let limit = env.iter_mut().find(|(name, _)| name == "MEMORY_LIMIT");
    if let Some((_, limit)) = limit {
        *limit = format!("{left}m");
    }
}

/// What the platform sets for a build with this much memory; the user's variables are not in
/// it and lose against it.
#[must_use]
pub fn staging(
    platform: &Platform,
    subject: &Subject<'_>,
    memory: Megabytes,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    common(&mut env, subject, memory);
    set(&mut env, [("USER", "vcap".to_owned())]);
    let vcap = vcap_application(platform, subject, None, None);
    set(
        &mut env,
        [
            ("VCAP_APPLICATION", vcap.to_string()),
            ("CF_STACK", platform.stack.clone()),
            ("CF_INSTANCE_IP", platform.address.clone()),
            ("CF_INSTANCE_INTERNAL_IP", "127.0.0.1".to_owned()),
            ("CF_INSTANCE_ADDR", String::new()),
            ("CF_INSTANCE_PORT", String::new()),
            ("CF_INSTANCE_PORTS", "[]".to_owned()),
        ],
    );
    env
}

/// What a user or runtime may set otherwise.
fn defaults() -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    set(
        &mut env,
        [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
        ],
    );
    env
}

fn common(env: &mut BTreeMap<String, String>, subject: &Subject<'_>, memory: Megabytes) {
    set(
        env,
        [
            bindings::variable(subject.app, subject.services),
            ("MEMORY_LIMIT", format!("{}m", memory.0)),
            ("CF_SYSTEM_CERT_PATH", TRUSTED.to_owned()),
        ],
    );
    set(env, credentials::variables());
}

/// Who and where the app is in its image; what the image or the user says of a home counts.
fn of_image(env: &mut BTreeMap<String, String>, droplet: &Droplet, launch: &Launch) {
    let name = match launch.user.split(':').next() {
        None | Some("") => "root",
        Some(name) => name,
    };
    let said = |name: &str| droplet.env.get(name).cloned();
    set(
        env,
        [
            ("USER", name.to_owned()),
            ("HOME", said("HOME").unwrap_or_else(|| launch.home.clone())),
            ("PWD", launch.workdir.clone()),
        ],
    );
}

fn set<const N: usize>(env: &mut BTreeMap<String, String>, values: [(&str, String); N]) {
    env.extend(values.map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drivers::fake::platform,
        model::{
            AppName, AppState, DropletId, DropletKind, DropletState, HealthCheck, Lifecycle,
            Metadata, OrgId, OrgName, ProcessId, ProcessType, ReadinessCheck, SpaceId, SpaceName,
            Timestamp,
        },
    };

    const AT: Timestamp = Timestamp::from_millis(0);

    fn bits<T>(number: u128, from: impl FnOnce(uuid::Uuid) -> T) -> T {
        from(uuid::Uuid::from_u128(number))
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn with<T>(test: impl FnOnce(&Subject<'_>, &Process, &Droplet) -> T) -> T {
        let org = Org {
            id: bits(1, OrgId::from_uuid),
            name: OrgName::parse("uni").unwrap(),
            suspended: false,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let space = Space {
            id: bits(2, SpaceId::from_uuid),
            org: org.id,
            name: SpaceName::parse("dev").unwrap(),
            allow_ssh: false,
            quota: None,
            isolation_segment: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let droplet = Droplet {
            id: bits(4, DropletId::from_uuid),
            app: bits(3, AppId::from_uuid),
            package: None,
            build: None,
            state: DropletState::Expired,
            kind: DropletKind::Process,
            process_types: BTreeMap::new(),
            env: map(&[
                ("PATH", "/home/vcap/deps/bin:/usr/bin:/bin"),
                ("MODE", "runtime"),
            ]),
            static_root: String::new(),
            image: None,
            launch: None,
            buildpacks: Vec::new(),
            stack: "pastina".to_owned(),
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let app = App {
            id: droplet.app,
            space: space.id,
            name: AppName::parse("shop").unwrap(),
            state: AppState::Started,
            lifecycle: Lifecycle::default(),
            env: map(&[("MODE", "user"), ("HOME", "/root"), ("LANG", "ko_KR.UTF-8")]),
            current_droplet: Some(droplet.id),
            generation: 1,
            features: BTreeMap::new(),
            uid_range: None,
            cache_cleared_at: None,
            git_source: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let process = Process {
            id: ProcessId::from(app.id),
            app: app.id,
            process_type: ProcessType::web(),
            command: None,
            instances: 1,
            memory: Megabytes(512),
            disk: Megabytes(1024),
            log_rate_limit: -1,
            health: HealthCheck::default_for(true),
            readiness: ReadinessCheck::default(),
            generation: 0,
            revision: None,
            pin: None,
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let uris = ["shop.example.kr".to_owned()];
        let services = json!({});
        let subject = Subject {
            app: &app,
            space: &space,
            org: &org,
            uris: &uris,
            services: &services,
            shared: &BTreeMap::new(),
        };
        test(&subject, &process, &droplet)
    }

    fn lines(env: impl IntoIterator<Item = (String, String)>) -> String {
        let lines = env
            .into_iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        lines.collect()
    }

    #[test]
    fn a_running_instance_sees_what_cloud_foundry_defines() {
        let place = Place {
            instance: bits(5, InstanceId::from_uuid),
            index: 2,
            port: crate::model::APP_PORT,
        };
        let env = with(|subject, process, droplet| {
            running(&platform(), subject, process, droplet, place)
        });
        insta::assert_snapshot!(lines(env));
    }

    #[test]
    fn a_task_sees_no_port() {
        let id = bits(6, TaskId::from_uuid);
        let env =
            with(|subject, process, droplet| task(&platform(), subject, process, droplet, id));
        insta::assert_snapshot!(lines(env));
    }

    #[test]
    fn a_build_sees_no_instance() {
        let env = with(|subject, _, _| staging(&platform(), subject, Megabytes(1024)));
        insta::assert_snapshot!(lines(env));
    }

    #[test]
    fn the_version_is_another_one_after_a_restart() {
        with(|subject, process, _| {
            let mut restarted = subject.app.clone();
            restarted.generation += 1;
            let mut scaled = process.clone();
            scaled.generation += 1;
            let now = version_of(subject.app, Some(process));
            assert_eq!(now, version_of(subject.app, Some(process)));
            assert_ne!(now, version_of(&restarted, Some(process)));
            assert_ne!(now, version_of(subject.app, Some(&scaled)));
        });
    }
}

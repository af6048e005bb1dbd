//! What is wanted: apps with all that belongs to them, as desired state.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
    sync::atomic::{AtomicU32, Ordering},
};

use pastina::{
    model::{
        Actor, App, AppId, AppName, AppProtocol, AppState, Build, BuildId, BuildState, Destination,
        DestinationId, Domain, DomainId, DomainName, HealthCheck, Lifecycle, Megabytes, Metadata,
        Org, OrgId, OrgName, Package, PackageId, PackageState, Process, ProcessId, ProcessType,
        ReadinessCheck, Route, RouteHost, RouteId, RoutePath, Space, SpaceId, SpaceName, Timestamp,
    },
    store::Tx,
};
use zip::{ZipWriter, write::SimpleFileOptions};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Answers what it is asked, counts aloud, and ends when told to.
const APP: &str = r#"
import http.server, os, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit":
            os._exit(3)
        if self.path == "/eat":
            list(bytes([1]) * (1 << 20) for _ in range(1000))
            x = bytearray(os.urandom(512 << 20))
        body = f"{os.getpid()} {os.environ.get(self.path[1:], '')}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

def count():
    n = 0
    while True:
        print(f"tick {n}", flush=True)
        n += 1
        time.sleep(0.005)

threading.Thread(target=count, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// [`APP`] as a package.
pub(super) const PYTHON: &[(&str, &str)] =
    &[("app.py", APP), ("Procfile", "web: exec python3 app.py\n")];

/// The files in an archive.
pub(super) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        zip.start_file(*path, SimpleFileOptions::default().unix_permissions(0o644))
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn package(app: AppId, sha256: String) -> Package {
    Package {
        id: PackageId::random(),
        app,
        state: PackageState::Ready { sha256 },
        image: None,
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

/// A build that is to be done.
pub(super) fn build(app: AppId, package: PackageId) -> Build {
    Build {
        id: BuildId::random(),
        app,
        package,
        state: BuildState::Staging,
        lifecycle: Lifecycle::default(),
        memory: None,
        created_by: Actor::system(),
        metadata: Metadata::default(),
        created_at: AT,
        updated_at: AT,
    }
}

/// A range of user ids beyond those of other tests.
fn next_range() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    800_000_000 + 65_536 * NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An app with a process and a route, in an organization, a space and a domain of its own.
pub(super) fn desired(tx: &mut Tx, id: AppId, instances: u32) {
    let (metadata, created_at, updated_at) = (Metadata::default(), AT, AT);
    let name = format!("app-{}", &id.to_string()[..8]);
    let org = Org {
        id: OrgId::random(),
        name: OrgName::parse(name.clone()).unwrap(),
        suspended: false,
        quota: None,
        isolation_segment: None,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    let space = Space {
        id: SpaceId::random(),
        org: org.id,
        name: SpaceName::parse("dev").unwrap(),
        allow_ssh: false,
        quota: None,
        isolation_segment: None,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    let domain = Domain {
        id: DomainId::random(),
        name: DomainName::parse(format!("{id}.example.kr")).unwrap(),
        org: None,
        shared_with: Vec::new(),
        internal: false,
        tcp: false,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    tx.put(Route {
        id: RouteId::random(),
        space: space.id,
        domain: domain.id,
        shared_with: BTreeSet::new(),
        host: RouteHost::parse("www").unwrap(),
        path: RoutePath::parse("").unwrap(),
        port: None,
        destinations: vec![Destination {
            id: DestinationId::random(),
            app: id,
            process_type: ProcessType::web(),
            port: None,
            weight: None,
            protocol: AppProtocol::Http1,
        }],
        options: BTreeMap::new(),
        metadata: metadata.clone(),
        created_at,
        updated_at,
    });
    tx.put(App {
        id,
        space: space.id,
        name: AppName::parse(name).unwrap(),
        state: AppState::Stopped,
        lifecycle: Lifecycle::default(),
        env: BTreeMap::from([("GREETING".to_owned(), "hello there".to_owned())]),
        current_droplet: None,
        generation: 1,
        features: BTreeMap::new(),
        // Only looked at where the platform runs as root.
        uid_range: Some(next_range()),
        cache_cleared_at: None,
        git_source: None,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    });
    tx.put(Process {
        id: ProcessId::from(id),
        app: id,
        process_type: ProcessType::web(),
        command: None,
        instances,
        memory: Megabytes(128),
        disk: Megabytes(128),
        log_rate_limit: -1,
        health: HealthCheck::default_for(true),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata,
        created_at,
        updated_at,
    });
    tx.put(org);
    tx.put(space);
    tx.put(domain);
}

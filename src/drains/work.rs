//! Which drains there are.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use super::{Deps, address::Address, deliver::Drain, message::Sender};
use crate::{
    model::{AppId, Credentials},
    net::{Identity, Verify},
    stdx::tasks::Tasks,
    store::State,
};

/// Between looks at what changes without end.
const CALM: Duration = Duration::from_millis(200);
/// Drains of one app.
const MOST: usize = 10;

/// What a drain is: another of any of these is another drain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    address: Address,
    sender: Sender,
    verify: Verify,
    /// Whether it may lead to this machine and private networks.
    vouched: bool,
}

/// Drains by app and URL.
type Running = HashMap<(AppId, String), (Wanted, AbortOnDropHandle<()>)>;

/// All drains of this machine; they end when it is dropped.
#[derive(Debug)]
pub struct Drains {
    tasks: Tasks,
}

impl Drains {
    /// Begins to send what the state asks for.
    #[must_use]
    pub fn start(deps: Deps) -> Self {
        let tasks = Tasks::new();
        tasks.spawn("drains", follow(deps));
        Self { tasks }
    }

    /// Ends all of them; what waits is lost.
    pub async fn stop(self) {
        self.tasks.stop().await;
    }
}

/// Keeps what runs what is wanted.
async fn follow(deps: Deps) {
    let mut changes = deps.store.watch();
    let mut running = Running::new();
    loop {
        changes.borrow_and_update();
        settle(&deps, &mut running);
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(CALM).await;
    }
}

fn settle(deps: &Deps, running: &mut Running) {
    let wanted = wanted(&deps.store.state());
    running.retain(|key, (known, _)| wanted.get(key) == Some(known));
    for (key, wanted) in wanted {
        if running.contains_key(&key) {
            continue;
        }
        let drain = Drain {
            app: key.0,
            address: wanted.address.clone(),
            sender: wanted.sender.clone(),
            verify: wanted.verify.clone(),
            lookup: if wanted.vouched {
                deps.lookup.clone()
            } else {
                deps.lookup.public_only()
            },
            logs: deps.logs.clone(),
        };
        let task = AbortOnDropHandle::new(tokio::task::spawn(drain.run()));
        running.insert(key, (wanted, task));
    }
}

/// What `state` asks for.
fn wanted(state: &State) -> BTreeMap<(AppId, String), Wanted> {
    let mut wanted = BTreeMap::new();
    let mut of_app: HashMap<AppId, usize> = HashMap::new();
    for binding in state.bindings.values().filter(|binding| binding.is_there()) {
        let Some(service) = state.services.get(&binding.service) else {
            continue;
        };
        let url = binding.syslog_drain_url(service);
        let app = binding.app.and_then(|app| state.apps.get(&app));
        let (Some(url), Some(app)) = (url, app) else {
            continue;
        };
        let space = state.spaces.get(&app.space);
        let org = space.and_then(|space| state.orgs.get(&space.org));
        let count = of_app.entry(app.id).or_default();
        if let (Some(address), Some(space), Some(org)) = (Address::parse(url), space, org)
            && *count < MOST
        {
            *count += 1;
            let drain = Wanted {
                address,
                sender: Sender::new(app, space, org),
                verify: verify(binding.credentials(service)),
                vouched: state.is_vouched(service),
            };
            wanted.insert((app.id, url.to_owned()), drain);
        }
    }
    wanted
}

/// Whom a drain trusts and who it says it is, where the credentials say so as in Cloud Foundry:
/// `ca`, and `cert` with `key`.
fn verify(credentials: &Credentials) -> Verify {
    let text = |key: &str| Some(credentials.0.get(key)?.as_str()?.to_owned());
    let identity = text("cert").zip(text("key"));
    match (text("ca"), identity) {
        (None, None) => Verify::System,
        (ca, identity) => Verify::Given {
            ca,
            identity: identity.map(|(certificate, key)| Identity { certificate, key }),
        },
    }
}

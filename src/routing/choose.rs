//! Which of a route's backends gets the next request.

use std::sync::Arc;

use super::{Backend, Balance, Entry, Target};
use crate::model::InstanceId;

/// How many requests a thread has sent down one route: the state of a fair choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor(u32);

impl Cursor {
    /// A cursor that begins at `start`, so that threads do not all begin with the same backend.
    #[must_use]
    pub const fn starting_at(start: u32) -> Self {
        Self(start)
    }
}

/// 2^32 divided by the golden ratio: its multiples visit a range evenly from the first few on.
const GOLDEN: u32 = 0x9E37_79B9;

/// The backend for the next request, or `None` where all are excluded or there are none.
///
/// Where no destination has a weight, all instances take part; where one has, each app gets its
/// share of the requests and divides it among its own. Among those it goes in turn, or to the one
/// with the fewest requests where the route says so. Static sites always go to the
/// app's lowest instance: the gateway itself serves them, so there is no load to share, and
/// their validators stay the same from request to request.
pub fn choose<'a>(
    entry: &'a Entry,
    cursor: &mut Cursor,
    exclude: &[InstanceId],
) -> Option<&'a Arc<Backend>> {
    let turn = cursor.0;
    cursor.0 = turn.wrapping_add(1);
    let open = |backend: &&Arc<Backend>| !exclude.contains(&backend.instance);
    let weighted = entry
        .backends
        .iter()
        .any(|backend| backend.weight.is_some());
    let chosen = match (weighted, entry.balance) {
        (true, Balance::RoundRobin) => by_weight(entry, turn, exclude)?,
        (true, Balance::LeastConnections) => {
            let app = by_weight(entry, turn, exclude)?;
            let siblings = |backend: &&Arc<Backend>| {
                open(backend) && backend.app == app.app && backend.weight == app.weight
            };
            least_busy(entry, turn, siblings)?
        }
        (false, Balance::RoundRobin) => {
            let count = entry.backends.iter().filter(open).count();
            let position = (turn as usize).checked_rem(count)?;
            entry.backends.iter().filter(open).nth(position)?
        }
        (false, Balance::LeastConnections) => least_busy(entry, turn, open)?,
    };
    if matches!(chosen.target, Target::Static { .. }) {
        let siblings = entry.backends.iter().filter(open).filter(|backend| {
            backend.app == chosen.app && matches!(backend.target, Target::Static { .. })
        });
        return siblings.min_by_key(|backend| backend.index);
    }
    Some(chosen)
}

/// The backend with the fewest requests of those that `fits` names; of several, each in turn.
fn least_busy<'a>(
    entry: &'a Entry,
    turn: u32,
    fits: impl Fn(&&'a Arc<Backend>) -> bool,
) -> Option<&'a Arc<Backend>> {
    let fitting = || entry.backends.iter().filter(|backend| fits(backend));
    let least = fitting().map(|backend| backend.load.now()).min()?;
    let idle = || fitting().filter(|backend| backend.load.now() <= least);
    let position = (turn as usize).checked_rem(idle().count()).unwrap_or(0);
    // Other threads go on counting: then any will do.
    idle().nth(position).or_else(|| fitting().next())
}

fn by_weight<'a>(entry: &'a Entry, turn: u32, exclude: &[InstanceId]) -> Option<&'a Arc<Backend>> {
    let open = || {
        entry
            .backends
            .iter()
            .filter(|backend| !exclude.contains(&backend.instance))
    };
    let siblings = |backend: &Backend| {
        open()
            .filter(|other| other.app == backend.app && other.weight == backend.weight)
            .count()
    };
    // In fixed point, since an app's weight is divided by the number of its instances.
    let share = |backend: &Backend| {
        (u64::from(backend.weight.unwrap_or(1).max(1)) << 20) / siblings(backend).max(1) as u64
    };
    let total: u64 = open().map(|backend| share(backend)).sum();
    let mut point = (u64::from(turn.wrapping_mul(GOLDEN)) * total) >> 32;
    for backend in open() {
        match point.checked_sub(share(backend)) {
            Some(rest) => point = rest,
            None => return Some(backend),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::PathBuf};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{AppId, AppProtocol, RouteId, SpaceId},
        routing::Load,
    };

    fn backend(app: AppId, index: u32, weight: Option<u8>) -> Arc<Backend> {
        Arc::new(Backend {
            app,
            space: SpaceId::random(),
            process: (
                crate::model::ProcessId::random(),
                crate::model::ProcessType::web(),
            ),
            instance: InstanceId::random(),
            index,
            weight,
            load: Load::default(),
            target: Target::Sandbox {
                dir: PathBuf::from("/nowhere"),
                port: 8080,
                protocol: AppProtocol::Http1,
            },
        })
    }

    fn entry(backends: Vec<Arc<Backend>>) -> Entry {
        Entry {
            route: RouteId::random(),
            host: "a.kr".into(),
            path: String::new(),
            port: None,
            service: None,
            balance: Balance::default(),
            backends,
        }
    }

    fn tally(entry: &Entry, rounds: u32, exclude: &[InstanceId]) -> HashMap<InstanceId, u32> {
        let mut cursor = Cursor::default();
        let mut tally = HashMap::new();
        for _ in 0..rounds {
            if let Some(backend) = choose(entry, &mut cursor, exclude) {
                *tally.entry(backend.instance).or_default() += 1;
            }
        }
        tally
    }

    #[test]
    fn without_weights_everyone_gets_the_same() {
        let app = AppId::random();
        let entry = entry((0..3).map(|index| backend(app, index, None)).collect());
        assert!(tally(&entry, 30, &[]).values().all(|&count| count == 10));
        let out = entry.backends[1].instance;
        let rest = tally(&entry, 30, &[out]);
        assert_eq!((rest.get(&out), rest.len()), (None, 2));
        let all: Vec<_> = entry
            .backends
            .iter()
            .map(|backend| backend.instance)
            .collect();
        assert!(tally(&entry, 3, &all).is_empty());
    }

    #[test]
    fn the_least_busy_is_chosen_and_equals_in_turn() {
        let (app, other) = (AppId::random(), AppId::random());
        let mut entry = entry((0..3).map(|index| backend(app, index, None)).collect());
        entry.balance = Balance::LeastConnections;
        assert!(tally(&entry, 30, &[]).values().all(|&count| count == 10));
        let [first, second, third] = [0, 1, 2].map(|at| Arc::clone(&entry.backends[at]));
        first.load.begin();
        second.load.begin();
        assert_eq!(tally(&entry, 9, &[]), HashMap::from([(third.instance, 9)]));
        let rest = tally(&entry, 10, &[third.instance]);
        assert_eq!((rest[&first.instance], rest[&second.instance]), (5, 5));
        first.load.end();
        assert_eq!(
            tally(&entry, 9, &[third.instance]),
            HashMap::from([(first.instance, 9)])
        );
        // An app's share comes first, however busy it is.
        let weighted = [(app, 90), (app, 90), (other, 10)];
        let backends = weighted.map(|(app, weight)| backend(app, 0, Some(weight)));
        entry.backends = backends.into();
        entry.backends[0].load.begin();
        let tally = tally(&entry, 1000, &[]);
        assert_eq!(tally.get(&entry.backends[0].instance), None);
        let share = tally[&entry.backends[1].instance];
        assert!((880..=920).contains(&share), "{share}");
    }

    #[test]
    fn a_static_site_keeps_to_its_lowest_instance() {
        let app = AppId::random();
        let fixed = |index| {
            let mut one = (*backend(app, index, None)).clone();
            one.target = Target::Static {
                site: std::sync::Arc::default(),
                root: PathBuf::from("/nowhere"),
            };
            Arc::new(one)
        };
        let entry = entry(vec![fixed(1), fixed(0), fixed(2)]);
        assert_eq!(
            tally(&entry, 9, &[]),
            HashMap::from([(entry.backends[1].instance, 9)])
        );
    }

    proptest! {
        #[test]
        fn an_app_gets_its_share_whatever_its_number_of_instances(
            apps in prop::collection::vec((1..=100_u8, 1..5_u32), 1..5),
        ) {
            let mut backends = Vec::new();
            let mut wanted = Vec::new();
            for &(weight, instances) in &apps {
                let app = AppId::random();
                wanted.push((app, f64::from(weight)));
                backends.extend((0..instances).map(|index| backend(app, index, Some(weight))));
            }
            let entry = entry(backends);
            let tally = tally(&entry, 4096, &[]);
            let total: f64 = wanted.iter().map(|(_, weight)| weight).sum();
            for (app, weight) in wanted {
                let got: u32 = entry.backends.iter()
                    .filter(|backend| backend.app == app)
                    .filter_map(|backend| tally.get(&backend.instance))
                    .sum();
                let share = f64::from(got) / 4096.0;
                prop_assert!((share - weight / total).abs() < 0.02, "{share} for {weight}/{total}");
            }
        }
    }
}

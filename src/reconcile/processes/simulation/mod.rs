//! The plan and the phases against a model world that goes wrong in every way a seed can think
//! of: crashes, slow and failing checks, lost shims, a daemon that dies between any two steps,
//! a host that reboots, clocks that jump, and people who change their minds.
//!
//! `PASTINA_SIM_SEED=n cargo test simulation` replays one seed and prints what happened.

mod daemon;
mod referee;
mod world;

use std::{env, panic, thread};

use daemon::Daemon;
use world::World;

use crate::reconcile::tests::Chance;

/// How many seeds a run tries.
const SEEDS: u64 = 10_000;
/// How many steps go wrong before the faults stop.
const STEPS: u32 = 70;
/// How many passes the world may take to come to rest after the faults stopped.
const PATIENCE: u32 = 400;

/// Lives through one seed.
fn live(seed: u64, trace: bool) {
    let mut world = World::new(seed, trace);
    let mut daemon = Daemon::default();
    for _ in 0..STEPS {
        world.advance();
        world.mishap(&mut daemon);
        daemon.work(&mut world);
        world.check(&daemon);
    }
    world.calm();
    for _ in 0..PATIENCE {
        daemon.work(&mut world);
        world.check(&daemon);
        if daemon.at_rest(&world) {
            daemon.check_rest(&world);
            return;
        }
        world.advance_to_next(&daemon);
    }
    panic!("never came to rest:\n{world:#?}\n{daemon:#?}");
}

#[test]
fn a_simulation_of_ten_thousand_seeds_keeps_every_promise() {
    if let Some(seed) = env::var("PASTINA_SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        live(seed, true);
        return;
    }
    let threads = thread::available_parallelism().map_or(2, usize::from) as u64;
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..SEEDS).step_by(usize::try_from(threads).unwrap()) {
                    if let Err(cause) = panic::catch_unwind(|| live(seed, false)) {
                        eprintln!("replay with PASTINA_SIM_SEED={seed} cargo test simulation");
                        panic::resume_unwind(cause);
                    }
                }
            });
        }
    });
}

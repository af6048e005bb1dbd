//! The plan against a platform where instances take their time, people cancel, go on and deploy
//! again, and what is observed is late.

use super::plan::{Action, Web, plan};
use crate::{
    model::{
        AppId, Deployment, DeploymentId, DeploymentOptions, DeploymentState, DropletId, Metadata,
        ProcessId, Strategy, Timestamp,
    },
    reconcile::tests::Chance,
};

const SEEDS: u64 = 5_000;
const STEPS: u32 = 400;

/// A process and how many of its instances, from the first on, are healthy.
#[derive(Debug, Clone, Copy)]
struct Process {
    id: ProcessId,
    instances: u32,
    healthy: u32,
    /// Whether its instances ever become healthy.
    sound: bool,
}

#[derive(Debug)]
struct World {
    chance: Chance,
    webs: Vec<Process>,
    deployment: Deployment,
    /// Fewest healthy instances that may be there.
    least: u32,
}

const fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let original = 1 + chance.few(5);
        let old = Process {
            id: ProcessId::random(),
            instances: original,
            healthy: original,
            sound: true,
        };
        let mut world = Self {
            chance,
            webs: vec![old],
            deployment: Deployment {
                id: DeploymentId::random(),
                app: AppId::random(),
                strategy: Strategy::Rolling,
                state: DeploymentState::Deployed,
                options: DeploymentOptions::default(),
                step: 1,
                original,
                droplet: DropletId::random(),
                previous_droplet: None,
                process: None,
                revision: None,
                rollback: false,
                healthy_at: at(0),
                state_at: at(0),
                metadata: Metadata::default(),
                created_at: at(0),
                updated_at: at(0),
            },
            least: original,
        };
        world.deploy();
        world
    }

    /// Somebody deploys, whatever is under way.
    fn deploy(&mut self) {
        let canary = self.chance.permille(500);
        let steps = if canary && self.chance.permille(700) {
            vec![10 + self.chance.few(30), 50 + self.chance.few(51)]
        } else {
            Vec::new()
        };
        let id = ProcessId::random();
        let options = DeploymentOptions {
            max_in_flight: 1 + self.chance.few(3),
            instances: self.chance.permille(300).then(|| 1 + self.chance.few(6)),
            steps,
            ..DeploymentOptions::default()
        };
        self.least = self.deployment.original.min(self.least);
        self.deployment = Deployment {
            strategy: if canary {
                Strategy::Canary
            } else {
                Strategy::Rolling
            },
            state: if canary {
                DeploymentState::Prepaused
            } else {
                DeploymentState::Deploying
            },
            options,
            step: 1,
            process: Some(id),
            ..self.deployment.clone()
        };
        self.least = self.least.min(self.deployment.goal());
        let first = if canary {
            self.deployment.step_instances()
        } else {
            self.deployment.goal()
        };
        self.webs.push(Process {
            id,
            instances: first.min(self.deployment.options.max_in_flight),
            healthy: 0,
            sound: self.chance.permille(700),
        });
    }

    fn people(&mut self, stormy: bool) {
        let active = self.deployment.state.is_active();
        if !active {
            return;
        }
        let stuck = self.webs.last().is_some_and(|web| !web.sound);
        if self.deployment.state == DeploymentState::Paused && self.chance.permille(300) {
            if self.deployment.step < self.deployment.steps() {
                self.deployment.step += 1;
                self.deployment.state = DeploymentState::Prepaused;
            } else {
                self.deployment.state = DeploymentState::Deploying;
            }
        } else if self
            .chance
            .permille(if stuck && !stormy { 100 } else { 10 })
        {
            self.deployment.state = DeploymentState::Canceling;
        } else if stormy && self.chance.permille(10) && self.webs.len() < 4 {
            self.deploy();
        }
    }

    fn instances(&mut self) {
        for at in 0..self.webs.len() {
            let more = self.chance.permille(300);
            let web = &mut self.webs[at];
            web.healthy = web.healthy.min(web.instances);
            // One that ran once is sound.
            if more && web.sound && web.healthy < web.instances {
                web.healthy += 1;
            }
        }
    }

    fn pass(&mut self) {
        let webs: Vec<Web> = self
            .webs
            .iter()
            .map(|web| Web {
                process: web.id,
                instances: web.instances,
                routable: web.healthy,
            })
            .collect();
        for action in plan(&self.deployment, &webs) {
            match action {
                Action::Scale { process, instances } => {
                    let web = self.webs.iter_mut().find(|web| web.id == process).unwrap();
                    web.instances = instances;
                    web.healthy = web.healthy.min(instances);
                }
                Action::Pause => self.deployment.state = DeploymentState::Paused,
                Action::Finish { process, instances } => {
                    self.webs.retain(|web| web.id == process);
                    self.webs[0].instances = instances;
                    self.webs[0].healthy = self.webs[0].healthy.min(instances);
                    let new = Some(process) == self.deployment.process;
                    self.deployment.state = if new {
                        DeploymentState::Deployed
                    } else {
                        DeploymentState::Canceled
                    };
                }
            }
        }
    }

    fn check(&self, flight: u32) {
        let healthy: u32 = self.webs.iter().map(|web| web.healthy).sum();
        assert!(
            healthy >= self.least,
            "{healthy} are fewer than {}: {self:#?}",
            self.least
        );
        let all: u32 = self.webs.iter().map(|web| web.instances).sum();
        let goal = self.deployment.goal().max(self.deployment.original);
        // Those of a deployment that was superseded are there until they are replaced.
        let most = goal + flight + 1;
        assert!(all <= most, "{all} are more than {most}: {self:#?}");
    }
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    let mut flight = 0;
    for step in 0..STEPS {
        let before = world.webs.len();
        world.people(step < 100);
        let superseded = world.webs.len() > before;
        if superseded || step == 0 {
            // What others had on their way is on its way still.
            flight += world.deployment.options.max_in_flight + u32::from(superseded);
        }
        world.instances();
        world.pass();
        world.check(flight);
        if !world.deployment.state.is_active() {
            assert_eq!(world.webs.len(), 1, "{world:#?}");
            return;
        }
    }
    panic!("it never ended: {world:#?}");
}

#[test]
fn there_are_never_too_few_nor_too_many_instances_and_every_deployment_ends() {
    for seed in 0..SEEDS {
        if let Err(cause) = std::panic::catch_unwind(|| live(seed)) {
            eprintln!("it was seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

//! Where one instance stands, and what makes it stand elsewhere.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{model::Exit, stdx::clock::Moment};

/// An instance that was healthy for longer than this before it crashed starts its count of
/// crashes afresh (Diego: `CrashResetTimeout`).
pub const STABLE: Duration = Duration::from_secs(5 * 60);

/// Why an instance is killed although it should run; in words for the user.
pub type Cause = Cow<'static, str>;

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Being made, or not yet healthy.
    Starting {
        /// Since when.
        since: Moment,
    },
    /// Healthy.
    Running {
        /// Since when.
        since: Moment,
        /// Whether its readiness check lets requests through.
        ready: bool,
    },
    /// Alive, but its liveness check failed: it has to go.
    Failing {
        /// Since when.
        since: Moment,
        /// Why.
        cause: Cause,
        /// Whether it had been healthy for long.
        stable: bool,
    },
    /// Asked to stop.
    Stopping {
        /// Since when.
        since: Moment,
        /// Why it is killed although it should run; none where it should stop.
        cause: Option<Cause>,
        /// Whether it had been healthy for long.
        stable: bool,
    },
    /// Nothing of it runs any more.
    Ended {
        /// Since when.
        at: Moment,
        /// How it came about.
        end: End,
    },
}

/// How an instance came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// The platform wanted it.
    Stopped,
    /// The daemon went away before it had started it.
    Interrupted,
    /// Nobody wanted it.
    Crashed {
        /// What is known of the process.
        exit: Exit,
        /// Why, for the user.
        details: Cause,
        /// Whether it had been healthy for long.
        stable: bool,
    },
}

/// What can happen to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A start-up or liveness check passed; `ready` tells what the readiness check says.
    Healthy {
        /// Whether requests should reach it.
        ready: bool,
    },
    /// The liveness check failed for good.
    Unhealthy(Cause),
    /// The platform asks it to stop; with a cause, because something is wrong with it.
    StopWanted(Option<Cause>),
    /// It has ended.
    Exited(Exit),
    /// A daemon before this one went away before it had started it.
    Interrupted,
    /// Time passed.
    Tick,
}

impl Phase {
    /// The phase after `happening`, or `None` where nothing changes.
    #[must_use]
    pub fn after(&self, happening: Happening, now: Moment) -> Option<Self> {
        match (self, happening) {
            (Self::Ended { at, end }, Happening::Tick) => ahead(*at, now).then(|| Self::Ended {
                at: now,
                end: end.clone(),
            }),
            (Self::Starting { since }, Happening::Tick) => {
                ahead(*since, now).then_some(Self::Starting { since: now })
            }
            (Self::Running { since, ready }, Happening::Tick) => {
                ahead(*since, now).then_some(Self::Running {
                    since: now,
                    ready: *ready,
                })
            }
            (Self::Failing { .. } | Self::Stopping { .. }, Happening::Tick) => None,

            (Self::Ended { .. }, _) => None,
            (_, Happening::Interrupted) => Some(Self::Ended {
                at: now,
                end: End::Interrupted,
            }),
            (phase, Happening::Exited(exit)) => Some(Self::Ended {
                at: now,
                end: phase.end(exit, now),
            }),

            (Self::Starting { .. }, Happening::Healthy { ready }) => {
                Some(Self::Running { since: now, ready })
            }
            (Self::Running { since, ready: was }, Happening::Healthy { ready }) => (*was != ready)
                .then_some(Self::Running {
                    since: *since,
                    ready,
                }),
            (Self::Running { .. }, Happening::Unhealthy(cause)) => Some(Self::Failing {
                since: now,
                cause,
                stable: self.is_stable(now),
            }),
            (
                Self::Starting { .. } | Self::Running { .. } | Self::Failing { .. },
                Happening::StopWanted(cause),
            ) => Some(Self::Stopping {
                since: now,
                cause,
                stable: self.is_stable(now),
            }),

            // Before the first success only the start timeout decides, and what is being
            // stopped is not looked at any more.
            (Self::Starting { .. }, Happening::Unhealthy(_))
            | (Self::Failing { .. }, Happening::Healthy { .. } | Happening::Unhealthy(_))
            | (
                Self::Stopping { .. },
                Happening::Healthy { .. } | Happening::Unhealthy(_) | Happening::StopWanted(_),
            ) => None,
        }
    }

    /// What an exit from this phase means.
    fn end(&self, exit: Exit, now: Moment) -> End {
        let stable = self.is_stable(now);
        match (self, exit) {
            (Self::Stopping { cause: None, .. }, _) => End::Stopped,
            (
                Self::Stopping {
                    cause: Some(cause), ..
                }
                | Self::Failing { cause, .. },
                exit @ Exit::Stopped { .. },
            ) => End::Crashed {
                exit,
                details: cause.clone(),
                stable,
            },
            // A daemon before this one asked it to stop, and was gone before it could tell.
            (_, Exit::Stopped { .. }) => End::Stopped,
            (_, exit) => End::Crashed {
                details: Cow::Owned(exit.describe()),
                exit,
                stable,
            },
        }
    }

    /// The phase of an instance that this daemon takes over from one before it.
    ///
    /// Nobody looked at it in between, so the patience with one that starts begins afresh.
    #[must_use]
    pub fn adopted(self, now: Moment) -> Self {
        match self {
            Self::Starting { .. } => Self::Starting { since: now },
            phase => phase,
        }
    }

    /// Whether the instance is, or was when its end began, healthy for long.
    fn is_stable(&self, now: Moment) -> bool {
        match self {
            Self::Running { since, .. } => now.since(*since) > STABLE,
            Self::Failing { stable, .. } | Self::Stopping { stable, .. } => *stable,
            Self::Ended { end, .. } => matches!(end, End::Crashed { stable: true, .. }),
            Self::Starting { .. } => false,
        }
    }

    /// Since when the instance stands there.
    #[must_use]
    pub const fn since(&self) -> Moment {
        match self {
            Self::Starting { since }
            | Self::Running { since, .. }
            | Self::Failing { since, .. }
            | Self::Stopping { since, .. }
            | Self::Ended { at: since, .. } => *since,
        }
    }

    /// Whether anything of the instance may still run.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(self, Self::Ended { .. })
    }

    /// Whether requests may be sent to it.
    #[must_use]
    pub const fn is_routable(&self) -> bool {
        matches!(self, Self::Running { ready: true, .. })
    }
}

/// Whether `at` lies after `now`, which only a clock that went backwards explains. Waiting
/// times then begin afresh, so that none grows by the jump.
const fn ahead(at: Moment, now: Moment) -> bool {
    at.steady_ms > now.steady_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(steady_ms: u64) -> Moment {
        Moment {
            steady_ms,
            wall_ms: 1_000_000 + steady_ms,
        }
    }

    const RUNNING: Phase = Phase::Running {
        since: at(1_000),
        ready: true,
    };

    #[test]
    fn an_ended_instance_stays_ended() {
        let ended = Phase::Ended {
            at: at(1),
            end: End::Stopped,
        };
        for happening in [
            Happening::Healthy { ready: true },
            Happening::Unhealthy("x".into()),
            Happening::StopWanted(None),
            Happening::Exited(Exit::Lost),
            Happening::Tick,
        ] {
            assert_eq!(ended.after(happening, at(2)), None);
        }
    }

    #[test]
    fn every_unwanted_exit_is_a_crash_even_with_status_zero() {
        let ended = RUNNING
            .after(Happening::Exited(Exit::Code { code: 0 }), at(2_000))
            .unwrap();
        let Phase::Ended {
            end: End::Crashed {
                details, stable, ..
            },
            ..
        } = ended
        else {
            panic!("{ended:?}");
        };
        assert_eq!(details, "Exit status 0");
        assert!(!stable);
    }

    #[test]
    fn a_wanted_stop_is_no_crash_whatever_the_status() {
        let stopping = RUNNING
            .after(Happening::StopWanted(None), at(2_000))
            .unwrap();
        for exit in [
            Exit::Code { code: 1 },
            Exit::Stopped { killed: true },
            Exit::OutOfMemory,
        ] {
            let ended = stopping.after(Happening::Exited(exit), at(3_000));
            assert_eq!(
                ended,
                Some(Phase::Ended {
                    at: at(3_000),
                    end: End::Stopped
                })
            );
        }
    }

    #[test]
    fn a_long_healthy_run_is_remembered_through_the_kill() {
        let late = at(1_000 + 5 * 60_000 + 1);
        let failing = RUNNING
            .after(Happening::Unhealthy("gone quiet".into()), late)
            .unwrap();
        let stopping = failing
            .after(Happening::StopWanted(Some("gone quiet".into())), late)
            .unwrap();
        let exit = Exit::Stopped { killed: true };
        let ended = stopping
            .after(Happening::Exited(exit.clone()), late)
            .unwrap();
        let end = End::Crashed {
            exit,
            details: "gone quiet".into(),
            stable: true,
        };
        assert_eq!(ended, Phase::Ended { at: late, end });
    }

    #[test]
    fn a_clock_that_went_backwards_restarts_the_wait() {
        let starting = Phase::Starting { since: at(10_000) };
        assert_eq!(
            starting.after(Happening::Tick, at(4_000)),
            Some(Phase::Starting { since: at(4_000) })
        );
        assert_eq!(starting.after(Happening::Tick, at(10_001)), None);
    }
}

//! The clock that interrupts guests, ticking only while some run: an idle app wakes nobody.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::Engine;

/// How long a guest computes before others have their turn.
const TICK: Duration = Duration::from_millis(10);

/// A handle on the clock; clones share it. Its thread lives as long as the process.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    running: Arc<AtomicUsize>,
    thread: Thread,
}

impl Clock {
    /// A clock for the guests of `engine`.
    pub(super) fn start(engine: &Engine) -> io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let (seen, engine) = (running.clone(), engine.weak());
        let thread = thread::Builder::new()
            .name("wasm-clock".to_owned())
            .spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    if seen.load(SeqCst) == 0 {
                        drop(engine);
                        thread::park();
                    } else {
                        thread::park_timeout(TICK);
                        engine.increment_epoch();
                    }
                }
            })?
            .thread()
            .clone();
        Ok(Self { running, thread })
    }

    /// Lets the clock tick until the guard is dropped.
    pub(super) fn run(&self) -> Running {
        if self.running.fetch_add(1, SeqCst) == 0 {
            self.thread.unpark();
        }
        Running(self.running.clone())
    }
}

/// As long as this lives, a guest runs.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

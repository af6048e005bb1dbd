//! The end of a sandbox: everything inside is gone, and what is left to do is outside.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollTimeout, poll},
    sys::{
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    output::Read1,
    watch::{Shim, now_ns},
};
use crate::{
    model::Exit,
    sandbox::{
        Quota, Status,
        log::{Stream, Writer, encode},
        protocol::{CONNECT, CONTROL, FromInit},
    },
};

/// How long the end waits: for a group to become empty, for clients to read.
const END_PATIENCE: Duration = Duration::from_secs(2);
const END_TICK: u16 = 5;

impl Shim {
    /// Everything inside is gone: keeps the last words, tells how it ended, and clears up.
    pub(super) fn finish(&mut self) {
        self.listen();
        let ended = self
            .started
            .as_ref()
            .and_then(|started| waitpid(Pid::from_raw(started.init.pid), None).ok());
        if let Some(way_out) = &mut self.way_out {
            way_out.end();
        }
        self.drain();
        let exit = self.exit(ended);
        self.abandon_disk();
        self.clear_group();
        let _ = fs::remove_file(CONNECT);
        self.kept.status = Status::Ended(exit);
        self.keep();
        // Nothing in the folder is touched once the end is told: it may be removed then.
        let _ = fs::remove_file(CONTROL);
        self.say_goodbye();
    }

    fn drain(&mut self) {
        while !self.outputs.is_empty() {
            let Some(log) = &mut self.log else { return };
            let (mut batch, at_ns) = (Vec::new(), now_ns());
            self.outputs.retain_mut(|output| {
                let more = output.read(&mut self.buffer, at_ns, &mut self.flood, &mut batch)
                    == Read1::Some;
                if !more {
                    output.finish(at_ns, &mut self.flood, &mut batch);
                }
                more
            });
            log.append(&batch);
        }
        let Some(log) = &mut self.log else { return };
        for notice in self.flood.last_words() {
            let mut batch = Vec::new();
            encode(&mut batch, now_ns(), Stream::Err, notice.as_bytes());
            log.append(&batch);
        }
    }

    /// How it ended. A disk that is full is the likely reason for a bad end.
    fn exit(&self, init: Option<WaitStatus>) -> Exit {
        let exit = self.plain_exit(init);
        let quota = match exit {
            Exit::Signal { signal } if signal == Signal::SIGXFSZ as i32 => {
                self.kept.disk.map(|disk| disk.quota)
            }
            Exit::Signal { .. } => self.exceeded.or_else(|| self.full_disk()),
            Exit::Code { code } if code != 0 => self.full_disk(),
            _ => None,
        };
        match quota {
            Some(quota) => Exit::OutOfDisk {
                status: exit.status(),
                quota: quota.megabytes(),
            },
            None => exit,
        }
    }

    /// The quota of its own disk, where that is full.
    fn full_disk(&self) -> Option<Quota> {
        let disk = self.started.as_ref()?.disk.as_ref()?;
        let full = disk.space().is_ok_and(|space| space.is_full());
        full.then_some(self.kept.disk?.quota)
    }

    /// Nobody reads any more what is on its own disk, unless somebody else has it mounted.
    fn abandon_disk(&mut self) {
        let disk = self
            .started
            .as_mut()
            .and_then(|started| started.disk.take());
        if let Some(disk) = disk
            && self.own_disk
        {
            disk.abandon();
        }
    }

    fn plain_exit(&self, init: Option<WaitStatus>) -> Exit {
        if let Some(FromInit::Failed(reason)) = &self.told {
            return Exit::NotStarted {
                reason: reason.clone(),
            };
        }
        if let Some(stop) = &self.stop {
            return Exit::Stopped {
                killed: stop.killed,
            };
        }
        if self.oom_kills() > 0 {
            return Exit::OutOfMemory;
        }
        match (&self.told, init, &self.kept.status) {
            (Some(FromInit::Exited(code)), ..) => Exit::Code { code: *code },
            (Some(FromInit::Signalled(signal)), ..) => Exit::Signal { signal: *signal },
            (_, ended, Status::Preparing) => {
                let reason =
                    format!("the sandbox's first process ended while it was set up ({ended:?})");
                Exit::NotStarted { reason }
            }
            (_, Some(WaitStatus::Signaled(_, signal, _)), _) => Exit::Signal {
                signal: signal as i32,
            },
            _ => Exit::Lost,
        }
    }

    fn clear_group(&self) {
        let Some(group) = &self.kept.group else {
            return;
        };
        if let Some(started) = &self.started {
            group.let_go(&started.held);
        }
        let until = Instant::now() + END_PATIENCE;
        while let Err(error) = group.remove() {
            if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() >= until {
                return;
            }
            group.kill();
            let _ = poll(&mut [], PollTimeout::from(END_TICK));
        }
    }

    /// Lets clients read how it ended; one that does not finds it in the status file.
    fn say_goodbye(&mut self) {
        let until = Instant::now() + END_PATIENCE;
        let end = self.log.as_ref().map_or(0, Writer::end);
        loop {
            // Also those who have just come.
            let all = vec![true; self.clients.watch().count()];
            self.clients.serve(&all);
            self.clients.tell(&self.kept.status, end);
            if !self.clients.behind() || Instant::now() >= until {
                return;
            }
            let _ = poll(&mut [], PollTimeout::from(END_TICK));
        }
    }
}

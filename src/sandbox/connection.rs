//! The daemon's connection to a shim: what it tells, what it is asked, and what to do when it
//! has gone without a word.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    Status,
    protocol::{CONTROL, FromShim, ToShim},
    status::{Kept, Process},
    sys, unix,
};
use crate::model::Exit;

/// How long everything inside has to be gone after it was killed, and how often it is looked for.
const GONE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(10);

/// When to speak again to a shim that did not listen.
const AGAIN: Duration = Duration::from_millis(100);

/// Where news of a sandbox go.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: watch::Sender<Status>,
    pub(super) logged: watch::Sender<u64>,
}

/// What a shim is to be told, also by a connection that is made later.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// The shortest grace time.
    pub(super) stop: Option<Duration>,
    /// How many times what may be reached from inside was written down.
    pub(super) networks: u64,
}

/// Follows a sandbox until it has ended, or until nobody holds a handle on it.
pub(super) async fn follow(
    dir: PathBuf,
    told: Told,
    asks: watch::Receiver<Asked>,
    mut life: mpsc::Receiver<()>,
) {
    // Both futures may be dropped half-way: what they did not finish is found in the folder.
    tokio::select! {
        () = listen(&dir, &told, asks.clone()) => {}
        _ = life.recv() => {
            // The last handle may have gone right after it asked for something.
            let asked = *asks.borrow();
            if let Ok(mut shim) = unix::connect(&dir, CONTROL) {
                let _ = ask(&mut shim, asked, 0).await;
            }
        }
    }
}

/// Says all that is asked for; `networks` is what the shim has been told of already.
async fn ask(shim: &mut (impl AsyncWrite + Unpin), asked: Asked, networks: u64) -> io::Result<()> {
    let network = (asked.networks > networks).then_some(ToShim::Network);
    let stop = asked.stop.map(|grace| ToShim::Stop {
        grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
    });
    for message in network.into_iter().chain(stop) {
        let mut text = serde_json::to_vec(&message)?;
        text.push(b'\n');
        shim.write_all(&text).await?;
    }
    Ok(())
}

async fn listen(dir: &Path, told: &Told, asks: watch::Receiver<Asked>) {
    while !matches!(*told.status.borrow(), Status::Ended(_)) {
        if let Ok(shim) = unix::connect(dir, CONTROL) {
            // An error is the end of the connection, as the end of the shim's words is.
            let _ = converse(shim, told, asks.clone()).await;
        }
        if matches!(*told.status.borrow(), Status::Ended(_)) {
            return;
        }
        // A shim that lives may have too many listeners, or be at its end: what it owns is
        // nobody else's to clear up.
        if let Some(ended) = settle(dir).await {
            told.status.send_replace(Status::Ended(ended));
        } else {
            sleep(AGAIN).await;
        }
    }
}

async fn converse(
    shim: UnixStream,
    told: &Told,
    mut asks: watch::Receiver<Asked>,
) -> io::Result<()> {
    let (from, mut to) = shim.into_split();
    let mut lines = BufReader::new(from).lines();
    // What was asked for before the connection was there counts, too.
    asks.mark_changed();
    let mut networks = 0;
    loop {
        // `next_line` keeps what it has read when it is dropped.
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                match serde_json::from_str(&line) {
                    Ok(FromShim::Status(status)) => drop(told.status.send_replace(status)),
                    Ok(FromShim::Logged(end)) => drop(told.logged.send_replace(end)),
                    // Of a later version: it is for those who know it.
                    Ok(FromShim::Hello { .. } | FromShim::Unknown) | Err(_) => {}
                }
                if matches!(*told.status.borrow(), Status::Ended(_)) {
                    return Ok(());
                }
            }
            Ok(()) = asks.changed() => {
                let asked = *asks.borrow_and_update();
                ask(&mut to, asked, networks).await?;
                networks = asked.networks;
            }
        }
    }
}

/// How a sandbox ended whose shim is gone; none while the shim lives. Where the shim did not
/// say, whatever is left of the sandbox is killed, and that it is lost is written down.
pub(super) async fn settle(dir: &Path) -> Option<Exit> {
    let Ok(Some(kept)) = Kept::read(dir) else {
        return Some(Exit::Lost);
    };
    if kept.shim.lives() {
        return None;
    }
    // Read again: it may have written its last between the two looks.
    let Ok(Some(mut kept)) = Kept::read(dir) else {
        return Some(Exit::Lost);
    };
    if let Status::Ended(exit) = kept.status {
        return Some(exit);
    }
    if let Some(init) = kept.init {
        kill(init);
    }
    if let Some(group) = &kept.group {
        group.kill();
        wait_for(|| {
            group.kill();
            group.members().is_empty()
        })
        .await;
    }
    wait_for(|| kept.init.is_none_or(|init| !init.lives())).await;
    if let Some(group) = &kept.group {
        wait_for(|| group.remove().is_ok()).await;
    }
    kept.status = Status::Ended(Exit::Lost);
    let _ = kept.write(dir);
    Some(Exit::Lost)
}

/// Kills a process unless its id has passed to another.
fn kill(process: Process) {
    use std::os::fd::AsFd;
    if let Ok(pidfd) = sys::pidfd_open(process.pid)
        && process.lives()
    {
        let _ = sys::pidfd_kill(pidfd.as_fd());
    }
}

async fn wait_for(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + GONE;
    while !condition() && Instant::now() < until {
        sleep(TICK).await;
    }
}

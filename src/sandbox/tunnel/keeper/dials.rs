//! Connections into other apps' instances, opened by the shim: it may open their sockets, the
//! process of the way out may not.

use std::{
    io::Write,
    os::{fd::AsFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags},
};

use super::super::message::{Tell, say};
use crate::{
    model::{AppId, NetworkPolicy, PeerInstance, PortRange},
    sandbox::{
        protocol::{Answer, CONNECT, Request, Transport},
        sys, unix,
    },
};

/// Under way at once.
const MOST: usize = 128;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) id: u64,
    pub(super) app: AppId,
    pub(super) index: u32,
    pub(super) port: u16,
    pub(super) udp: bool,
}

#[derive(Debug)]
struct Dial {
    id: u64,
    stream: UnixStream,
    until: Instant,
}

/// Those under way.
#[derive(Debug, Default)]
pub(super) struct Dials {
    dials: Vec<Dial>,
}

impl Dials {
    /// Begins one, or tells at once why not. The policy is asked again: whoever asks is of less
    /// trust than we are.
    pub(super) fn begin(
        &mut self,
        policy: &NetworkPolicy,
        wanted: Wanted,
        answer_to: &impl AsFd,
        now: Instant,
    ) {
        let id = wanted.id;
        match self.connect(policy, wanted) {
            Ok(stream) => self.dials.push(Dial {
                id,
                stream,
                until: now + PATIENCE,
            }),
            Err(errno) => drop(say(answer_to, &Tell::Dialled { id, errno }, None)),
        }
    }

    fn connect(&self, policy: &NetworkPolicy, wanted: Wanted) -> Result<UnixStream, i32> {
        let instance = permitted(policy, wanted).ok_or(libc::EACCES)?;
        if self.dials.len() >= MOST {
            return Err(libc::EAGAIN);
        }
        let gone = |error: std::io::Error| match error.raw_os_error() {
            // The folder of an instance that is gone.
            Some(libc::ENOENT | libc::ECONNREFUSED) | None => libc::EHOSTUNREACH,
            Some(errno) => errno,
        };
        let mut stream = unix::open(&instance.dir, CONNECT).map_err(gone)?;
        let transport = if wanted.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let request = Request {
            port: wanted.port,
            transport,
        };
        stream.write_all(&request.to_bytes()).map_err(gone)?;
        Ok(stream)
    }

    /// What to wait for.
    pub(super) fn watch(&self) -> impl Iterator<Item = PollFd<'_>> {
        let dials = self.dials.iter();
        dials.map(|dial| PollFd::new(dial.stream.as_fd(), PollFlags::POLLIN))
    }

    /// When the first of them has taken too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.dials.iter().map(|dial| dial.until).min()
    }

    /// Hands over what is ready, in the order of [`Dials::watch`].
    pub(super) fn serve(&mut self, ready: &[bool], answer_to: &impl AsFd, now: Instant) {
        let mut index = 0;
        self.dials.retain_mut(|dial| {
            index += 1;
            let ready = ready.get(index - 1).copied().unwrap_or(false);
            if !ready && now < dial.until {
                return true;
            }
            let id = dial.id;
            let mut bytes = [0; Answer::SIZE];
            let received = sys::receive(&dial.stream, &mut bytes).unwrap_or_default();
            let (errno, socket) = match (received.len, Answer::from_bytes(bytes)) {
                (Answer::SIZE, Answer(0)) if received.passed.is_some() => (0, received.passed),
                (Answer::SIZE, Answer(errno)) if errno > 0 => (errno, None),
                (0, _) if !ready => (libc::ETIMEDOUT, None),
                // An init of an earlier release does not know all that can be asked for.
                _ => (libc::EHOSTUNREACH, None),
            };
            let with = socket.as_ref().map(AsFd::as_fd);
            let _ = say(answer_to, &Tell::Dialled { id, errno }, with);
            false
        });
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.dials.clear();
    }
}

/// The instance that is meant, where a network policy opens it.
fn permitted(policy: &NetworkPolicy, wanted: Wanted) -> Option<&PeerInstance> {
    let opens = |ranges: &[PortRange]| ranges.iter().any(|range| range.contains(wanted.port));
    let mut peers = policy.peers.iter().filter(|peer| peer.app == wanted.app);
    peers.find_map(|peer| {
        let ports = if wanted.udp { &peer.udp } else { &peer.tcp };
        let mut instances = peer.instances.iter().filter(|_| opens(ports));
        instances.find(|instance| instance.index == wanted.index)
    })
}

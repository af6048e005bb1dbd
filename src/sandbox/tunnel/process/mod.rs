//! The process that serves one sandbox's way out: in the host's network, with no other rights.

mod datagram;
mod device;
mod engine;
mod flow;
mod host;
mod names;
mod opening;
mod packet;
mod rights;
mod tcp;
mod voice;
mod world;

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{prctl, signal::Signal},
};

use self::engine::{Engine, Given};
use super::{
    message::{Ask, Names, Tell, hear, say},
    written,
};
use crate::sandbox::sys;

/// The role `sandbox-net`, with the shim at its standard input.
#[must_use]
pub fn main() -> ExitCode {
    let _ = sys::close_from(3);
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = prctl::set_name(c"pastina-net");
    let served = begin().and_then(Engine::new).and_then(|mut engine| {
        rights::filter()?;
        engine.run()
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes what the shim hands over, and gives up all rights on the way.
fn begin() -> io::Result<Given> {
    let channel = io::stdin().as_fd().try_clone_to_owned()?;
    let (mut most, mut quiet) = (None, None);
    let (mut device, mut traffic, mut policy) = (None::<OwnedFd>, None::<File>, None);
    let mut names = Names::default();
    loop {
        if let (Some(most), Some(_), Some(_), Some(_)) = (most, &device, &traffic, &policy) {
            break say(&channel, &Ask::Ready, None).and_then(|()| {
                let missing = || io::Error::from(io::ErrorKind::NotFound);
                Ok(Given {
                    channel,
                    device: device.ok_or_else(missing)?,
                    traffic: traffic.ok_or_else(missing)?,
                    policy: policy.ok_or_else(missing)?,
                    names,
                    most,
                    quiet,
                })
            });
        }
        let (message, received) = wait(&channel)?;
        match (message, received.passed) {
            (
                Tell::Begin {
                    become_id,
                    quiet_ms,
                },
                _,
            ) => {
                most = Some(rights::give_up(become_id)?);
                quiet = quiet_ms.map(Duration::from_millis);
            }
            (Tell::Device, passed) => device = passed,
            (Tell::Traffic, passed) => traffic = passed.map(File::from),
            (Tell::Policy, Some(file)) => policy = Some(written::read(&mut file.into())?),
            (Tell::Names(told), _) => names = told,
            _ => {}
        }
    }
}

fn wait(channel: &OwnedFd) -> io::Result<(Tell, sys::Received)> {
    loop {
        let mut fds = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        match hear(channel) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            heard => return heard,
        }
    }
}

//! What a shim and the process of its sandbox's way out say to each other: one message of JSON
//! each, over a socket pair. They are one program.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::policy::Place;
use crate::{
    model::AppId,
    sandbox::sys::{self, Received},
};

/// The longest message.
const LONGEST: usize = 16 << 10;

/// From the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tell {
    /// The first message: whose ids to take, where that can be chosen; and after how long with
    /// nothing to do to end, where not after the usual time.
    Begin {
        become_id: Option<u32>,
        quiet_ms: Option<u64>,
    },
    /// The device comes with it.
    Device,
    /// The file that bytes are counted in comes with it.
    Traffic,
    /// The file that says what may be reached comes with it.
    Policy,
    /// What the host knows about names.
    Names(Names),
    /// A connection into another app's instance, or (not 0) why there is none.
    Dialled { id: u64, errno: i32 },
}

/// What the host knows about names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    /// Its name servers.
    pub(super) servers: Vec<SocketAddr>,
    /// What its own files say about names that are granted.
    pub(super) hosts: Vec<(String, IpAddr)>,
}

/// From the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Everything is set up.
    Ready,
    /// What does the host know about names by now?
    Names,
    /// A connection into another app's instance.
    Dial {
        id: u64,
        app: AppId,
        index: u32,
        port: u16,
        udp: bool,
    },
    /// A line for the app's log.
    Log(String),
}

impl Ask {
    pub(super) const fn dial(id: u64, place: Place, port: u16, udp: bool) -> Self {
        Self::Dial {
            id,
            app: place.app,
            index: place.index,
            port,
            udp,
        }
    }
}

/// Sends one message without waiting; where the other end does not read it is not sent.
pub(super) fn say<T: Serialize>(
    socket: &impl AsFd,
    message: &T,
    with: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    if text.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let fds = with.map(|fd| [fd.as_raw_fd()]);
    let passed: Vec<ControlMessage<'_>> = fds
        .iter()
        .map(|fds| ControlMessage::ScmRights(fds))
        .collect();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let parts = [IoSlice::new(&text)];
    sendmsg::<()>(socket.as_fd().as_raw_fd(), &parts, &passed, flags, None)?;
    Ok(())
}

/// The next message, without waiting, and what came with it.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where there is none yet, [`io::ErrorKind::UnexpectedEof`] where
/// there will be none, [`io::ErrorKind::InvalidData`] where it is not understood.
pub(super) fn hear<T: DeserializeOwned>(socket: &impl AsFd) -> io::Result<(T, Received)> {
    let mut buffer = vec![0; LONGEST];
    let received = sys::receive(socket, &mut buffer)?;
    if received.len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let message = serde_json::from_slice(&buffer[..received.len])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((message, received))
}

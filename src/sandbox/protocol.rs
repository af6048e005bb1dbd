//! What daemon, shim and init say to each other.
//!
//! Between daemon and shim: lines of JSON over `control.sock`, the shim's greeting first. The
//! two may be of different versions, so unknown messages are skipped and known ones only grow.
//! Between shim and init, which are one program: a message of JSON each, over a socket pair.
//! To init's `connect.sock`: see [`Request`], [`Visit`] and [`Answer`].

use serde::{Deserialize, Serialize};

use super::{Status, Visit};

/// The shim's socket, in the instance's folder.
pub(super) const CONTROL: &str = "control.sock";

/// Init's socket, in the instance's folder.
pub(super) const CONNECT: &str = "connect.sock";

/// From shim to daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromShim {
    /// The first message on every connection.
    Hello { version: u32 },
    /// Where it stands: once after the greeting, then at each change. `Ended` is the last
    /// message, after which only the folder is left.
    Status(Status),
    /// How far the log is written.
    Logged(u64),
    #[serde(other)]
    Unknown,
}

/// From daemon to shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToShim {
    /// SIGTERM now, SIGKILL after the grace time.
    Stop { grace_ms: u64 },
    /// What may be reached from inside has been written down anew.
    Network,
    #[serde(other)]
    Unknown,
}

/// From init to shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FromInit {
    /// Sent by the command's process just before it becomes the command; the kernel adds its id.
    Command,
    /// The command runs.
    Running,
    /// A wall is weaker than it should be, and why.
    Weaker(String),
    /// It could not be started.
    Failed(String),
    /// It was not the command itself that has ended, but the sidecar of this number.
    Sidecar(u8),
    /// The command has ended with this exit code.
    Exited(i32),
    /// The command was ended by this signal.
    Signalled(i32),
    /// The device that leads out comes with it.
    Device,
}

/// From shim to init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ToInit {
    /// Ids are mapped and limits are set: begin.
    Go,
    /// Send SIGTERM to the command.
    Terminate,
}

/// The longest message between shim and init.
pub(super) const LONGEST: usize = 4096;

/// How to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    /// Since the way out: an earlier init closes the connection on it.
    Udp,
}

/// A request to init: the port to connect to. Four bytes: version, transport (0 or 1), port
/// (little-endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) port: u16,
    pub(super) transport: Transport,
}

impl Request {
    pub(super) const SIZE: usize = 4;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let [low, high] = self.port.to_le_bytes();
        let transport = match self.transport {
            Transport::Tcp => 0,
            Transport::Udp => 1,
        };
        [1, transport, low, high]
    }

    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let [1, transport, low, high] = bytes else {
            return None;
        };
        let transport = match transport {
            0 => Transport::Tcp,
            1 => Transport::Udp,
            _ => return None,
        };
        Some(Self {
            port: u16::from_le_bytes([low, high]),
            transport,
        })
    }
}

/// The first byte of a request to start a [`Visit`]. Init reads four bytes at once: this, 0, and
/// the length (little-endian) of the JSON that follows. An init from before visits takes it for
/// garbage and closes the connection without an answer.
///
/// The answer comes with a descriptor: a terminal's, where one was asked for; else three answers
/// come, with what leads to stdin and comes from stdout and stderr. After that the connection
/// stands for the visit: init tells how it ended ([`encode_end`]), takes signals to send to it
/// ([`signal`]), and hangs up on it when the connection is closed.
pub(super) const VISIT: u8 = 2;

/// A request to start `visit`; none where it is too long.
pub(super) fn encode_visit(visit: &Visit) -> Option<Vec<u8>> {
    let body = serde_json::to_vec(visit).ok()?;
    let [low, high] = u16::try_from(body.len()).ok()?.to_le_bytes();
    let mut request = vec![VISIT, 0, low, high];
    request.extend(body);
    Some(request)
}

/// Bytes in which init tells how a visit ended.
pub(super) const END_SIZE: usize = 8;

/// How a visit ended: by an exit code, or by a signal.
pub(super) fn encode_end(end: Result<i32, i32>) -> [u8; END_SIZE] {
    let (kind, value): (i32, i32) = match end {
        Ok(code) => (0, code),
        Err(signal) => (1, signal),
    };
    let mut bytes = [0; END_SIZE];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// What [`encode_end`] made.
pub(super) fn decode_end(bytes: [u8; END_SIZE]) -> Result<i32, i32> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let value = i32::from_le_bytes([e, f, g, h]);
    match i32::from_le_bytes([a, b, c, d]) {
        0 => Ok(value),
        _ => Err(value),
    }
}

/// A request to send a signal to a visit.
pub(super) fn signal(number: u8) -> [u8; Request::SIZE] {
    [VISIT, number, 0, 0]
}

/// Init's answer: an errno (little-endian), 0 with the connected socket passed along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer(pub(super) i32);

impl Answer {
    pub(super) const SIZE: usize = 4;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        self.0.to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(i32::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exit;

    #[test]
    fn what_is_said_to_a_shim_keeps_its_shape() {
        let text = |message: &FromShim| serde_json::to_string(message).unwrap();
        assert_eq!(
            text(&FromShim::Hello { version: 1 }),
            r#"{"hello":{"version":1}}"#
        );
        assert_eq!(
            text(&FromShim::Status(Status::Running { pid: 7 })),
            r#"{"status":{"state":"running","pid":7}}"#
        );
        assert_eq!(
            text(&FromShim::Status(Status::Ended(Exit::Code { code: 3 }))),
            r#"{"status":{"state":"ended","how":"code","code":3}}"#
        );
        assert_eq!(text(&FromShim::Logged(9)), r#"{"logged":9}"#);
        let stop = serde_json::to_string(&ToShim::Stop { grace_ms: 10 }).unwrap();
        assert_eq!(stop, r#"{"stop":{"grace_ms":10}}"#);
        let network = serde_json::to_string(&ToShim::Network).unwrap();
        assert_eq!(network, r#""network""#);
    }

    #[test]
    fn the_end_of_a_visit_is_read_as_written() {
        for end in [Ok(0), Ok(255), Err(9)] {
            assert_eq!(decode_end(encode_end(end)), end);
        }
    }

    #[test]
    fn an_init_from_before_visits_takes_one_for_garbage() {
        let visit = Visit::new(crate::sandbox::Program::Sftp);
        let request = encode_visit(&visit).unwrap();
        let head = request[..Request::SIZE].try_into().unwrap();
        assert_eq!(Request::from_bytes(head), None);
        let read: Visit = serde_json::from_slice(&request[Request::SIZE..]).unwrap();
        assert_eq!(read, visit);
        let long = crate::sandbox::Program::Command(vec!["x".repeat(usize::from(u16::MAX))]);
        assert_eq!(encode_visit(&Visit::new(long)), None);
    }

    #[test]
    fn a_request_is_read_as_written_and_garbage_is_none() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let request = Request {
                port: 8080,
                transport,
            };
            assert_eq!(Request::from_bytes(request.to_bytes()), Some(request));
        }
        assert_eq!(Request::from_bytes(*b"GET "), None);
    }
}

//! Where clients come in: who is let in at all, how many, and for how long without a code.

use std::{
    borrow::Cow,
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    MethodKind, MethodSet, Preferred, SshId, compression,
    server::{self, run_stream},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    Config, Deps, Shared,
    connection::Connection,
    gate::{Gate, Gated},
    key::{self, KeyError},
};
use crate::stdx::tasks::Tasks;

/// Connections at once, of everybody and of one address: a class behind one address finds room,
/// and each costs some descriptors and up to 32 MiB.
const CONNECTIONS: usize = 256;
const OF_ADDRESS: usize = 64;
/// From the first byte to a good code: a person has to paste one.
const LOGIN: Duration = Duration::from_secs(120);
/// A client that was refused waits so long, so that trying is slow.
const REFUSED: Duration = Duration::from_secs(1);
/// Codes that may be tried in one connection.
const ATTEMPTS: usize = 3;
/// Bytes that may be on their way in one channel: much for a line, little to be read past where
/// a program waits for its output to be taken.
const WINDOW: u32 = 256 << 10;
/// After which a peer that is gone without a word is noticed.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The address cannot be listened on.
    #[error("cannot listen on {at}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no host key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The running server. Dropping it closes the door and ends every connection, and with them
/// what they started.
#[derive(Debug)]
pub struct Door {
    at: SocketAddr,
    fingerprint: String,
    tasks: Tasks,
}

/// Who is in, and how to end it.
#[derive(Debug, Clone, Default)]
struct Inside(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    of: HashMap<IpAddr, usize>,
    all: usize,
}

impl Door {
    /// Opens the door.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn open(config: &Config, deps: Deps) -> Result<Self, DoorError> {
        let listen = |source| DoorError::Listen {
            at: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let at = listener.local_addr().map_err(listen)?;
        let key = key::open(&config.dir)?;
        let fingerprint = key::fingerprint(&key);
        let protocol = Arc::new(server::Config {
            server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-pastina")),
            methods: MethodSet::from(&[MethodKind::Password][..]),
            auth_rejection_time: REFUSED,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![key],
            window_size: WINDOW,
            preferred: Preferred {
                compression: Cow::Borrowed(&[compression::NONE]),
                ..Preferred::DEFAULT
            },
            max_auth_attempts: ATTEMPTS,
            // A shell may be silent for as long as it likes.
            inactivity_timeout: None,
            nodelay: true,
            ..server::Config::default()
        });
        let tasks = Tasks::new();
        let inside = Inside::default();
        let (shared, of) = (Arc::new(deps), tasks.clone());
        tasks.spawn("ssh", async move {
            loop {
                let Ok((stream, from)) = listener.accept().await else {
                    // Out of descriptors, most likely: it passes.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let Some(place) = inside.enter(from.ip()) else {
                    continue;
                };
                let (protocol, shared) = (Arc::clone(&protocol), Arc::clone(&shared));
                let channels = of.clone();
                of.spawn("ssh connection", async move {
                    let _place = place;
                    serve(protocol, (shared, channels), stream, from).await;
                });
            }
        });
        Ok(Self {
            at,
            fingerprint,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.at
    }

    /// What clients compare the host key with.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Closes the door and ends every connection.
    pub async fn close(self) {
        self.tasks.stop().await;
    }
}

/// Ends the connection when it is dropped, whatever the protocol is doing.
struct Ending(Gate);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn serve(
    protocol: Arc<server::Config>,
    (shared, channels): (Shared, Tasks),
    stream: TcpStream,
    from: SocketAddr,
) {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let _ = stream.set_nodelay(true);
    let gate = Gate::default();
    let _ending = Ending(gate.clone());
    let (entered, enters) = oneshot::channel();
    let connection = Connection::new(shared, from, (gate.clone(), channels), entered);
    let gated = Gated { stream, gate };
    let begun = timeout(LOGIN, run_stream(protocol, gated, connection)).await;
    let Ok(Ok(mut session)) = begun else { return };
    let late = async {
        // The sender goes with the connection, too.
        if timeout(LOGIN, enters).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = &mut session => {}
        () = late => tracing::debug!(%from, "nobody logged in by SSH in time"),
    }
}

impl Inside {
    /// A place; none where there are too many already.
    fn enter(&self, from: IpAddr) -> Option<Place> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.all >= CONNECTIONS || state.of.get(&from).is_some_and(|of| *of >= OF_ADDRESS) {
            return None;
        }
        state.all += 1;
        *state.of.entry(from).or_default() += 1;
        Some(Place {
            inside: self.clone(),
            from,
        })
    }
}

/// A place of one connection.
#[derive(Debug)]
struct Place {
    inside: Inside,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.inside.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.all = state.all.saturating_sub(1);
        if let Some(of) = state.of.get_mut(&self.from) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                state.of.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_so_many_places_and_leaves_room_for_others() {
        let inside = Inside::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut places: Vec<Place> = std::iter::from_fn(|| inside.enter(one)).collect();
        assert_eq!(places.len(), OF_ADDRESS);
        assert!(inside.enter(other).is_some());
        places.pop();
        assert!(inside.enter(one).is_some());
    }
}

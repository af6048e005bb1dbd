//! One connection: what the client asks for, in the protocol's words.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use russh::{
    ChannelId, ChannelOpenFailure, Pty, Sig,
    server::{Auth, ChannelOpenHandle, Handler, Msg, Session},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    Shared,
    channel::{Channel, Control, Input, Wish, number_of},
    entry::{Guest, enter, is_instance},
    forward,
    gate::Gate,
    pusher,
};
use crate::{git::Who, sandbox::Window, stdx::tasks::Tasks};

/// Channels of one connection: a browser opens a dozen through `-L`.
const CHANNELS: usize = 64;

/// See [`Handler`].
#[derive(Debug)]
pub(super) struct Connection {
    shared: Shared,
    from: SocketAddr,
    gate: Gate,
    /// Where channels run; each ends with its program, its connection, or as the client wants.
    tasks: Tasks,
    /// Told when somebody is let in.
    entered: Option<oneshot::Sender<()>>,
    guest: Option<Guest>,
    /// Somebody who came to push.
    pusher: Option<Who>,
    channels: HashMap<ChannelId, Open>,
    /// One for each channel, given back when what it leads to has ended.
    places: Arc<Semaphore>,
}

#[derive(Debug)]
enum Open {
    Session(Channel),
    Forward(mpsc::UnboundedSender<Input>),
}

impl Connection {
    pub(super) fn new(
        shared: Shared,
        from: SocketAddr,
        (gate, tasks): (Gate, Tasks),
        entered: oneshot::Sender<()>,
    ) -> Self {
        Self {
            shared,
            from,
            gate,
            tasks,
            entered: Some(entered),
            guest: None,
            pusher: None,
            channels: HashMap::new(),
            places: Arc::new(Semaphore::new(CHANNELS)),
        }
    }

    fn session(&mut self, id: ChannelId) -> Option<&mut Channel> {
        match self.channels.get_mut(&id)? {
            Open::Session(channel) => Some(channel),
            Open::Forward(_) => None,
        }
    }

    /// Passes on what came for a channel.
    fn came(&self, id: ChannelId, input: Input) {
        let bytes = match &input {
            Input::Data(data) => data.len(),
            Input::End => 0,
        };
        self.gate.came(bytes);
        let taken = match self.channels.get(&id) {
            Some(Open::Session(channel)) => channel.send(input),
            Some(Open::Forward(to)) => to.send(input).is_ok(),
            None => false,
        };
        if !taken {
            self.gate.used(bytes);
        }
    }

    /// Runs something on a channel.
    fn run(
        &mut self,
        id: ChannelId,
        wish: Wish,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let (handle, gate) = (session.handle(), self.gate.clone());
        let with = self
            .guest
            .clone()
            .map(|guest| (Arc::clone(&self.shared), guest, gate));
        let running = self
            .session(id)
            .zip(with)
            .and_then(|(channel, with)| channel.run(wish, with, handle));
        match running {
            Some(running) => {
                self.tasks.spawn("ssh channel", running);
                session.channel_success(id)
            }
            None => session.channel_failure(id),
        }
    }
}

impl Connection {
    /// Takes a push on a channel.
    fn push(
        &mut self,
        id: ChannelId,
        who: Who,
        command: String,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let with = (Arc::clone(&self.shared), who, self.gate.clone());
        let handle = session.handle();
        let pushing = self
            .session(id)
            .and_then(|channel| channel.push(command, with, handle));
        match pushing {
            Some(pushing) => {
                self.tasks.spawn("ssh push", pushing);
                session.channel_success(id)
            }
            None => session.channel_failure(id),
        }
    }
}

fn answer(good: bool, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
    if good {
        session.channel_success(id)
    } else {
        session.channel_failure(id)
    }
}

fn window(columns: u32, rows: u32) -> Window {
    let side = |size: u32| u16::try_from(size).unwrap_or(u16::MAX);
    Window {
        columns: side(columns),
        rows: side(rows),
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        if is_instance(user) {
            let guest = enter(&self.shared, user, password, self.from).await;
            let Some(guest) = guest else {
                return Ok(Auth::reject());
            };
            guest.note(&self.shared, "Successful remote access by");
            self.guest = Some(guest);
        } else {
            let who = pusher::enter(&self.shared, user, password, self.from).await;
            let Some(who) = who else {
                return Ok(Auth::reject());
            };
            self.pusher = Some(who);
        }
        if let Some(entered) = self.entered.take() {
            let _ = entered.send(());
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.channels.len() >= CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let (_, output) = channel.split();
        self.channels
            .insert(output.id(), Open::Session(Channel::new(output)));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: russh::Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !forward::is_inside(host) {
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
            return Ok(());
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Some(guest), Ok(place)) = (self.guest.clone(), place) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (_, output) = channel.split();
        let (to, input) = mpsc::unbounded_channel();
        self.channels.insert(output.id(), Open::Forward(to));
        let (shared, gate) = (Arc::clone(&self.shared), self.gate.clone());
        self.tasks.spawn("ssh forward", async move {
            let _place = place;
            match forward::connect(&shared, &guest, port).await {
                Ok(stream) => {
                    reply.accept().await;
                    forward::run(stream, input, output, gate).await;
                }
                Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let found = self.session(channel);
        let good = found.map(|found| found.terminal(term, window(columns, rows)));
        answer(good.is_some(), channel, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let good = self
            .session(channel)
            .is_some_and(|found| found.set(name, value));
        answer(good, channel, session)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.run(channel, Wish::Shell, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        match self.pusher.clone() {
            Some(who) => self.push(channel, who, command, session),
            None => self.run(channel, Wish::Command(command), session),
        }
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "sftp" {
            self.run(channel, Wish::Files, session)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(found) = self.session(channel) {
            found.control(Control::Window(window(columns, rows)));
        }
        Ok(())
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let number = number_of(&signal);
        if let Some((found, number)) = self.session(channel).zip(number) {
            found.control(Control::Signal(number));
        }
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.came(channel, Input::Data(Bytes::copy_from_slice(data)));
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.came(channel, Input::End);
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(guest) = &self.guest {
            guest.note(&self.shared, "Remote access ended for");
        }
    }
}

//! The control socket: daemons that listen and ask.

use std::{
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
};

use nix::poll::{PollFd, PollFlags};

use crate::sandbox::{
    Status,
    protocol::{FromShim, ToShim},
    status::VERSION,
};

/// Daemons at once: one, and its successor, and somebody who looks.
const CLIENTS: usize = 16;

/// A longer line is no request.
const LONGEST_LINE: usize = 4096;

pub(super) struct Clients {
    listener: UnixListener,
    clients: Vec<Client>,
}

struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    told: Option<Status>,
    logged: Option<u64>,
}

impl Clients {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            clients: Vec::new(),
        }
    }

    /// What to wait for: the listener, then one for each client. Where there are too many,
    /// the next waits in the listener's queue.
    pub(super) fn watch(&self) -> impl Iterator<Item = PollFd<'_>> {
        let full = self.clients.len() >= CLIENTS;
        let news = if full {
            PollFlags::empty()
        } else {
            PollFlags::POLLIN
        };
        let clients = self.clients.iter().map(|client| {
            let writes = !client.output.is_empty();
            let more = if writes {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            PollFd::new(client.stream.as_fd(), PollFlags::POLLIN | more)
        });
        std::iter::once(PollFd::new(self.listener.as_fd(), news)).chain(clients)
    }

    /// Takes new clients in and reads requests, in the order of [`Clients::watch`].
    pub(super) fn serve(&mut self, ready: &[bool]) -> Vec<ToShim> {
        let mut requests = Vec::new();
        let mut index = 0;
        self.clients.retain_mut(|client| {
            index += 1;
            let ready = ready.get(index).copied().unwrap_or(false);
            !ready || client.read(&mut requests)
        });
        if ready.first() == Some(&true) {
            while self.clients.len() < CLIENTS
                && let Ok((stream, _)) = self.listener.accept()
            {
                if stream.set_nonblocking(true).is_ok() {
                    let mut client = Client {
                        stream,
                        input: Vec::new(),
                        output: Vec::new(),
                        told: None,
                        logged: None,
                    };
                    client.queue(&FromShim::Hello { version: VERSION });
                    self.clients.push(client);
                }
            }
        }
        requests
    }

    /// Tells every client what it does not know yet. One that does not read is told the
    /// newest when it reads again: nothing piles up here.
    pub(super) fn tell(&mut self, status: &Status, logged: u64) {
        for client in &mut self.clients {
            client.tell(status, logged);
        }
    }

    /// Whether somebody has still to be told the last.
    pub(super) fn behind(&self) -> bool {
        self.clients.iter().any(|client| !client.output.is_empty())
    }
}

impl Client {
    fn queue(&mut self, message: &FromShim) {
        if serde_json::to_writer(&mut self.output, message).is_ok() {
            self.output.push(b'\n');
        }
    }

    fn tell(&mut self, status: &Status, logged: u64) {
        self.write();
        if !self.output.is_empty() {
            return;
        }
        // The log first: after the end nothing more is read.
        if self.logged != Some(logged) {
            self.logged = Some(logged);
            self.queue(&FromShim::Logged(logged));
        }
        if self.told.as_ref() != Some(status) {
            self.told = Some(status.clone());
            self.queue(&FromShim::Status(status.clone()));
        }
        self.write();
    }

    fn write(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) if written > 0 => drop(self.output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It does not listen any more; what it has asked for is still to be read.
                _ => self.output.clear(),
            }
        }
    }

    fn read(&mut self, requests: &mut Vec<ToShim>) -> bool {
        let mut buffer = [0; 512];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => self.input.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            }
            while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                requests.extend(serde_json::from_slice::<ToShim>(&self.input[..end]).ok());
                self.input.drain(..=end);
            }
            if self.input.len() > LONGEST_LINE {
                return false;
            }
        }
        true
    }
}

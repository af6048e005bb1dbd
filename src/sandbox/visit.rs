//! Programs that are run in a running sandbox beside its command: a person's shell, a copy of
//! files. They have the sandbox's view, its limits and its walls, as if the command had started
//! them itself.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, Interest, ReadBuf, unix::AsyncFd},
    net::{UnixStream, unix::pipe},
    time::timeout,
};

use super::{
    protocol::{Answer, CONNECT, END_SIZE, decode_end, encode_visit, signal},
    sys, unix,
};

/// How long init may take to start a program.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be run in a running sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// What is run.
    pub program: Program,
    /// More of the environment, over the command's own.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The terminal that it gets; none for pipes.
    #[serde(default)]
    pub terminal: Option<Window>,
}

impl Visit {
    /// A visit with pipes and nothing but the command's environment.
    #[must_use]
    pub const fn new(program: Program) -> Self {
        Self {
            program,
            env: Vec::new(),
            terminal: None,
        }
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A command and its arguments, looked up in `PATH` inside.
    Command(Vec<String>),
    /// The platform's own server of files (version 3 of SFTP) on stdin and stdout.
    Sftp,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// In characters.
    pub columns: u16,
    /// In characters.
    pub rows: u16,
}

/// Why there is no visit.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The sandbox was made by a release that knows no visits.
    #[error("it was started by an earlier release of the platform, which could not do this")]
    TooOld,
    /// What runs in it starts no other program.
    #[error("there is no shell in it")]
    NoShell,
    /// As many visits as there may be, or as many processes.
    #[error("it has as many sessions or processes already as it may have")]
    TooMany,
    /// The request is longer than it may be.
    #[error("the command and its environment are longer than 64 KiB")]
    TooLong,
    /// The sandbox is gone, or the kernel refused.
    #[error("it cannot be reached")]
    Io(#[from] io::Error),
}

/// A program that was started in a sandbox.
#[derive(Debug)]
pub struct Visitor {
    /// What leads to it and comes from it.
    pub streams: Streams,
    /// Its life.
    pub life: Life,
}

/// What leads to a program and comes from it.
#[derive(Debug)]
pub enum Streams {
    /// Pipes of its own.
    Pipes {
        /// To its stdin.
        stdin: pipe::Sender,
        /// From its stdout.
        stdout: pipe::Receiver,
        /// From its stderr.
        stderr: pipe::Receiver,
    },
    /// The other side of its terminal.
    Terminal(Terminal),
}

/// The outer side of a terminal. What the program writes is read from it.
#[derive(Debug)]
pub struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    /// Writes all of `text`, as if it had been typed.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn write_all(&self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let write = |fd: &OwnedFd| Ok(nix::unistd::write(fd, text)?);
            let written = self.0.async_io(Interest::WRITABLE, write).await?;
            text = &text[written..];
        }
        Ok(())
    }

    /// Gives it another size, of which the program is told.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn resize(&self, window: Window) -> io::Result<()> {
        sys::set_window(self.0.as_fd(), window.columns, window.rows)
    }
}

impl AsyncRead for &Terminal {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let room = into.initialize_unfilled();
            match ready.try_io(|fd| Ok(nix::unistd::read(fd, room)?)) {
                Ok(Ok(count)) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // pty(7): nobody has the inner side open any more.
                Ok(Err(error)) if error.raw_os_error() == Some(nix::libc::EIO) => {
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitEnd {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// With the sandbox, or nobody knows how.
    Lost,
}

/// The life of a program: dropping it hangs up on the program, as a terminal that is closed
/// does, and some seconds later kills what is left of its process group.
#[derive(Debug)]
pub struct Life(UnixStream);

impl Life {
    /// Waits until the program has ended. Dropping it half-way loses nothing before the end.
    pub async fn end(&mut self) -> VisitEnd {
        let mut bytes = [0; END_SIZE];
        match self.0.read_exact(&mut bytes).await {
            Ok(_) => match decode_end(bytes) {
                Ok(code) => VisitEnd::Code(code),
                Err(signal) => VisitEnd::Signal(signal),
            },
            Err(_) => VisitEnd::Lost,
        }
    }

    /// Sends a signal to the program's process group.
    ///
    /// # Errors
    /// Where the sandbox is gone.
    pub fn signal(&self, number: u8) -> io::Result<()> {
        // Four bytes find room, or more signals wait than anybody could mean.
        self.0.try_write(&signal(number)).map(drop)
    }
}

/// Starts a program in the sandbox whose folder is `dir`.
///
/// # Errors
/// [`VisitError`]. Where the program itself is not there, it is started all the same, says so on
/// its stderr, and ends with code 127.
pub async fn visit(dir: &Path, visit: &Visit) -> Result<Visitor, VisitError> {
    let request = encode_visit(visit).ok_or(VisitError::TooLong)?;
    let begun = async {
        let mut init = unix::connect(dir, CONNECT)?;
        init.write_all(&request).await?;
        let first = receive(&init).await?;
        let streams = if visit.terminal.is_some() {
            Streams::Terminal(Terminal(sys::watch(nonblocking(first)?)?))
        } else {
            Streams::Pipes {
                stdin: pipe::Sender::from_owned_fd(first)?,
                stdout: pipe::Receiver::from_owned_fd(receive(&init).await?)?,
                stderr: pipe::Receiver::from_owned_fd(receive(&init).await?)?,
            }
        };
        let life = Life(init);
        Ok(Visitor { streams, life })
    };
    let begun = timeout(PATIENCE, begun).await;
    match begun.unwrap_or_else(|_| Err(VisitError::Io(io::ErrorKind::TimedOut.into()))) {
        // An init that knows visits answers whatever it is asked, unless it is gone.
        Err(VisitError::Io(error)) if is_end(error.kind()) && unix::open(dir, CONNECT).is_ok() => {
            Err(VisitError::TooOld)
        }
        other => other,
    }
}

/// Whether the other side closed the connection: while it was answering, or, with the request
/// still on its way, before it had read all of it.
const fn is_end(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
    )
}

async fn receive(init: &UnixStream) -> Result<OwnedFd, VisitError> {
    let mut answer = [0; Answer::SIZE];
    let received = init
        .async_io(Interest::READABLE, || sys::receive(init, &mut answer))
        .await;
    let received = match received {
        // A connection that is closed with unread bytes in it is reset.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        other => other?,
    };
    if received.len != Answer::SIZE {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    match (Answer::from_bytes(answer), received.passed) {
        (Answer(0), Some(fd)) => Ok(fd),
        (Answer(0), None) => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        (Answer(nix::libc::EAGAIN), _) => Err(VisitError::TooMany),
        (Answer(nix::libc::EOPNOTSUPP), _) => Err(VisitError::NoShell),
        (Answer(errno), _) => Err(io::Error::from_raw_os_error(errno).into()),
    }
}

fn nonblocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR))?;
    Ok(fd)
}

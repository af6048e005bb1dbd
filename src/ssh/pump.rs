//! Moves bytes between a channel and what runs in a sandbox.

use std::{
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use russh::{ChannelWriteHalf, server::Msg};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc::UnboundedReceiver,
    time::sleep,
};

use super::{
    channel::{Control, Input},
    gate::Gate,
};
use crate::sandbox::{Life, Streams, Terminal, VisitEnd, Visitor};

/// Bytes that are moved at once.
const BUFFER: usize = 32 << 10;
/// Output that is not taken for so long waits for the client.
const PATIENCE: Duration = Duration::from_millis(200);
/// After the end, output that is silent for so long is that of something left behind.
const LINGER: Duration = Duration::from_millis(500);
/// Code of the protocol for what came from stderr.
const STDERR: Option<u32> = Some(1);

type Output = ChannelWriteHalf<Msg>;

/// What is known of the outputs of one channel.
struct Outputs<'a> {
    gate: &'a Gate,
    moved: AtomicU64,
    waiting: AtomicU64,
}

/// Moves bytes until the program has ended or the client has closed the channel, which hangs up
/// on the program.
pub(super) async fn run(
    visitor: Visitor,
    input: UnboundedReceiver<Input>,
    mut control: UnboundedReceiver<Control>,
    output: &Output,
    gate: &Gate,
) -> VisitEnd {
    let Visitor { streams, mut life } = visitor;
    let outputs = Outputs {
        gate,
        moved: AtomicU64::new(0),
        waiting: AtomicU64::new(0),
    };
    match streams {
        Streams::Pipes {
            stdin,
            mut stdout,
            mut stderr,
        } => {
            let out = async {
                let mut to = output.make_writer();
                outputs.copy(&mut stdout, &mut to).await;
            };
            let err = async {
                let mut to = output.make_writer_ext(STDERR);
                outputs.copy(&mut stderr, &mut to).await;
            };
            let both = async {
                tokio::join!(out, err);
            };
            let feed = feed_pipe(stdin, input, gate);
            finish(
                both,
                feed,
                until_end(&mut life, &mut control, None),
                &outputs,
            )
            .await
        }
        Streams::Terminal(terminal) => {
            let out = async {
                let mut to = output.make_writer();
                outputs.copy(&mut &terminal, &mut to).await;
            };
            let feed = feed_terminal(&terminal, input, gate);
            let end = until_end(&mut life, &mut control, Some(&terminal));
            finish(out, feed, end, &outputs).await
        }
    }
}

/// Until the program has ended and its output has come.
async fn finish(
    out: impl Future<Output = ()>,
    feed: impl Future<Output = ()>,
    end: impl Future<Output = VisitEnd>,
    outputs: &Outputs<'_>,
) -> VisitEnd {
    let (mut out, mut feed, mut end) = (pin!(out), pin!(feed), pin!(end));
    let (mut out_done, mut feed_done) = (false, false);
    let end = loop {
        // Dropping any of these only happens at the end of all.
        tokio::select! {
            end = &mut end => break end,
            () = &mut out, if !out_done => out_done = true,
            () = &mut feed, if !feed_done => feed_done = true,
        }
    };
    while !out_done {
        let before = outputs.moved.load(Ordering::Relaxed);
        tokio::select! {
            () = &mut out => out_done = true,
            () = sleep(LINGER) => {
                let moved = outputs.moved.load(Ordering::Relaxed) != before;
                if !moved && outputs.waiting.load(Ordering::Relaxed) == 0 {
                    break;
                }
            }
        }
    }
    end
}

/// The program's end; [`VisitEnd::Lost`] where the client has closed the channel.
async fn until_end(
    life: &mut Life,
    control: &mut UnboundedReceiver<Control>,
    terminal: Option<&Terminal>,
) -> VisitEnd {
    loop {
        tokio::select! {
            end = life.end() => return end,
            wanted = control.recv() => match wanted {
                // A sandbox that is gone, and a terminal that is closed, tell of their end.
                Some(Control::Signal(number)) => drop(life.signal(number)),
                Some(Control::Window(window)) => {
                    drop(terminal.map(|terminal| terminal.resize(window)));
                }
                None => return VisitEnd::Lost,
            },
        }
    }
}

impl Outputs<'_> {
    /// Moves all that is read to the client, until either is at its end.
    async fn copy(&self, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            let mut write = pin!(to.write_all(&buffer[..count]));
            let written = tokio::select! {
                written = &mut write => written,
                () = sleep(PATIENCE) => {
                    let _blocked = self.gate.block();
                    self.waiting.fetch_add(1, Ordering::Relaxed);
                    let written = write.await;
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    written
                }
            };
            if written.is_err() {
                return;
            }
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn feed_pipe(
    stdin: tokio::net::unix::pipe::Sender,
    mut input: UnboundedReceiver<Input>,
    gate: &Gate,
) {
    let mut stdin = Some(stdin);
    while let Some(came) = input.recv().await {
        match came {
            Input::Data(data) => {
                if let Some(open) = &mut stdin
                    && open.write_all(&data).await.is_err()
                {
                    // It reads no more; the client may go on.
                    stdin = None;
                }
                gate.used(data.len());
            }
            Input::End => stdin = None,
        }
    }
}

async fn feed_terminal(terminal: &Terminal, mut input: UnboundedReceiver<Input>, gate: &Gate) {
    while let Some(came) = input.recv().await {
        match came {
            Input::Data(data) => {
                let _ = terminal.write_all(&data).await;
                gate.used(data.len());
            }
            // As a person would say it: ^D.
            Input::End => drop(terminal.write_all(&[4]).await),
        }
    }
}

/// Says something to the person at the other end.
pub(super) async fn say(output: &Output, text: &str) {
    let mut to = output.make_writer_ext(STDERR);
    let _ = to.write_all(format!("{text}\r\n").as_bytes()).await;
}

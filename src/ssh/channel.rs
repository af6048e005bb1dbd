//! A channel of a connection for a shell, a command or files.

use bytes::Bytes;
use russh::{ChannelId, ChannelWriteHalf, Sig, server::Msg};
use tokio::sync::mpsc;

use super::{Shared, entry::Guest, gate::Gate, pump, pusher};
use crate::{
    git::Who,
    sandbox::{self, Program, Visit, VisitEnd, Window},
};

/// Variables that one channel may set, and their bytes together.
const VARIABLES: usize = 64;
const VARIABLES_BYTES: usize = 32 << 10;

/// What starts a shell: bash where there is one, as the user's own choice of it.
const SHELL: &str =
    "if [ -x /bin/bash ]; then export SHELL=/bin/bash; else export SHELL=/bin/sh; fi\n";

/// What the client sends.
#[derive(Debug)]
pub(super) enum Input {
    Data(Bytes),
    End,
}

/// What the client wants besides.
#[derive(Debug)]
pub(super) enum Control {
    Window(Window),
    Signal(u8),
}

/// What a client wants to run.
#[derive(Debug)]
pub(super) enum Wish {
    Shell,
    Command(String),
    Files,
}

/// A channel before and after it runs something.
#[derive(Debug)]
pub(super) struct Channel {
    env: Vec<(String, String)>,
    window: Option<Window>,
    to: mpsc::UnboundedSender<Input>,
    control: mpsc::UnboundedSender<Control>,
    /// What is needed to run something, until something runs.
    ready: Option<Ready>,
}

#[derive(Debug)]
struct Ready {
    input: mpsc::UnboundedReceiver<Input>,
    control: mpsc::UnboundedReceiver<Control>,
    output: ChannelWriteHalf<Msg>,
}

impl Channel {
    pub(super) fn new(output: ChannelWriteHalf<Msg>) -> Self {
        // Bounded by the gate.
        let (to, input) = mpsc::unbounded_channel();
        let (to_control, control) = mpsc::unbounded_channel();
        Self {
            env: Vec::new(),
            window: None,
            to,
            control: to_control,
            ready: Some(Ready {
                input,
                control,
                output,
            }),
        }
    }

    /// Sets a variable of what will run; false where there are too many.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let bytes = |(name, value): &(String, String)| name.len() + value.len();
        let all: usize = self.env.iter().map(bytes).sum();
        let good = !name.is_empty()
            && !name.contains(['=', '\0'])
            && !value.contains('\0')
            && self.env.len() < VARIABLES
            && all + name.len() + value.len() <= VARIABLES_BYTES;
        if good {
            self.env.push((name.to_owned(), value.to_owned()));
        }
        good
    }

    /// Asks for a terminal.
    pub(super) fn terminal(&mut self, term: &str, window: Window) {
        self.set("TERM", term);
        self.window = Some(window);
    }

    /// Passes on what came; false where nobody takes it any more.
    pub(super) fn send(&self, input: Input) -> bool {
        self.to.send(input).is_ok()
    }

    /// Passes on what is wanted besides.
    pub(super) fn control(&self, control: Control) {
        // What has ended needs no signal.
        let _ = self.control.send(control);
    }

    /// What runs `wish` on this channel until it ends or the client closes the channel; none
    /// where something runs on it already.
    pub(super) fn run(
        &mut self,
        wish: Wish,
        (shared, guest, gate): (Shared, Guest, Gate),
        handle: russh::server::Handle,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let Ready {
            input,
            control,
            output,
        } = self.ready.take()?;
        let visit = Visit {
            program: program(wish),
            env: std::mem::take(&mut self.env),
            terminal: self.window,
        };
        Some(async move {
            let end = match begin(shared, guest, visit).await {
                Ok(visitor) => pump::run(visitor, input, control, &output, &gate).await,
                Err(reason) => {
                    pump::say(&output, &reason).await;
                    drop(input);
                    VisitEnd::Code(1)
                }
            };
            finish(&handle, &output, end).await;
        })
    }
}

impl Channel {
    /// What takes a push on this channel; none where something runs on it already.
    pub(super) fn push(
        &mut self,
        command: String,
        with: (Shared, Who, Gate),
        handle: russh::server::Handle,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let Ready { input, output, .. } = self.ready.take()?;
        Some(async move {
            let code = pusher::serve(with, command, input, &output).await;
            finish(&handle, &output, VisitEnd::Code(code)).await;
        })
    }
}

async fn begin(shared: Shared, guest: Guest, visit: Visit) -> Result<sandbox::Visitor, String> {
    let dir = guest.sandbox(&shared)?;
    let begun = sandbox::visit(&dir, &visit).await;
    begun.map_err(|error| {
        let index = guest.wanted.index;
        match std::error::Error::source(&error) {
            Some(cause) => format!("cannot enter instance {index}: {error}: {cause}"),
            None => format!("cannot enter instance {index}: {error}"),
        }
    })
}

fn program(wish: Wish) -> Program {
    let shell = |script: String, rest: Vec<String>| {
        let first = [
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            script,
            "sh".to_owned(),
        ];
        Program::Command(first.into_iter().chain(rest).collect())
    };
    match wish {
        Wish::Files => Program::Sftp,
        Wish::Shell => shell(format!("{SHELL}exec \"$SHELL\""), Vec::new()),
        Wish::Command(command) => shell(format!("{SHELL}exec \"$SHELL\" -c \"$1\""), vec![command]),
    }
}

/// Tells the client how it ended. Where it is gone nobody hears it.
async fn finish(handle: &russh::server::Handle, output: &ChannelWriteHalf<Msg>, end: VisitEnd) {
    let id: ChannelId = output.id();
    let _ = output.eof().await;
    match end {
        VisitEnd::Code(code) => {
            let code = u32::try_from(code).unwrap_or(1);
            let _ = output.exit_status(code).await;
        }
        VisitEnd::Signal(number) => {
            let (name, none) = (name_of(number), String::new);
            let _ = handle
                .exit_signal_request(id, name, false, none(), none())
                .await;
        }
        VisitEnd::Lost => {
            let text = "the instance has ended".to_owned();
            let _ = handle
                .exit_signal_request(id, Sig::KILL, false, text, String::new())
                .await;
        }
    }
    let _ = output.close().await;
}

/// Signals by the names that the protocol has for them (RFC 4254, 6.10).
const SIGNALS: [(Sig, u8); 12] = [
    (Sig::ABRT, 6),
    (Sig::ALRM, 14),
    (Sig::FPE, 8),
    (Sig::HUP, 1),
    (Sig::ILL, 4),
    (Sig::INT, 2),
    (Sig::KILL, 9),
    (Sig::PIPE, 13),
    (Sig::QUIT, 3),
    (Sig::SEGV, 11),
    (Sig::TERM, 15),
    (Sig::USR1, 10),
];

fn name_of(number: i32) -> Sig {
    let known = SIGNALS
        .into_iter()
        .find(|(_, known)| i32::from(*known) == number);
    known.map_or_else(
        || Sig::Custom(format!("{number}@pastina")),
        |(name, _)| name,
    )
}

/// The number of a signal, where it has one.
pub(super) fn number_of(signal: &Sig) -> Option<u8> {
    let wanted = std::mem::discriminant(signal);
    let known = SIGNALS
        .into_iter()
        .find(|(known, _)| std::mem::discriminant(known) == wanted);
    known.map(|(_, number)| number)
}

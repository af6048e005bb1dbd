//! Why a request got no answer from its guest, for the client and for the log.

use std::fmt::Write as _;

use http::StatusCode;
use wasmtime::{Trap, WasmBacktrace};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The guest failed.
    Failed(wasmtime::Error),
    /// The guest ended without an answer.
    Silent,
    /// The guest answered with an error code of `wasi:http`.
    Code(String),
    /// The time limit, in seconds, was over.
    TimedOut(u64),
}

impl Refusal {
    /// The status that the client gets.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Failed(_) | Self::Silent | Self::Code(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The reason in one line.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Failed(error) => match error.downcast_ref::<Trap>() {
                Some(trap) => format!("the component failed: {trap}"),
                None => format!("the component failed: {}", error.root_cause()),
            },
            Self::Silent => "the component ended without an answer".to_owned(),
            Self::Code(code) => format!("the component answered with the error {code}"),
            Self::TimedOut(seconds) => format!(
                "the component was stopped after {seconds} s (PASTINA_WASM_TIMEOUT sets the limit)"
            ),
        }
    }

    /// The reason, and where in the guest it happened.
    pub(super) fn log(&self, request: &str) -> String {
        let mut text = format!("wasm: {request}: {}\n", self.reason());
        if let Self::Failed(error) = self
            && let Some(trace) = error.downcast_ref::<WasmBacktrace>()
        {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{trace}");
        }
        text
    }
}

//! Picks the role; nothing else.

use std::{env, ffi::OsStr, process::ExitCode};

use pastina::{sandbox, wasm};

fn main() -> ExitCode {
    // The shim stays single-threaded and small, so it reaches neither the argument parser nor
    // an async runtime.
    match env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("sandbox-shim") => sandbox::shim::main(),
        Some("wasm-host") => wasm::host::main(env::args_os().skip(2)),
        Some("wasm-compile") => wasm::compile::main(env::args_os().skip(2)),
        _ => ExitCode::SUCCESS,
    }
}

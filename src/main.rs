//! Picks the role; nothing else.

use std::{env, process::ExitCode};

use pastina::wasm;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    match args.next().as_deref().and_then(|role| role.to_str()) {
        Some("wasm-host") => wasm::host::main(args),
        Some("wasm-compile") => wasm::compile::main(args),
        _ => ExitCode::SUCCESS,
    }
}

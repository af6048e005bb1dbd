//! Picks the role; nothing else.

use std::{env, ffi::OsStr, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use pastina::{cli, sandbox, serve, wasm};

/// A whole platform-as-a-service in one binary.
#[derive(Debug, Parser)]
#[command(name = "pastina", version, after_help = EXIT_CODES)]
struct Args {
    /// How results are printed
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "PASTINA_OUTPUT"
    )]
    output: cli::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the platform
    Serve(serve::config::Args),
    /// Say what this host can and cannot enforce
    Doctor(serve::doctor::Args),
    #[command(flatten)]
    Client(cli::Verb),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not logged in or not \
    allowed, 4 no such thing, 5 refused, 6 the build failed, 7 the app did not start, 8 the \
    platform cannot be reached";

fn main() -> ExitCode {
    // The roles inside and around a sandbox reach no argument parser; the shim stays
    // single-threaded and small, so it reaches no async runtime either.
    match env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("sandbox-shim") => return sandbox::shim::main(),
        Some("sandbox-net") => return sandbox::tunnel::process::main(),
        Some("wasm-host") => return wasm::host::main(env::args_os().skip(2)),
        Some("wasm-compile") => return wasm::compile::main(env::args_os().skip(2)),
        _ => {}
    }
    let args = Args::parse();
    let outcome = match args.command {
        Command::Serve(serve) => serve::main(&serve),
        Command::Doctor(doctor) => serve::doctor::main(&doctor, args.output),
        Command::Client(verb) => Ok(cli::main(verb, args.output)),
        Command::Completions { shell } => Ok(cli::completions(shell, &mut Args::command())),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

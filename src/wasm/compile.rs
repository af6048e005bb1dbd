//! The role that compiles a component ahead of time, in the sandbox of its build.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use super::component::{self, WasmError, chain};

/// `wasm-compile IN [OUT]`: compiles the component `IN` into `OUT`, or else beside it.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<PathBuf> = args.into_iter().map(PathBuf::from).collect();
    let outcome = match args.as_slice() {
        [input] => compile(input, &component::compiled_path(input)),
        [input, output] => compile(input, output),
        _ => Err(WasmError::Setting(
            "wasm-compile takes a component and, where it is not kept beside it, a file for the \
             machine code"
                .to_owned(),
        )),
    };
    match outcome {
        Ok(told) => {
            // A closed output is no reason to fail.
            let _ = writeln!(io::stdout().lock(), "{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "wasm-compile: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn compile(input: &Path, output: &Path) -> Result<String, WasmError> {
    let start = Instant::now();
    let code = component::compile(input)?;
    let failed = |source| WasmError::File {
        what: "write",
        path: output.to_owned(),
        source,
    };
    // Whoever reads the output sees all of it or nothing.
    let mut half = output.as_os_str().to_owned();
    half.push(".half");
    let half = PathBuf::from(half);
    std::fs::write(&half, &code)
        .and_then(|()| std::fs::rename(&half, output))
        .map_err(failed)?;
    Ok(format!(
        "{} compiled into {} KiB of machine code in {} ms",
        input.display(),
        code.len() / 1024,
        start.elapsed().as_millis()
    ))
}

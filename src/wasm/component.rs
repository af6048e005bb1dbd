//! From a file to a component that is ready to be instantiated.

use std::{
    io,
    path::{Path, PathBuf},
};

use wasmtime::{
    Engine, Precompiled,
    component::{Component, Linker},
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::{engine, state::State};

/// Why a component cannot be compiled or served.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// The engine could not be set up.
    #[error("cannot set up the WebAssembly engine")]
    Engine(#[source] wasmtime::Error),
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is no WebAssembly at all.
    #[error("{} is not WebAssembly", .0.display())]
    NotWasm(PathBuf),
    /// The file is a core module.
    #[error(
        "{} is a core module, not a component: make a component of it with \
         `wasm-tools component new` or `jco new`",
        .0.display()
    )]
    CoreModule(PathBuf),
    /// The component is wrong.
    #[error("{} cannot be compiled", path.display())]
    Compile {
        /// Which.
        path: PathBuf,
        /// What the compiler said.
        source: wasmtime::Error,
    },
    /// The component imports something that there is not, or answers no HTTP.
    #[error(
        "{} does not fit this platform: a component exports wasi:http/incoming-handler 0.2 and \
         imports nothing but WASI 0.2",
        path.display()
    )]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What does not fit.
        source: wasmtime::Error,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// The address could not be bound, or no thread started.
    #[error("cannot {what}")]
    Start {
        /// The step.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The error and everything that led to it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Where the machine code of `component` is kept.
pub(super) fn compiled_path(component: &Path) -> PathBuf {
    component.with_extension(engine::COMPILED)
}

/// The machine code of the component in `path`, which is checked to be one that can be served.
pub(super) fn compile(path: &Path) -> Result<Vec<u8>, WasmError> {
    let bytes = std::fs::read(path).map_err(|source| WasmError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    match bytes.get(..8) {
        // The magic number, a version and a layer (component-model: binary format).
        Some(b"\0asm\x0d\0\x01\0") => {}
        Some(b"\0asm\x01\0\0\0") => return Err(WasmError::CoreModule(path.to_owned())),
        _ => return Err(WasmError::NotWasm(path.to_owned())),
    }
    let engine = engine::compiler()?;
    let component = Component::new(&engine, &bytes).map_err(|source| WasmError::Compile {
        path: path.to_owned(),
        source,
    })?;
    ready(&component, path)?;
    component.serialize().map_err(|source| WasmError::Compile {
        path: path.to_owned(),
        source,
    })
}

/// The component in `path`: its machine code from the file beside it where that is there and
/// was made by this engine, or else compiled now. Tells which through `note`.
pub(super) fn load(
    engine: &Engine,
    path: &Path,
    note: impl Fn(&str),
) -> Result<ProxyPre<State>, WasmError> {
    let kept = compiled_path(path);
    let component = match deserialize(engine, &kept) {
        Ok(Some(component)) => component,
        other => {
            note(match other {
                Ok(_) => "the component is not compiled yet: compiling",
                Err(_) => "the component was compiled by another engine: compiling again",
            });
            let code = compile(path)?;
            load_code(engine, &code).map_err(|source| WasmError::Compile {
                path: path.to_owned(),
                source,
            })?
        }
    };
    ready(&component, path)
}

/// None where there is no file of machine code; an error where it is for another engine.
fn deserialize(engine: &Engine, path: &Path) -> wasmtime::Result<Option<Component>> {
    match Engine::detect_precompiled_file(path) {
        Ok(Some(Precompiled::Component)) => {}
        Ok(_) | Err(_) => return Ok(None),
    }
    #[expect(unsafe_code, reason = "machine code is mapped from a file")]
    // SAFETY: what is wrong with this file can harm this process alone, and this process
    // stands in the sandbox of the app whose file it is, where the app could run machine code
    // of its own anyway. The droplet is read-only, so the mapped file does not change.
    unsafe {
        Component::deserialize_file(engine, path).map(Some)
    }
}

fn load_code(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "machine code is loaded")]
    // SAFETY: `code` was serialized by `compile` in this process a moment ago.
    unsafe {
        Component::deserialize(engine, code)
    }
}

/// Links `component` to what the platform offers.
fn ready(component: &Component, path: &Path) -> Result<ProxyPre<State>, WasmError> {
    let link = || {
        let mut linker: Linker<State> = Linker::new(component.engine());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        ProxyPre::new(linker.instantiate_pre(component)?)
    };
    link().map_err(|source| WasmError::Unfit {
        path: path.to_owned(),
        source,
    })
}
